"""How far a long call is: who is told, and lines on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from .pace import Pace

#: Called with how many are done, of how many.
Progress = Callable[[int, int], None]


def counter(what: str) -> Progress:
    """Shows how many are done and how long the rest will take; what was done before the first call costs nothing."""
    started = time.monotonic()
    before: list[int] = []

    def show(done: int, total: int) -> None:
        if not before:
            before.append(done - 1)
        left = (time.monotonic() - started) / max(done - before[0], 1) * (total - done) / 60
        end = "\n" if done == total or not sys.stderr.isatty() else "\r"
        print(f"{what} {done} of {total}, about {left:.0f} min left", end=end, file=sys.stderr, flush=True)

    return show


#: The first step builds the network's graph; the steps after it tell how long a training will take.
STEPS_FOR_AN_ESTIMATE = 4


def loss_line() -> Callable[[int, int, float, Pace], None]:
    """Shows how long the training will take as soon as that is known; now and then its loss, how long a step takes, and
    the share of it spent waiting for data."""
    times: list[float] = []

    def show(step: int, steps: int, loss: float, pace: Pace) -> None:
        times.append(time.monotonic())
        if len(times) == STEPS_FOR_AN_ESTIMATE and step < steps:
            each = (times[-1] - times[0]) / (len(times) - 1)
            left = each * (steps - step) / 60
            print(
                f"A step takes {each:.2g} s: about {left:.0f} min for the {steps - step} steps ahead, looks at the "
                "validation patients on top.",
                file=sys.stderr,
                flush=True,
            )
        if step % 20 == 0 or step == steps:
            left = pace.seconds * (steps - step) / 60
            speed = f"{pace.step:.2f} s a step, {pace.waiting:.0%} of it waiting for data"
            words = f"step {step} of {steps}, loss {loss:.3f}, {speed}, about {left:.0f} min left"
            print(words, file=sys.stderr, flush=True)

    return show


def validation_line(step: int, dice: float, predict: object, load: object) -> None:
    """Shows how the training does on the validation patients, after every look at them."""
    print(f"step {step}, validation Dice {dice:.3f}", file=sys.stderr, flush=True)
