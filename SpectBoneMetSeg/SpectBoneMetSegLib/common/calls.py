"""One long call in a child process, so that a window never waits: the parent's end and the child's.

The parent sends the call, the child tells its progress and its answer, each a JSON line. The child ends with its
parent.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal, get_args

from .channel import Channel, Child, open_channel, requests_of_parent
from .errors import UserError
from .processes import child_environment

__all__ = ["Action", "Call", "CallEvent", "Progress", "answer", "serve"]

Kind = Literal["progress", "done", "failed", "crashed"]
Values = dict[str, Any]
#: Called with how much is done, of how much, and a word on what is being done.
Progress = Callable[[int, int, str], None]
#: What a child can do: plain JSON values in and out.
Action = Callable[[Values, Progress], Values]


@dataclass(frozen=True)
class CallEvent:
    """What the child said, or its end.

    Attributes:
        kind: "progress", "done", "failed" (one sentence for the user) or "crashed".
        done: of progress.
        total: of progress.
        message: what is being done, or what went wrong.
        fields: of the error that says so, see `UserError`.
        command: likewise.
        answer: of "done", plain JSON values.
    """

    kind: Kind
    done: int = 0
    total: int = 0
    message: str = ""
    fields: Sequence[str] = ()
    command: str = ""
    answer: Values = field(default_factory=dict)

    @property
    def error(self) -> UserError:
        """What went wrong, of "failed" and "crashed"."""
        return UserError(self.message, *self.fields, command=self.command)


class Call:
    """A call under way in a process of its own, from the start to "done", "failed" or "crashed"."""

    def __init__(
        self, module: str, packages: Sequence[ModuleType], name: str, arguments: Mapping[str, Any], python: str | None
    ) -> None:
        """Start the process; returns at once.

        Args:
            module: dotted name of the child's module, which calls `serve`.
            packages: those it needs.
            name: the action.
            arguments: plain JSON values.
            python: the interpreter; in Slicer that is PythonSlicer. None for the running one.

        Raises:
            UserError: the interpreter cannot be started.
        """
        self.name = name
        self._child = Child([python or sys.executable, "-m", module], child_environment(*packages))
        with contextlib.suppress(OSError):
            # Its input stays open: the child ends when its parent does.
            self._child.send({"do": name, "arguments": dict(arguments)})
        self.over = False

    @property
    def pid(self) -> int:
        """Process number of the child."""
        return self._child.pid

    def poll(self) -> list[CallEvent]:
        """What happened since the last call; never waits. The last event says how it ended."""
        if self.over:
            return []
        ended = not self._child.running
        events = [_event(said) for said in self._child.received() if said["event"] in get_args(Kind)]
        if any(event.kind != "progress" for event in events):
            self.close()
        elif ended:
            words = f"The process ended unexpectedly ({self._child.describe_exit()}); try again."
            events.append(CallEvent("crashed", message=words))
            self.close()
        return events

    def close(self) -> None:
        """End the process with everything it started, however far it is."""
        if not self.over:
            self.over = True
            self._child.end()


def _event(said: Mapping[str, Any]) -> CallEvent:
    return CallEvent(said["event"], **{name: value for name, value in said.items() if name != "event"})


def answer(request: Values, channel: Channel, actions: Mapping[str, Action]) -> None:
    """Do one call; what goes wrong becomes an event.

    Args:
        request: "do", the name of an action, and "arguments".
        channel: takes the events.
    """

    def progress(done: int, total: int, message: str = "") -> None:
        channel.send("progress", done=done, total=total, message=message)

    try:
        channel.send("done", answer=actions[request["do"]](request["arguments"], progress))
    except UserError as error:
        channel.send("failed", **error.to_dict())
    except Exception as error:  # noqa: BLE001 - told to the process that waits
        traceback.print_exc()
        channel.send("failed", message=f"This went wrong ({type(error).__name__}: {error}); please report it.")


def serve(actions: Mapping[str, Action], tidy_up: Callable[[Values], object] = lambda arguments: None) -> None:
    """Do the one call that the parent sends, and end.

    Args:
        tidy_up: called with the call's arguments where the parent goes before the answer.
    """
    channel = open_channel()
    known: list[Values] = []

    def at_end() -> None:
        for arguments in known:
            tidy_up(arguments)

    request = requests_of_parent(at_end).get()
    known.append(request["arguments"])
    answer(request, channel, actions)
