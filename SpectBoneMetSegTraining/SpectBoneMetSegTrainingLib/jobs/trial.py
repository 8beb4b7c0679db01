"""A short trial of a training: what a step and a look at the validation patients cost on this machine."""

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

#: Steps until the look; the first one builds the graph and is not timed.
STEPS = 6
#: The end of a training, its thresholds and the comparison with the parent, costs about so many looks.
FINAL_VALIDATIONS = 6


@dataclass(frozen=True)
class TrialResult:
    """What was measured.

    Attributes:
        start_seconds: until the first step is done.
        step_seconds: of every further one.
        validation_seconds: of one look at all validation patients.
        memory_mb: highest (2**20 bytes).
        device: what computed.
    """

    start_seconds: float
    step_seconds: float
    validation_seconds: float
    memory_mb: float | None
    device: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def seconds(self, steps: int, validate_every: int) -> float:
        """About how long a whole training takes; less if it stops early."""
        looks = (steps // validate_every if validate_every else 0) + FINAL_VALIDATIONS
        return self.start_seconds + steps * self.step_seconds + looks * self.validation_seconds


class _EnoughError(Exception):
    """The trial has seen what it wanted."""


class _StopWatch:
    """When every step was done."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.done: list[float] = []

    def progress(self, step: int, steps: int, _loss: float, _pace: Pace) -> None:
        """After every step; ends the trial after the look."""
        self.done.append(time.monotonic())
        if step > STEPS or step == steps:
            raise _EnoughError

    def result(self) -> TrialResult:
        """Steps 2 to STEPS - 1 tell a step, step STEPS with what it takes longer a look."""
        gaps = [after - before for before, after in zip(self.done, self.done[1:], strict=False)]
        plain = gaps[: STEPS - 2] or gaps or [self.done[0] - self.started]
        step = sum(plain) / len(plain)
        look = max(0.0, gaps[STEPS - 2] - step) if len(gaps) > STEPS - 2 else 0.0
        start = self.done[0] - self.started
        return TrialResult(round(start, 2), round(step, 4), round(look, 2), peak_memory_mb(), device_name())


def measure(folder: Path, spec: JobSpec) -> TrialResult:
    """Train a little in a folder; as `trainer.train` otherwise."""
    # What cannot be trained is said before Keras is loaded.
    spec.config.check()
    training_cases(spec.data, spec.config)
    watch = _StopWatch()
    config = replace(spec.config, validate_every=STEPS, patience=0)
    with suppress(_EnoughError):
        train(spec.data, folder / RUN, config, watch.progress)
    return watch.result()
