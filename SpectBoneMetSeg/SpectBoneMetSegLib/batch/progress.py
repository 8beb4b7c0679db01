"""How far a run is: a bar in a terminal, a line a minute elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from typing import TextIO

from ..common.durations import duration

__all__ = ["CaseProgress"]

#: Seconds between two drawings of the bar, and between two lines of a log.
BAR_EVERY, LINE_EVERY = 0.2, 60.0
#: The rate is that of the last cases.
RATE_OF = 200
BAR_WIDTH = 30


class CaseProgress:
    """Counts cases and says so; on a terminal the bar stays on the last line."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        """Nothing is shown before the first `tick`."""
        self._total, self._stream = total, stream or sys.stderr
        self.bar = self._stream.isatty()
        self.done = self.failed = 0
        self._ends: deque[float] = deque([time.monotonic()], maxlen=RATE_OF)
        self._shown = time.monotonic()
        self._wide = 0

    def tick(self, *, failed: bool = False) -> None:
        """One case is over."""
        self.done += 1
        self.failed += failed
        now = time.monotonic()
        self._ends.append(now)
        if now - self._shown >= (BAR_EVERY if self.bar else LINE_EVERY):
            self._shown = now
            self._show()

    def say(self, sentence: str) -> None:
        """A line above the bar."""
        self._wipe()
        print(sentence, file=self._stream, flush=True)
        if self.bar:
            self._show()

    def close(self) -> None:
        """Take the bar away."""
        self._wipe()

    @property
    def rate(self) -> float:
        """Cases a second, 0 before the first."""
        took = self._ends[-1] - self._ends[0]
        return (len(self._ends) - 1) / took if took > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the rate of the last cases; None before the first."""
        return (self._total - self.done) / self.rate if self.rate else None

    def text(self) -> str:
        """Rate, time left and failures in words."""
        words, left = [f"{self.done} of {self._total}"], self.seconds_left
        if left is not None:
            words += [_rate(self.rate), f"about {duration(left)} left"]
        return ", ".join([*words, f"{self.failed} failed"])

    def _show(self) -> None:
        if not self.bar:
            print(self.text(), file=self._stream, flush=True)
            return
        full = round(BAR_WIDTH * self.done / max(1, self._total))
        line = f"[{'#' * full}{'.' * (BAR_WIDTH - full)}] {self.text()}"
        line = line[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + line.ljust(self._wide))
        self._stream.flush()
        self._wide = len(line)

    def _wipe(self) -> None:
        if self.bar and self._wide:
            self._stream.write("\r" + " " * self._wide + "\r")
            self._stream.flush()
            self._wide = 0


def _rate(rate: float) -> str:
    return f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute"
