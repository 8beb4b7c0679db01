"""Parallel work over patients."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def patient_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of `jobs` processes that are stopped by their parent only.

    Ctrl-C and SIGTERM may reach the whole group of processes. A forked process would raise KeyboardInterrupt anywhere,
    also while it holds a lock of the pool, for which the parent then waits without end.
    """
    return ProcessPoolExecutor(jobs, initializer=_leave_signals_to_parent)


def _leave_signals_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def parallel_map(work: Callable[[Item], Result], patients: Sequence[Item], jobs: int) -> Iterator[Result]:
    """Yield `work(patient)` for all patients in order, in `jobs` processes."""
    if jobs > 1 and len(patients) > 1:
        with patient_pool(jobs) as pool:
            yield from pool.map(work, patients)
    else:
        yield from map(work, patients)
