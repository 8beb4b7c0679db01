"""How far a run over an archive is, told in a file beside its results: for whoever did not start it, or comes back.

The run's lock says whether it is still at work; the file says what it has done. A run that was killed leaves the file
as it was last written, and no lock.
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

from ..common.errors import UserError
from ..common.files import whole_file
from ..common.locks import is_locked
from ..common.processes import kill_group
from .run import LOCK, STATE, STOP, WORK_FOLDER

__all__ = ["RunState", "StateFile", "is_running", "read_state", "stop_run"]

#: Seconds between two writings while studies are read.
EVERY = 0.5

Stage = Literal["reading", "ended", "stopped", "failed"]


@dataclass(frozen=True)
class RunState:
    """How far a run is.

    Attributes:
        stage: "reading"; "ended" with a summary; "stopped" by somebody; "failed" with what stands in the way.
        total: studies to read.
        done: of these, now.
        failed: of these, now.
        before: read by earlier runs.
        failed_before: what they could not read, with files that no run can read.
        seconds_left: at the rate of the last studies, None before the first.
        sentence: the summary, or what stands in the way.
        pid: of the process.
        host: of the process.
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
    """Writes the state of this process's run; where it cannot be written the run goes on all the same."""

    def __init__(self, output: Path) -> None:
        """Nothing is written yet; `output` is the folder of all results, whose lock this process holds."""
        self._path, self._written = output / WORK_FOLDER / STATE, 0.0
        self.state = RunState()

    def update(self, **changes: Any) -> None:
        """Some values are others now; written at once."""
        self.state = replace(self.state, **changes)
        self._written = time.monotonic()
        if not self._path.parent.is_dir():
            # Results that somebody removed meanwhile do not come again as a folder with a state alone.
            return
        with contextlib.suppress(OSError), whole_file(self._path) as part:
            part.write_text(json.dumps(asdict(self.state)), encoding="utf-8")

    def tick(self, done: int, failed: int, seconds_left: float | None) -> None:
        """A study is over; written now and then.

        Raises:
            KeyboardInterrupt: somebody wishes that the run ends.
        """
        changes: dict[str, Any] = {"done": done, "failed": failed, "seconds_left": seconds_left}
        if time.monotonic() - self._written >= EVERY:
            self.update(**changes)
        else:
            self.state = replace(self.state, **changes)
        if (self._path.parent / STOP).exists():
            raise KeyboardInterrupt


def is_running(output: Path) -> bool:
    """Whether a run is at work on these results."""
    return is_locked(output / WORK_FOLDER / LOCK)


def read_state(output: Path) -> RunState | None:
    """What the last run on these results told; None where none did."""
    try:
        told = json.loads((output / WORK_FOLDER / STATE).read_text(encoding="utf-8"))
        return RunState(**{each.name: told[each.name] for each in fields(RunState)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stop_run(output: Path, *, at_once: bool = False) -> None:
    """Ask the run on these results to end: it writes its tables first. Nothing happens where none is at work.

    Args:
        at_once: kill it with all its processes; no result is half-written, the tables are those of the last run.

    Raises:
        UserError: it is at work on another machine and is to end at once, or the wish cannot be written.
    """
    state = read_state(output)
    if state is None or state.stage != "reading" or not is_running(output):
        return
    here = state.host == platform.node()
    if at_once and not here:
        raise UserError(f"The run in {output} is at work on {state.host}; end it there.")
    # The file is cleared as soon as the lock is taken: the number is that of the lock's holder.
    if at_once:
        kill_group(state.pid)
    elif here and sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(state.pid, signal.SIGTERM)
    else:
        # No signal reaches it: it looks for the wish after every study.
        try:
            (output / WORK_FOLDER / STOP).touch()
        except OSError as error:
            raise UserError(f"{output} cannot be written ({error.strerror}); end the run on {state.host}.") from error
