"""A short trial of a training, to measure the time of a step and of a validation on this machine."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.common.memory import peak_memory_mb

from ..common.pace import Pace
from ..training.setup.cases import training_cases
from ..training.trainer import train
from .child import device_name
from .folder import RUN, JobSpec

#: Steps until the validation; the first one builds the graph and is not timed.
STEPS = 6
#: The end of a training (thresholds, comparison with the parent model) takes about as long as so many validations.
FINAL_VALIDATIONS = 6


@dataclass(frozen=True)
class TrialResult:
    """Measurements of a trial.

    Attributes:
        start_seconds: seconds until the end of the first step.
        step_seconds: seconds per further step.
        validation_seconds: seconds per validation on all validation patients.
        memory_mb: peak memory in MiB (2**20 bytes); None if unknown.
        device: computing device.
    """

    start_seconds: float
    step_seconds: float
    validation_seconds: float
    memory_mb: float | None
    device: str

    def to_dict(self) -> dict[str, Any]:
        """Return the measurements as JSON values."""
        return asdict(self)

    def seconds(self, steps: int, validate_every: int) -> float:
        """Estimate the seconds of a whole training; early stopping makes it shorter."""
        validations = (steps // validate_every if validate_every else 0) + FINAL_VALIDATIONS
        return self.start_seconds + steps * self.step_seconds + validations * self.validation_seconds


class _TrialDoneError(Exception):
    """Ends the trial."""


class _StopWatch:
    """Times at which the steps were done (s)."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.done: list[float] = []

    def progress(self, step: int, steps: int, _loss: float, _pace: Pace) -> None:
        """Record the time of a step; end the trial after the validation."""
        self.done.append(time.monotonic())
        if step > STEPS or step == steps:
            raise _TrialDoneError

    def result(self) -> TrialResult:
        """Compute the times: a step from steps 2 to STEPS - 1, a validation from the excess of step STEPS."""
        gaps = [after - before for before, after in zip(self.done, self.done[1:], strict=False)]
        plain = gaps[: STEPS - 2] or gaps or [self.done[0] - self.started]
        step = sum(plain) / len(plain)
        validation = max(0.0, gaps[STEPS - 2] - step) if len(gaps) > STEPS - 2 else 0.0
        start = self.done[0] - self.started
        return TrialResult(round(start, 2), round(step, 4), round(validation, 2), peak_memory_mb(), device_name())


def measure(folder: Path, spec: JobSpec) -> TrialResult:
    """Train for a few steps in a folder, and measure them.

    Raises:
        UserError: as `trainer.train`.
    """
    # Invalid options are reported before Keras is loaded.
    spec.config.check()
    training_cases(spec.data, spec.config)
    watch = _StopWatch()
    config = replace(spec.config, validate_every=STEPS, patience=0)
    with suppress(_TrialDoneError):
        train(spec.data, folder / RUN, config, watch.progress)
    return watch.result()
