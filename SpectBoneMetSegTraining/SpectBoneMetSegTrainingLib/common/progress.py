"""Progress of long calls: the callback type, and lines on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from .pace import Pace

#: Called with the number done and the total.
Progress = Callable[[int, int], None]


def counter(what: str) -> Progress:
    """Return a callback that prints the count and the remaining time; work done before the first call is not timed."""
    started = time.monotonic()
    done_before: list[int] = []

    def show(done: int, total: int) -> None:
        if not done_before:
            done_before.append(done - 1)
        left = (time.monotonic() - started) / max(done - done_before[0], 1) * (total - done) / 60
        end = "\n" if done == total or not sys.stderr.isatty() else "\r"
        print(f"{what} {done} of {total}, about {left:.0f} min left", end=end, file=sys.stderr, flush=True)

    return show


#: Steps until the time of a training is estimated; the first one, which builds the network's graph, is not timed.
STEPS_FOR_AN_ESTIMATE = 4


def loss_line() -> Callable[[int, int, float, Pace], None]:
    """Return a callback that prints the estimated time of a training, and every 20 steps the loss, the time of a step
    and the share of it spent waiting for data."""
    times: list[float] = []

    def show(step: int, steps: int, loss: float, pace: Pace) -> None:
        times.append(time.monotonic())
        if len(times) == STEPS_FOR_AN_ESTIMATE and step < steps:
            step_seconds = (times[-1] - times[0]) / (len(times) - 1)
            left = step_seconds * (steps - step) / 60
            print(
                f"A step takes {step_seconds:.2g} s: about {left:.0f} min for the {steps - step} steps ahead, plus "
                "validations.",
                file=sys.stderr,
                flush=True,
            )
        if step % 20 == 0 or step == steps:
            left = pace.seconds * (steps - step) / 60
            speed = f"{pace.step:.2f} s a step, {pace.waiting:.0%} of it waiting for data"
            line = f"step {step} of {steps}, loss {loss:.3f}, {speed}, about {left:.0f} min left"
            print(line, file=sys.stderr, flush=True)

    return show


def validation_line(step: int, dice: float, predict: object, load: object) -> None:
    """Print the validation Dice; called after every validation."""
    print(f"step {step}, validation Dice {dice:.3f}", file=sys.stderr, flush=True)
