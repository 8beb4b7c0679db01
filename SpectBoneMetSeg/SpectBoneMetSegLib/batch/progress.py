"""Progress of a run: a bar in a terminal, a line a minute elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque
from typing import TextIO

from ..common.dates import duration
from ..common.safe_text import one_line

__all__ = ["CaseProgress"]

#: Seconds between two drawings of the bar, and between two lines of a log.
BAR_EVERY, LINE_EVERY = 0.2, 60.0
#: Number of last cases from which the rate is computed.
RATE_OF = 200
BAR_WIDTH = 30


class CaseProgress:
    """Counts cases and shows the progress; on a terminal the bar stays on the last line."""

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        """Prepare the display, which appears with a `tick`."""
        self._total, self._stream = total, stream or sys.stderr
        self.bar = self._stream.isatty()
        self.done = self.failed = 0
        self._ends: deque[float] = deque([time.monotonic()], maxlen=RATE_OF)
        self._shown = time.monotonic()
        self._width = 0

    def tick(self, *, failed: bool = False) -> None:
        """Count one case."""
        self.done += 1
        self.failed += failed
        now = time.monotonic()
        self._ends.append(now)
        if now - self._shown >= (BAR_EVERY if self.bar else LINE_EVERY):
            self._shown = now
            self._show()

    def print_line(self, text: str) -> None:
        """Print a line above the bar."""
        self._clear()
        print(one_line(text), file=self._stream, flush=True)
        if self.bar:
            self._show()

    def close(self) -> None:
        """Remove the bar."""
        self._clear()

    @property
    def rate(self) -> float:
        """Cases per second, 0 before the first."""
        seconds = self._ends[-1] - self._ends[0]
        return (len(self._ends) - 1) / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the rate of the last cases; None before the first."""
        return (self._total - self.done) / self.rate if self.rate else None

    def text(self) -> str:
        """Return the progress as text: cases done, rate, time left and failures."""
        parts, left = [f"{self.done} of {self._total}"], self.seconds_left
        if left is not None:
            parts += [_rate(self.rate), f"about {duration(left)} left"]
        return ", ".join([*parts, f"{self.failed} failed"])

    def _show(self) -> None:
        if not self.bar:
            print(self.text(), file=self._stream, flush=True)
            return
        text, columns = self.text(), shutil.get_terminal_size().columns - 1
        # In a narrow terminal the bar is shorter, so that the number of failures stays visible.
        width = min(BAR_WIDTH, max(0, columns - len(text) - len("[] ")))
        full = round(width * self.done / max(1, self._total))
        line = f"[{'#' * full}{'.' * (width - full)}] {text}" if width else text
        line = line[:columns]
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)

    def _clear(self) -> None:
        if self.bar and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


def _rate(rate: float) -> str:
    return f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute"
