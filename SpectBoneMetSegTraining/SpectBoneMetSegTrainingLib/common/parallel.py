"""Parallel work over patients, on this machine or on a Dask cluster."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

__all__ = ["Workers", "parallel_map", "patient_pool"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Number of processes of this machine, or the address of a Dask scheduler such as "tcp://host:8786".
Workers = int | str


def patient_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of `jobs` processes that are stopped by their parent only.

    Ctrl-C and SIGTERM may reach the whole group of processes. A forked process would raise KeyboardInterrupt anywhere,
    also while it holds a lock of the pool, for which the parent then waits without end.
    """
    return ProcessPoolExecutor(jobs, initializer=_leave_signals_to_parent)


def _leave_signals_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def parallel_map(work: Callable[[Item], Result], patients: Sequence[Item], workers: Workers) -> Iterator[Result]:
    """Yield `work(patient)` for all patients in order.

    Raises:
        UserError: no scheduler, or no worker.
        Exception: what `work` raised for the first patient for whom it failed.
    """
    if isinstance(workers, str):
        yield from _on_cluster(workers, work, patients)
    elif workers > 1 and len(patients) > 1:
        with patient_pool(workers) as pool:
            yield from pool.map(work, patients)
    else:
        yield from map(work, patients)


def _on_cluster(address: str, work: Callable[[Item], Result], patients: Sequence[Item]) -> Iterator[Result]:
    from SpectBoneMetSegLib.batch.cluster import cluster_map

    early: dict[int, Any] = {}
    following = 0
    for number, result in cluster_map(address, work, patients):
        if isinstance(result, Exception):
            raise result
        early[number] = result
        while following in early:
            yield early.pop(following)
            following += 1
