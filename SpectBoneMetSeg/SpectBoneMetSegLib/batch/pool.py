"""Worker processes on this machine that share the cases of a run; a process that dies is replaced, no case is lost."""

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

#: Cases in progress in one process: one is loaded, one inferred, one written.
IN_PROGRESS = 3
#: Time limits (s) of one case, and of the start (with loading the model) or the end of a process.
LIMIT_SECONDS, IDLE_SECONDS = 600.0, 600.0
#: Process deaths after which a case that is read alone is given up, and deaths in a row after which the run fails.
DEATHS_OF_A_CASE, DEATHS_IN_A_ROW = 2, 6
#: Seconds between two checks of the time limits.
POLL = 1.0

#: Limits libraries to one thread: there is already a process for each core.
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
    """Return the number of cores that this process may use."""
    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class _Task:
    """A case to read. After its process has died it is read alone, which shows whether this case caused it."""

    number: int
    case: Case
    alone: bool = False
    deaths: int = 0


@dataclass(eq=False)
class _Worker:
    """A worker process and its cases.

    Attributes:
        process: the process.
        log: file that receives its stderr.
        tasks: its cases, by number.
        idle: it is starting or ending, and has no case.
        last_message: time of its last message (s, monotonic).
        timed_out: it was killed because it sent nothing for too long.
    """

    process: subprocess.Popen[bytes]
    log: Any
    tasks: dict[int, _Task] = field(default_factory=dict)
    idle: bool = True
    last_message: float = field(default_factory=time.monotonic)
    timed_out: bool = False


class Pool:
    """Reads cases in several processes, in any order; every case has one result."""

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
        """Prepare a pool; processes are started by `results`.

        Args:
            settings: how to read.
            jobs: number of processes.
            limit: seconds a process may be silent while it reads a case.
            idle_limit: seconds a process may be silent while it starts or ends.
            held: file descriptor of a lock that the processes hold while they live; None for none.
            command: command of a process; by default `child` in this Python.
        """
        self._settings, self._jobs, self._held = settings, jobs, held
        self._limit, self._idle_limit = limit, idle_limit
        self._command = list(command or [sys.executable, "-m", f"{__package__}.child"])
        self._waiting: deque[_Task] = deque()
        self._results: queue.SimpleQueue[tuple[int, dict[str, Any]] | UserError] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._deaths_in_a_row = 0
        self._stopping = False

    @property
    def pids(self) -> list[int]:
        """Process IDs of the running processes."""
        with self._lock:
            return [worker.process.pid for worker in self._workers]

    def results(self, cases: Sequence[Case]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (number of the case, result of `work.read_case`) in the order of completion.

        Args:
            cases: the cases to read.

        Raises:
            UserError: no process can read, as without a model, or `stop` was called.
        """
        self._waiting.extend(_Task(number, case) for number, case in enumerate(cases))
        for _ in range(min(self._jobs, len(cases))):
            threading.Thread(target=self._run_worker, daemon=True).start()
        missing = len(cases)
        try:
            while missing:
                # Also while other processes send results.
                self._kill_silent_workers()
                try:
                    result = self._results.get(timeout=POLL)
                except queue.Empty:
                    if self._stopping:
                        raise UserError("Reading was stopped; start again to continue.") from None
                    continue
                if isinstance(result, UserError):
                    raise result
                missing -= 1
                yield result
        finally:
            self.stop()

    def stop(self) -> None:
        """Kill all processes; their unfinished cases are not written."""
        self._stopping = True
        with self._lock:
            self._waiting.clear()
            workers = list(self._workers)
        for worker in workers:
            kill_tree(worker.process)

    def _kill_silent_workers(self) -> None:
        with self._lock:
            for worker in self._workers:
                limit = self._idle_limit if worker.idle else self._limit
                if (worker.tasks or worker.idle) and time.monotonic() - worker.last_message > limit:
                    worker.timed_out = True
                    worker.process.kill()

    def _run_worker(self) -> None:
        """Run one worker process, and replace it when it dies, until no case is waiting; called in a thread."""
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
        except Exception as error:  # noqa: BLE001 - reported to the thread that waits
            self._results.put(
                UserError(f"Reading was interrupted ({type(error).__name__}: {error}); please report it.")
            )

    def _start(self) -> _Worker:
        import SpectBoneMetSegLib

        log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `_run_worker`
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
        """Send a process cases and receive its results; return False if it died, True when no case is left."""
        assert worker.process.stdin is not None
        assert worker.process.stdout is not None
        try:
            pickle.dump(self._settings, worker.process.stdin)
            worker.process.stdin.flush()
            kind, *values = pickle.load(worker.process.stdout)
            if kind == "refused":
                raise UserError.from_dict(values[0])
            self._note_message(worker, idle=False)
            while True:
                for task in self._next_tasks(worker):
                    pickle.dump((task.number, task.case), worker.process.stdin)
                    worker.process.stdin.flush()
                if not worker.tasks:
                    self._note_message(worker, idle=True)
                    worker.process.stdin.close()
                    worker.process.wait()
                    return True
                _, number, result = pickle.load(worker.process.stdout)
                with self._lock:
                    del worker.tasks[number]
                    worker.last_message, self._deaths_in_a_row = time.monotonic(), 0
                self._results.put((number, result))
        except (OSError, EOFError, pickle.UnpicklingError):
            return self._stopping

    def _note_message(self, worker: _Worker, *, idle: bool) -> None:
        with self._lock:
            worker.idle, worker.last_message = idle, time.monotonic()

    def _next_tasks(self, worker: _Worker) -> list[_Task]:
        """Return the cases to send to a process now; a case whose process has died before is sent alone."""
        chosen: list[_Task] = []
        with self._lock:
            alone = any(task.alone for task in worker.tasks.values())
            while self._waiting and len(worker.tasks) < IN_PROGRESS and not alone:
                if self._waiting[0].alone and worker.tasks:
                    break
                task = self._waiting.popleft()
                alone = task.alone
                if not worker.tasks:
                    worker.last_message = time.monotonic()
                worker.tasks[task.number] = task
                chosen.append(task)
        return chosen

    def _after_death(self, worker: _Worker) -> None:
        """Put the cases of a dead process back to the front of the queue, or give up a case that caused it.

        Raises:
            UserError: too many processes have died in a row.
        """
        kill_tree(worker.process)
        how = f"the process that read it ended ({describe_exit(worker.process, worker.log)})"
        if worker.timed_out:
            how = f"it took longer than {self._limit:.0f} s"
        with self._lock:
            # A process that never gets ready takes its whole time limit: the second one in a row is the last.
            self._deaths_in_a_row += DEATHS_IN_A_ROW if worker.timed_out and worker.idle else 1
            for task in reversed(worker.tasks.values()):
                task.deaths += task.alone
                if task.alone and (worker.timed_out or task.deaths >= DEATHS_OF_A_CASE):
                    message = f"{task.case.input} could not be read: {how}; check this scan separately."
                    self._results.put((task.number, failure_result(task.case, UserError(message))))
                    self._deaths_in_a_row = 0
                    continue
                task.alone = True
                self._waiting.appendleft(task)
            if self._deaths_in_a_row > DEATHS_IN_A_ROW:
                late = f"not ready within {self._idle_limit:.0f} s"
                reason = late if worker.timed_out and worker.idle else describe_exit(worker.process, worker.log)
                raise UserError(f"The reading processes end one after another ({reason}); try fewer.", "jobs")
