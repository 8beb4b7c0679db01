"""Progress of long calls: the callback type, and lines on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from SpectBoneMetSegLib.common.dates import duration

from .pace import Pace

#: Called with the number done and the total.
Progress = Callable[[int, int], None]


def counter(what: str) -> Progress:
    """Return a callback that prints the count and the remaining time; work done before the first call is not timed."""
    started = time.monotonic()
    done_before: list[int] = []
    terminal = sys.stderr.isatty()
    width = 0

    def show(done: int, total: int) -> None:
        nonlocal width
        if not done_before:
            done_before.append(done - 1)
        left = (time.monotonic() - started) / max(done - done_before[0], 1) * (total - done)
        time_left = f", about {duration(left)} left" if done < total else ""
        line = f"{what} {done} of {total}{time_left}"
        # On a terminal a shorter line covers the one before it.
        shown, width = line.ljust(width if terminal else 0), len(line)
        print(shown, end="\r" if terminal and done < total else "\n", file=sys.stderr, flush=True)

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
            print(
                f"A step takes {step_seconds:.2g} s: about {duration(step_seconds * (steps - step))} "
                f"for the {steps - step} steps ahead, plus validations.",
                file=sys.stderr,
                flush=True,
            )
        if step % 20 == 0 or step == steps:
            speed = f"{pace.step:.2f} s a step, {pace.waiting:.0%} of it waiting for data"
            time_left = f", about {duration(pace.seconds * (steps - step))} left" if step < steps else ""
            print(f"step {step} of {steps}, loss {loss:.3f}, {speed}{time_left}", file=sys.stderr, flush=True)

    return show


def validation_line(step: int, dice: float, predict: object, load: object) -> None:
    """Print the validation DSC; called after every validation."""
    print(f"step {step}, validation DSC {dice:.3f}", file=sys.stderr, flush=True)
