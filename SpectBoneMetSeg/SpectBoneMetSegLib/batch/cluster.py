"""Reading on a Dask cluster instead of this machine's processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..common.errors import UserError, reason_of
from .cases import Case
from .work import Settings, failure_result, read_case

__all__ = ["results_of_cluster"]

#: Cases submitted per worker thread, so that no worker waits for the connection.
AHEAD = 3
#: Seconds to wait for the scheduler.
PATIENCE = 20.0


def results_of_cluster(address: str, settings: Settings, cases: Sequence[Case]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number of the case, result of `work.read_case`) in the order of completion.

    A case whose worker dies is read by another one; a case that ends several workers is given up.

    Args:
        address: address of the scheduler, such as "tcp://host:8786".
        settings: how to read; all paths and the model must be valid on every machine.
        cases: the cases to read.

    Raises:
        UserError: no scheduler, no worker, or a worker without the model.
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
        numbers = iter(range(len(cases)))
        running = as_completed(loop=client.loop, raise_errors=False)
        futures: dict[Any, int] = {}

        def submit() -> None:
            number = next(numbers, None)
            if number is not None:
                future = client.submit(read_case, settings, cases[number], pure=False)
                futures[future.key] = number
                running.add(future)

        for _ in range(min(len(cases), AHEAD * threads)):
            submit()
        for future in running:
            number = futures.pop(future.key)
            if future.status == "error":
                yield number, failure_result(cases[number], _readable(future.exception()))
            else:
                yield number, future.result()
            # Results are released: memory does not grow with the number of cases.
            future.release()
            submit()


def _readable(error: BaseException) -> Exception:
    """Return an error with a message for the user."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return UserError("The workers that read it ended, one after another; check this scan separately.")
    return error if isinstance(error, Exception) else RuntimeError(str(error))
