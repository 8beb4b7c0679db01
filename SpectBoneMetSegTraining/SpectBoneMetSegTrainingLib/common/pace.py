"""How long the steps of a training take, and how much of that is waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Pace(NamedTuple):
    """Means over the steps so far, without the first one, which also builds the graph.

    Attributes:
        seconds: from step to step, with all that happens between two.
        step: of a step itself, its waiting included.
        waiting: share of `step` spent waiting for data.
    """

    seconds: float
    step: float
    waiting: float


class Stopwatch:
    """Times steps; what happens between two of them belongs to neither.

    Attributes:
        step_seconds: seconds of the last step, its waiting included.
        waiting_seconds: of its waiting alone.
    """

    def __init__(self) -> None:
        self.step_seconds = self.waiting_seconds = 0.0
        self._started = self._begun = time.monotonic()
        self._steps, self._total, self._waited = 0, 0.0, 0.0

    def waiting(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches; a step begins with waiting for its own."""
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
        """The step is done."""
        now = time.monotonic()
        self.step_seconds = now - self._begun
        if self._steps == 1:
            # The first one is forgotten as soon as there is another.
            self._started, self._total, self._waited = self._begun, 0.0, 0.0
        self._steps += 1
        self._total += self.step_seconds
        self._waited += self.waiting_seconds

    def pace(self) -> Pace:
        """The means, after at least one step."""
        counted = max(1, self._steps - 1)
        seconds = (time.monotonic() - self._started) / counted
        return Pace(seconds, self._total / counted, self._waited / self._total if self._total else 0.0)
