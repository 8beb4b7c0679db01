"""One long call in a child process, so that a window never waits: collecting, checking, comparing, ranking.

The parent sends the call, the child tells its progress and its answer, each a JSON line. A training is no task: it
outlives the window (`jobs`), a task ends with it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import SpectBoneMetSegLib
from SpectBoneMetSegLib.common.channel import Child
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.processes import child_environment

import SpectBoneMetSegTrainingLib

Kind = Literal["progress", "done", "failed", "crashed"]


@dataclass(frozen=True)
class TaskEvent:
    """What the child said, or its end.

    Attributes:
        kind: "progress", "done", "failed" (one sentence for the user) or "crashed".
        done, total: of progress. message: what is being done, or what went wrong.
        fields, command: of the error, see `UserError`.
        answer: of "done", plain JSON values.
    """

    kind: Kind
    done: int = 0
    total: int = 0
    message: str = ""
    fields: Sequence[str] = ()
    command: str = ""
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> UserError:
        """What went wrong, of "failed" and "crashed"."""
        return UserError(self.message, *self.fields, command=self.command)


class Task:
    """A call under way in a process of its own, from the start to "done", "failed" or "crashed"."""

    def __init__(self, name: str, arguments: Mapping[str, Any], python: str | None = None) -> None:
        """Start the process; returns at once.

        Args:
            name: a task of `actions.TASKS`. arguments: its arguments, plain JSON values.
            python: the interpreter; in Slicer that is PythonSlicer. None for the running one.

        Raises:
            UserError: the interpreter cannot be started.
        """
        self.name = name
        command = [python or sys.executable, "-m", f"{__package__}.child"]
        self._child = Child(command, child_environment(SpectBoneMetSegLib, SpectBoneMetSegTrainingLib))
        with contextlib.suppress(OSError):
            # Its input stays open: the child ends when its parent does.
            self._child.send({"do": name, "arguments": dict(arguments)})
        self.over = False

    @property
    def pid(self) -> int:
        """Process number of the child."""
        return self._child.pid

    def poll(self) -> list[TaskEvent]:
        """What happened since the last call; never waits. The last event says how it ended."""
        if self.over:
            return []
        ended = not self._child.running
        events = [_event(said) for said in self._child.received() if said["event"] in get_args(Kind)]
        if any(event.kind != "progress" for event in events):
            self.close()
        elif ended:
            words = f"The process ended unexpectedly ({self._child.how_it_ended()}); try again."
            events.append(TaskEvent("crashed", message=words))
            self.close()
        return events

    def close(self) -> None:
        """End the process with everything it started, however far it is."""
        if not self.over:
            self.over = True
            self._child.end()


def _event(said: Mapping[str, Any]) -> TaskEvent:
    return TaskEvent(said["event"], **{name: value for name, value in said.items() if name != "event"})
