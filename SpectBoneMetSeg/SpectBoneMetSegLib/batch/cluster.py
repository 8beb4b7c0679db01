"""Work on a Dask cluster instead of this machine's processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from ..common.errors import UserError, reason_of
from .cases import Case
from .work import Settings, failure_result, read_case

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
        UserError: no scheduler, no worker, or a worker without the model.
        ModuleNotFoundError: Dask is not installed.
    """
    for number, result in cluster_map(address, partial(read_case, settings), cases):
        yield number, failure_result(cases[number], result) if isinstance(result, Exception) else result


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
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"No Dask scheduler answers at {address} ({reason_of(error)}); check the address.", "scheduler"
        ) from error
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


def _readable(error: BaseException) -> Exception:
    """Return an error with a message for the user."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return UserError("The workers that had it ended, one after another; try it alone.")
    return error if isinstance(error, Exception) else RuntimeError(str(error))
