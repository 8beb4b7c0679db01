"""Parallel work over patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(work: Callable[[Item], Result], patients: Sequence[Item], jobs: int) -> Iterator[Result]:
    """Yield `work(patient)` for all patients in order, in `jobs` processes."""
    if jobs > 1 and len(patients) > 1:
        with ProcessPoolExecutor(jobs) as pool:
            yield from pool.map(work, patients)
    else:
        yield from map(work, patients)
