"""The process of `trial.Trial`: a few steps and one look at the validation patients, measured."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.memory import peak_memory_mb

from ..dataset.files import write_json
from ..training.setup.cases import training_cases
from ..training.trainer import train
from .child import device_name
from .folder import RUN, JobSpec, read_spec
from .process import lower_priority
from .trial_process import RESULT, TrialResult

#: Steps until the look; the first one builds the graph and is not timed.
STEPS = 6


class _EnoughError(Exception):
    """The trial has seen what it wanted."""


class _StopWatch:
    """When every step was done."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.done: list[float] = []

    def progress(self, step: int, steps: int, _loss: float, _seconds: float) -> None:
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
    # What cannot be trained is said before TensorFlow is loaded.
    spec.config.check()
    training_cases(spec.data, spec.config)
    watch = _StopWatch()
    config = replace(spec.config, validate_every=STEPS, patience=0)
    with suppress(_EnoughError):
        train(spec.data, folder / RUN, config, watch.progress)
    return watch.result()


if __name__ == "__main__":
    lower_priority()
    place = Path(sys.argv[1])
    try:
        write_json(place / RESULT, measure(place, read_spec(place)).to_dict())
    except UserError as error:
        write_json(place / RESULT, {"failed": str(error)})
