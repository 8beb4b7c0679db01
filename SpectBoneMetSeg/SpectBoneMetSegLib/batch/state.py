"""Progress of a run over an archive in a file next to its results, for the panel and other processes.

The run's lock shows whether it is still running; the file shows what it has done. A run that was killed leaves the
file as it was last written, and releases the lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import sys
import time
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from ..common.errors import UserError, reason_of
from ..common.files import whole_file
from ..common.locks import is_locked
from ..common.processes import kill_group
from .run import LOCK, STATE, STOP, WORK_FOLDER

__all__ = ["RunState", "StateFile", "is_running", "read_state", "stop_run"]

#: Seconds between two updates of the file while studies are read.
EVERY = 0.5

Stage = Literal["reading", "ended", "stopped", "failed"]


@dataclass(frozen=True)
class RunState:
    """Progress of a run.

    Attributes:
        stage: "reading", "ended", "stopped" by the user, or "failed" with an error.
        total: studies to read.
        done: studies of `total` that are done, failed ones included.
        failed: studies of `total` that failed.
        before: studies read by earlier runs.
        failed_before: studies that failed in earlier runs, and damaged files.
        seconds_left: estimate from the rate of the last studies, None before the first.
        sentence: summary of "ended", error message of "failed".
        pid: ID of the process.
        host: name of its machine.
    """

    stage: Stage = "reading"
    total: int = 0
    done: int = 0
    failed: int = 0
    before: int = 0
    failed_before: int = 0
    seconds_left: float | None = None
    sentence: str = ""
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=platform.node)


class StateFile:
    """Writes the state of this process's run; a file that cannot be written does not stop the run."""

    def __init__(self, output: Path) -> None:
        """Prepare the state file; nothing is written yet.

        Args:
            output: folder of all results, whose lock this process holds.
        """
        self._path, self._written = output / WORK_FOLDER / STATE, 0.0
        self.state = RunState()

    def update(self, **changes: Any) -> None:
        """Change values of the state and write the file."""
        self.state = replace(self.state, **changes)
        self._written = time.monotonic()
        if not self._path.parent.is_dir():
            # A folder of results that was removed meanwhile is not created again.
            return
        with contextlib.suppress(OSError), whole_file(self._path) as part:
            part.write_text(json.dumps(asdict(self.state)), encoding="utf-8")

    def tick(self, done: int, failed: int, seconds_left: float | None) -> None:
        """Record that a study is done; the file is written every `EVERY` seconds at most.

        Raises:
            KeyboardInterrupt: `stop_run` requested the end of the run.
        """
        changes: dict[str, Any] = {"done": done, "failed": failed, "seconds_left": seconds_left}
        if time.monotonic() - self._written >= EVERY:
            self.update(**changes)
        else:
            self.state = replace(self.state, **changes)
        if (self._path.parent / STOP).exists():
            raise KeyboardInterrupt


def is_running(output: Path) -> bool:
    """Return whether a run is writing to this folder of results."""
    return is_locked(output / WORK_FOLDER / LOCK)


def read_state(output: Path) -> RunState | None:
    """Return the state of the last run on this folder of results; None if there is none."""
    try:
        stored = json.loads((output / WORK_FOLDER / STATE).read_text(encoding="utf-8"))
        return RunState(**{each.name: stored[each.name] for each in fields(RunState)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stop_run(output: Path, *, at_once: bool = False) -> None:
    """Stop the run on this folder of results after it has written its tables; do nothing if none is running.

    Args:
        output: folder of all results.
        at_once: kill it with all its processes; no result is left incomplete, the tables are those of an earlier run.

    Raises:
        UserError: a run on another machine was to be killed, or the request cannot be written.
    """
    state = read_state(output)
    if state is None or state.stage != "reading" or not is_running(output):
        return
    here = state.host == platform.node()
    if at_once and not here:
        raise UserError(f"The run in {output} is running on {state.host}; end it there.")
    # The file is removed when the lock is acquired: the process ID is that of the lock's holder.
    if at_once:
        kill_group(state.pid)
    elif here and sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(state.pid, signal.SIGTERM)
    else:
        # No signal reaches it: it checks for this file after every study.
        try:
            (output / WORK_FOLDER / STOP).touch()
        except OSError as error:
            raise UserError(f"{output} cannot be written ({reason_of(error)}); end the run on {state.host}.") from error
