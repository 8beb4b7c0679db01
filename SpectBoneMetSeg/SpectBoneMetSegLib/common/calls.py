"""One long call in a child process, so that a window never blocks: the parent's side and the child's.

The parent sends the call; the child reports its progress and its result. Each message is a JSON line. The child ends
with its parent.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal, get_args

from .channel import Channel, Child, open_channel, requests_from_parent
from .errors import UserError
from .processes import child_environment

__all__ = ["Action", "Call", "CallEvent", "Progress", "run_action", "serve"]

Kind = Literal["progress", "done", "failed", "crashed"]
Values = dict[str, Any]
#: Called with the steps done, their total number, and a short text on the current step.
Progress = Callable[[int, int, str], None]
#: A function that a child can run: JSON values in and out.
Action = Callable[[Values, Progress], Values]


@dataclass(frozen=True)
class CallEvent:
    """A message from the child, or its end.

    Attributes:
        kind: "progress", "done", "failed" (with a message for the user) or "crashed".
        done: steps done ("progress").
        total: number of steps ("progress").
        message: current step, or the error message.
        fields: fields of the error, see `UserError`.
        command: command of the error, see `UserError`.
        result: JSON values that the action returned ("done").
    """

    kind: Kind
    done: int = 0
    total: int = 0
    message: str = ""
    fields: Sequence[str] = ()
    command: str = ""
    result: Values = field(default_factory=dict)

    @property
    def error(self) -> UserError:
        """The error of "failed" and "crashed"."""
        return UserError(self.message, *self.fields, command=self.command)


class Call:
    """A call that runs in a process of its own, until the event "done", "failed" or "crashed"."""

    def __init__(
        self, module: str, packages: Sequence[ModuleType], name: str, arguments: Mapping[str, Any], python: str | None
    ) -> None:
        """Start the process; return at once.

        Args:
            module: dotted name of the child's module, which calls `serve`.
            packages: top packages that the child imports.
            name: name of the action.
            arguments: JSON values.
            python: interpreter (PythonSlicer in Slicer); None for the running one.

        Raises:
            UserError: the interpreter cannot be started.
        """
        self.name = name
        self._child = Child([python or sys.executable, "-m", module], child_environment(*packages))
        with contextlib.suppress(OSError):
            # The child's input stays open: the child ends when its parent does.
            self._child.send({"do": name, "arguments": dict(arguments)})
        self.over = False

    @property
    def pid(self) -> int:
        """Process ID of the child."""
        return self._child.pid

    def poll(self) -> list[CallEvent]:
        """Return the events since the last call, without waiting; the last event reports how the call ended."""
        if self.over:
            return []
        ended = not self._child.running
        events = [_event(message) for message in self._child.read_events() if message["event"] in get_args(Kind)]
        if any(event.kind != "progress" for event in events):
            self.close()
        elif ended:
            text = f"The process ended unexpectedly ({self._child.describe_exit()}); try again."
            events.append(CallEvent("crashed", message=text))
            self.close()
        return events

    def close(self) -> None:
        """Kill the process and everything it started."""
        if not self.over:
            self.over = True
            self._child.end()


def _event(message: Mapping[str, Any]) -> CallEvent:
    return CallEvent(message["event"], **{name: value for name, value in message.items() if name != "event"})


def run_action(request: Values, channel: Channel, actions: Mapping[str, Action]) -> None:
    """Run one action; an error becomes an event.

    Args:
        request: "do", the name of an action, and "arguments".
        channel: receives the events.
        actions: the actions by name.
    """

    def progress(done: int, total: int, message: str = "") -> None:
        channel.send("progress", done=done, total=total, message=message)

    try:
        channel.send("done", result=actions[request["do"]](request["arguments"], progress))
    except UserError as error:
        channel.send("failed", **error.to_dict())
    except Exception as error:  # noqa: BLE001 - reported to the process that waits
        traceback.print_exc()
        channel.send("failed", message=f"This went wrong ({type(error).__name__}: {error}); please report it.")


def serve(actions: Mapping[str, Action], tidy_up: Callable[[Values], object] = lambda arguments: None) -> None:
    """Run the one action that the parent requests, then return.

    Args:
        actions: the actions by name.
        tidy_up: called with the action's arguments if the parent ends before the result.
    """
    channel = open_channel()
    received: list[Values] = []

    def at_end() -> None:
        for arguments in received:
            tidy_up(arguments)

    request = requests_from_parent(at_end).get()
    received.append(request["arguments"])
    run_action(request, channel, actions)
