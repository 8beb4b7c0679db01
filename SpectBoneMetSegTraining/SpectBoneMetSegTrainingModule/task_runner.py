"""Long calls of the panel in separate processes, one of each kind."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N815

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import CallEvent, Values
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegTrainingLib.tasks.client import Task


@dataclass
class Listener:
    """Receives the progress of a call.

    Attributes:
        onDone: called with the call's answer.
        onFailed: called with the error.
        onProgress: called with an event of kind "progress"; None to ignore them.
    """

    onDone: Callable[[Values], object]
    onFailed: Callable[[UserError], object]
    onProgress: Callable[[CallEvent], object] | None = None


class Runner:
    """Starts calls and notifies their listeners; `poll` is called by a timer."""

    def __init__(self, python: str) -> None:
        """Take the interpreter for the processes."""
        self._python = python
        self._running: dict[str, tuple[Task, Listener]] = {}

    def start(self, name: str, arguments: Mapping[str, Any], listener: Listener) -> None:
        """Start a call in place of an earlier one of the same name.

        Raises:
            UserError: its process cannot be started.
        """
        from SpectBoneMetSegTrainingLib.tasks.client import Task

        self.cancel(name)
        self._running[name] = (Task(name, arguments, self._python), listener)

    def isRunning(self, name: str) -> bool:
        """Whether a call of this name is running."""
        return name in self._running

    @property
    def busy(self) -> bool:
        """Whether any call is running."""
        return bool(self._running)

    def cancel(self, name: str) -> None:
        """End a call; its listener is not notified any more."""
        if name in self._running:
            task, _listener = self._running.pop(name)
            task.close()

    def close(self) -> None:
        """End all calls."""
        for name in list(self._running):
            self.cancel(name)

    def poll(self) -> None:
        """Notify the listeners."""
        for name, (task, listener) in list(self._running.items()):
            for event in task.poll():
                if event.kind == "progress":
                    if listener.onProgress is not None:
                        listener.onProgress(event)
                    continue
                # Removed before the listener is notified, as it may start the next call of this name.
                if self._isCurrent(name, task):
                    del self._running[name]
                if event.kind == "done":
                    listener.onDone(event.result)
                else:
                    listener.onFailed(event.error)

    def _isCurrent(self, name: str, task: Task) -> bool:
        """Whether a call was neither cancelled nor replaced by a later one of its name."""
        return name in self._running and self._running[name][0] is task
