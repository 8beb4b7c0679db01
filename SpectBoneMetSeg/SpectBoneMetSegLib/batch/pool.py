"""Processes of this machine that share the cases of a run; one that dies is replaced, and loses nothing."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..common.errors import UserError
from ..common.processes import child_environment, describe_exit, kill_tree, process_group_options
from .cases import Case
from .work import Settings, failure_result

__all__ = ["LIMIT_SECONDS", "Pool", "cores"]

#: Cases under way in one process: one is loaded, one inferred, one written.
UNDER_WAY = 3
#: A case that takes longer ends its process; so does a start, with the model's loading, or an end that does.
LIMIT_SECONDS, IDLE_SECONDS = 600.0, 600.0
#: So often a case may be alone in a process that dies, and so many processes may die without a result between.
DEATHS_OF_A_CASE, DEATHS_IN_A_ROW = 2, 6
#: Seconds between two looks at processes that say nothing.
POLL = 1.0

#: Libraries' own threads: there is a process for each core already.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ),
    "1",
)


def cores() -> int:
    """Cores that this process may use."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class _Order:
    """A case to read; after its process died it is alone in the next one, so that it is known who is at fault."""

    number: int
    case: Case
    alone: bool = False
    deaths: int = 0


@dataclass(eq=False)
class _Worker:
    """A process and its tasks.

    Attributes:
        orders: its cases.
        idle: it starts or ends, and has no case.
        heard: when it last said something.
        late: it was ended because it said nothing for too long.
    """

    process: subprocess.Popen[bytes]
    log: Any
    orders: dict[int, _Order] = field(default_factory=dict)
    idle: bool = True
    heard: float = field(default_factory=time.monotonic)
    late: bool = False


class Pool:
    """Reads cases in processes, in any order; every case gives one result."""

    def __init__(
        self,
        settings: Settings,
        jobs: int,
        *,
        held: int | None = None,
        limit: float = LIMIT_SECONDS,
        idle_limit: float = IDLE_SECONDS,
        command: Sequence[str] = (),
    ) -> None:
        """Nothing is started before `results`.

        Args:
            settings: how to read.
            jobs: processes.
            limit: seconds a process may be silent over a case.
            idle_limit: seconds that a process may be silent while it starts or ends.
            held: file descriptor of a lock that the processes hold as long as they live; None for none.
            command: what is started; by default `child` in this Python.
        """
        self._settings, self._jobs, self._held = settings, jobs, held
        self._limit, self._idle_limit = limit, idle_limit
        self._command = list(command or [sys.executable, "-m", f"{__package__}.child"])
        self._waiting: deque[_Order] = deque()
        self._results: queue.SimpleQueue[tuple[int, dict[str, Any]] | UserError] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._deaths_in_a_row = 0
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """Process numbers of those that live."""
        with self._lock:
            return [worker.process.pid for worker in self._workers]

    def results(self, cases: Sequence[Case]) -> Iterator[tuple[int, dict[str, Any]]]:
        """(number of the case, what `work.read_case` tells), as they come.

        Raises:
            UserError: no process can read, as without a model, or `stop` was called meanwhile.
        """
        self._waiting.extend(_Order(number, case) for number, case in enumerate(cases))
        for _ in range(min(self._jobs, len(cases))):
            threading.Thread(target=self._tend, daemon=True).start()
        missing = len(cases)
        try:
            while missing:
                # Also while the others go on delivering.
                self._end_silent_ones()
                try:
                    said = self._results.get(timeout=POLL)
                except queue.Empty:
                    if self._stopping:
                        raise UserError("Reading was stopped; start again to go on.") from None
                    continue
                if isinstance(said, UserError):
                    raise said
                missing -= 1
                yield said
        finally:
            self.stop()

    def stop(self) -> None:
        """End all processes; their unfinished cases are not written."""
        self._stopping = True
        with self._lock:
            self._waiting.clear()
            workers = list(self._workers)
        for worker in workers:
            kill_tree(worker.process)

    def _end_silent_ones(self) -> None:
        with self._lock:
            for worker in self._workers:
                limit = self._idle_limit if worker.idle else self._limit
                if (worker.orders or worker.idle) and time.monotonic() - worker.heard > limit:
                    worker.late = True
                    worker.process.kill()

    def _tend(self) -> None:
        """Keep one process at work until nothing waits; runs in a thread."""
        try:
            while not self._stopping:
                with self._lock:
                    if not self._waiting:
                        return
                worker = self._start()
                try:
                    if self._serve(worker):
                        return
                    self._after_death(worker)
                finally:
                    with self._lock:
                        self._workers.remove(worker)
                    for stream in (worker.process.stdin, worker.process.stdout, worker.log):
                        with contextlib.suppress(OSError):
                            stream.close()  # type: ignore[union-attr]
        except UserError as error:
            self._results.put(error)
        except Exception as error:  # noqa: BLE001 - told to the thread that waits
            self._results.put(UserError(f"Reading broke off ({type(error).__name__}: {error}); please report it."))

    def _start(self) -> _Worker:
        import SpectBoneMetSegLib

        log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `_tend`
        held: Any = {} if self._held is None or sys.platform == "win32" else {"pass_fds": (self._held,)}
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**child_environment(SpectBoneMetSegLib), **(ONE_THREAD if self._settings.threads == 1 else {})},
            **process_group_options(),
            **held,
        )
        worker = _Worker(process, log)
        with self._lock:
            self._workers.append(worker)
        return worker

    def _serve(self, worker: _Worker) -> bool:
        """Give a process orders and take its results; False when it died, True when nothing waits any more."""
        assert worker.process.stdin is not None
        assert worker.process.stdout is not None
        try:
            pickle.dump(self._settings, worker.process.stdin)
            worker.process.stdin.flush()
            kind, *said = pickle.load(worker.process.stdout)
            if kind == "refused":
                raise UserError.from_dict(said[0])
            self._hear(worker, idle=False)
            while True:
                for order in self._next_orders(worker):
                    pickle.dump((order.number, order.case), worker.process.stdin)
                    worker.process.stdin.flush()
                if not worker.orders:
                    self._hear(worker, idle=True)
                    worker.process.stdin.close()
                    worker.process.wait()
                    return True
                _, number, result = pickle.load(worker.process.stdout)
                with self._lock:
                    del worker.orders[number]
                    worker.heard, self._deaths_in_a_row = time.monotonic(), 0
                self._results.put((number, result))
        except (OSError, EOFError, pickle.UnpicklingError):
            return self._stopping

    def _hear(self, worker: _Worker, *, idle: bool) -> None:
        with self._lock:
            worker.idle, worker.heard = idle, time.monotonic()

    def _next_orders(self, worker: _Worker) -> list[_Order]:
        """What a process is given now; a suspect has it for itself."""
        given: list[_Order] = []
        with self._lock:
            alone = any(order.alone for order in worker.orders.values())
            while self._waiting and len(worker.orders) < UNDER_WAY and not alone:
                if self._waiting[0].alone and worker.orders:
                    break
                order = self._waiting.popleft()
                alone = order.alone
                if not worker.orders:
                    worker.heard = time.monotonic()
                worker.orders[order.number] = order
                given.append(order)
        return given

    def _after_death(self, worker: _Worker) -> None:
        """Put the cases of a dead process back to the front of the queue, or give it up.

        Raises:
            UserError: processes die one after the other.
        """
        kill_tree(worker.process)
        how = f"the process that read it ended ({describe_exit(worker.process, worker.log)})"
        if worker.late:
            how = f"it took longer than {self._limit:.0f} s"
        with self._lock:
            # One that never gets ready costs all its time: the second in a row is the last.
            self._deaths_in_a_row += DEATHS_IN_A_ROW if worker.late and worker.idle else 1
            for order in reversed(worker.orders.values()):
                order.deaths += order.alone
                if order.alone and (worker.late or order.deaths >= DEATHS_OF_A_CASE):
                    sentence = f"{order.case.input} could not be read: {how}; look at this scan by itself."
                    self._results.put((order.number, failure_result(order.case, UserError(sentence))))
                    self._deaths_in_a_row = 0
                    continue
                order.alone = True
                self._waiting.appendleft(order)
            if self._deaths_in_a_row > DEATHS_IN_A_ROW:
                never = f"not ready within {self._idle_limit:.0f} s"
                said = never if worker.late and worker.idle else describe_exit(worker.process, worker.log)
                raise UserError(f"The processes that read end one after the other ({said}); try fewer.", "jobs")
