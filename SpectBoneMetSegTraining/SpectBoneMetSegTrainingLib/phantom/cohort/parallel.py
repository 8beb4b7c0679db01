"""The same work for many patients, in as many processes as asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(work: Callable[[Item], Result], patients: Sequence[Item], jobs: int) -> Iterator[Result]:
    """The results of `work(patient)` in order; with several jobs `work` goes to other processes."""
    if jobs > 1 and len(patients) > 1:
        with ProcessPoolExecutor(jobs) as pool:
            yield from pool.map(work, patients)
    else:
        yield from map(work, patients)
