"""A few steps of a training, to measure how long its parts take on this machine."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..common.pace import Pace
from ..dataset.opened import Data
from .setup.cases import training_cases
from .setup.config import TrainingConfig
from .trainer import train

#: Steps until the validation; the first one builds the graph and is not timed.
STEPS = 6


@dataclass(frozen=True)
class TrainingTimes:
    """How long the parts of a training take.

    Attributes:
        start_seconds: seconds until the end of the first step.
        step_seconds: seconds per further step.
        validation_seconds: seconds per validation on all validation patients.
    """

    start_seconds: float
    step_seconds: float
    validation_seconds: float


class _TrialDoneError(Exception):
    """Ends the trial."""


class _Stopwatch:
    """Times at which the steps were done (s)."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.done: list[float] = []

    def progress(self, step: int, steps: int, _loss: float, _pace: Pace) -> None:
        """Record the time of a step; end the trial after the validation."""
        self.done.append(time.monotonic())
        if step > STEPS or step == steps:
            raise _TrialDoneError

    def result(self) -> TrainingTimes:
        """Compute the times: a step from steps 2 to STEPS - 1, a validation from the excess of step STEPS."""
        gaps = [after - before for before, after in zip(self.done, self.done[1:], strict=False)]
        plain = gaps[: STEPS - 2] or gaps or [self.done[0] - self.started]
        step = sum(plain) / len(plain)
        validation = max(0.0, gaps[STEPS - 2] - step) if len(gaps) > STEPS - 2 else 0.0
        return TrainingTimes(self.done[0] - self.started, step, validation)


def training_times(data: Data, run: Path, config: TrainingConfig) -> TrainingTimes:
    """Train for a few steps in a folder, with one validation, and measure them.

    Args:
        data: data set.
        run: folder of the trial, which is removed before, and left behind.
        config: options of the training.

    Raises:
        UserError: as `trainer.train`.
    """
    # Invalid options are reported before Keras is loaded.
    config.check()
    training_cases(data, config)
    # One that was interrupted may be of other scans.
    shutil.rmtree(run, ignore_errors=True)
    watch = _Stopwatch()
    with suppress(_TrialDoneError):
        train(data, run, replace(config, validate_every=STEPS, patience=0), watch.progress)
    return watch.result()
