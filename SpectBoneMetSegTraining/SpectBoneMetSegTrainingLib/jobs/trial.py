"""A short trial of a training job, to estimate its time and memory on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.common.memory import peak_memory_mb

from ..training.timing import TrainingTimes, training_times
from .child import device_name
from .folder import RUN, JobSpec

#: The end of a training (thresholds, comparison with the parent model) takes about as long as so many validations.
FINAL_VALIDATIONS = 6


@dataclass(frozen=True)
class TrialResult(TrainingTimes):
    """Measurements of a trial.

    Attributes:
        memory_mb: peak memory in MiB (2**20 bytes); None if unknown.
        device: computing device.
    """

    memory_mb: float | None
    device: str

    def to_dict(self) -> dict[str, Any]:
        """Return the measurements as JSON values."""
        return asdict(self)

    def seconds(self, steps: int, validate_every: int) -> float:
        """Estimate the seconds of a whole training; early stopping makes it shorter."""
        validations = (steps // validate_every if validate_every else 0) + FINAL_VALIDATIONS
        return self.start_seconds + steps * self.step_seconds + validations * self.validation_seconds


def measure(folder: Path, spec: JobSpec) -> TrialResult:
    """Train for a few steps in a folder, and measure them.

    Raises:
        UserError: as `trainer.train`.
    """
    times = training_times(spec.data, folder / RUN, spec.config)
    rounded = (round(times.start_seconds, 2), round(times.step_seconds, 4), round(times.validation_seconds, 2))
    return TrialResult(*rounded, peak_memory_mb(), device_name())
