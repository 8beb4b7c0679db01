"""Timing of training steps, and of the share spent waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Pace(NamedTuple):
    """Means over the steps so far, without the first one, which also builds the graph.

    Attributes:
        seconds: seconds from step to step, including everything between two steps.
        step: seconds of a step itself, including waiting for data.
        waiting: share of `step` spent waiting for data, 0 to 1.
    """

    seconds: float
    step: float
    waiting: float


class Stopwatch:
    """Timer of steps; time between two steps belongs to neither.

    Attributes:
        step_seconds: seconds of the last step, including waiting for data.
        waiting_seconds: seconds of its waiting alone.
    """

    def __init__(self) -> None:
        self.step_seconds = self.waiting_seconds = 0.0
        self._started = self._begun = time.monotonic()
        self._steps, self._total, self._waited = 0, 0.0, 0.0

    def waiting(self, batches: Iterable[Item]) -> Iterator[Item]:
        """Iterate over batches; a step begins when it starts to wait for its batch."""
        source = iter(batches)
        while True:
            self._begun = time.monotonic()
            try:
                batch = next(source)
            except StopIteration:
                return
            self.waiting_seconds = time.monotonic() - self._begun
            yield batch

    def stepped(self) -> None:
        """Record the end of a step."""
        now = time.monotonic()
        self.step_seconds = now - self._begun
        if self._steps == 1:
            # The first step is dropped as soon as there is a second one.
            self._started, self._total, self._waited = self._begun, 0.0, 0.0
        self._steps += 1
        self._total += self.step_seconds
        self._waited += self.waiting_seconds

    def pace(self) -> Pace:
        """Return the means, after at least one step."""
        counted = max(1, self._steps - 1)
        seconds = (time.monotonic() - self._started) / counted
        return Pace(seconds, self._total / counted, self._waited / self._total if self._total else 0.0)
