"""Work on a Dask cluster instead of this machine's processes."""

from __future__ import annotations

import logging
import os
import platform
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from ..common.errors import UserError, reason_of
from .cases import Case
from .work import Settings, failure_result, read_case, reader_of

__all__ = ["cluster_map", "results_of_cluster"]

Item = TypeVar("Item")

#: Items submitted per worker thread, so that no worker waits for the connection.
AHEAD = 3
#: Seconds to wait for the scheduler.
PATIENCE = 20.0


def results_of_cluster(address: str, settings: Settings, cases: Sequence[Case]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number of the case, result of `work.read_case`) in the order of completion.

    A case whose worker dies is read by another one; a case that ends several workers is given up.

    Args:
        address: as in `cluster_map`.
        settings: how to read; all paths and the model must be valid on every machine.
        cases: the cases to read.

    Raises:
        UserError: no scheduler, no worker, or a worker without the model or without the archive.
        ModuleNotFoundError: Dask is not installed.
    """
    for number, result in cluster_map(address, partial(_read_on_worker, settings), cases):
        if isinstance(result, Exception):
            yield number, failure_result(cases[number], result)
            continue
        if "worker" in result and ("file" not in result or os.path.exists(result["file"])):
            # The worker is to blame, not the study.
            raise UserError(f"A worker on {result['worker']} cannot read: {result['reason']}", "scheduler")
        yield number, read_case(settings, cases[number]) if "worker" in result else result


def _read_on_worker(settings: Settings, case: Case) -> dict[str, Any]:
    """Return the result of `work.read_case`, or {"worker", "reason"[, "file"]} if this machine lacks what it needs."""
    try:
        reader_of(settings)
    except UserError as error:
        return {"worker": platform.node(), "reason": str(error)}
    missing = [path for path in case.scan.files if not path.exists()] if case.scan else []
    if missing:
        reason = f"{missing[0]} is not there; the archive must have the same path on every machine."
        return {"worker": platform.node(), "reason": reason, "file": str(missing[0])}
    return read_case(settings, case)


def cluster_map(address: str, work: Callable[[Item], Any], items: Sequence[Item]) -> Iterator[tuple[int, Any]]:
    """Yield (number of the item, `work(item)`, or the exception it ended with) in the order of completion.

    Args:
        address: address of the scheduler, such as "tcp://host:8786".
        work: a function that the workers can import; paths in it must be valid on every machine.
        items: its arguments.

    Raises:
        UserError: no scheduler, or no worker.
        ModuleNotFoundError: Dask is not installed.
    """
    from distributed import Client

    with _silent_library():
        try:
            _connect(address)
            client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"No Dask scheduler answers at {address} ({reason_of(error)}); check the address.", "scheduler"
            ) from error
        yield from _map(client, address, work, items)


def _map(client: Any, address: str, work: Callable[[Item], Any], items: Sequence[Item]) -> Iterator[tuple[int, Any]]:
    """Yield the results of a connected client, which is closed at the end."""
    from distributed import as_completed

    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise UserError(f"The scheduler at {address} has no worker; start some.", "scheduler")
        numbers = iter(range(len(items)))
        running = as_completed(loop=client.loop, raise_errors=False)
        futures: dict[Any, int] = {}

        def submit() -> None:
            number = next(numbers, None)
            if number is not None:
                future = client.submit(work, items[number], pure=False)
                futures[future.key] = number
                running.add(future)

        for _ in range(min(len(items), AHEAD * threads)):
            submit()
        for future in running:
            number = futures.pop(future.key)
            if future.status not in ("error", "finished"):
                raise UserError(f"The scheduler at {address} ended; start it, and run the same command again.")
            yield number, _readable(future.exception()) if future.status == "error" else future.result()
            # Results are released: memory does not grow with the number of items.
            future.release()
            submit()


def _connect(address: str) -> None:
    """Try whether something listens at an address: a client that cannot connect ends in a traceback later.

    Raises:
        OSError, ValueError: nothing listens there, or it is no address.
    """
    from distributed.comm.addressing import get_address_host_port

    if address.startswith("inproc:"):
        # A scheduler in this process has no port.
        return
    host, port = get_address_host_port(address)
    socket.create_connection((host, port), PATIENCE).close()


@contextmanager
def _silent_library() -> Iterator[None]:
    """Leave out the libraries' own messages, tracebacks among them: what concerns the user is an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _readable(error: BaseException) -> Exception:
    """Return an error with a message for the user."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return UserError("The workers that had it ended, one after another; try it alone.")
    return error if isinstance(error, Exception) else RuntimeError(str(error))
