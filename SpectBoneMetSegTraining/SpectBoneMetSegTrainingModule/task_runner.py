"""Long calls of the panel in separate processes, one of each kind."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N815

from dataclasses import dataclass
from typing import Any


@dataclass
class Listener:
    """Receives the progress of a call.

    Attributes:
        onDone: called with its answer, a dict.
        onFailed: with a UserError.
        onProgress: with an event, or None.
    """

    onDone: Any
    onFailed: Any
    onProgress: Any = None


class Runner:
    """Starts calls and notifies their listeners; `poll` is called by a timer."""

    def __init__(self, python):
        """Take the interpreter for the processes."""
        self._python = python
        self._running = {}

    def start(self, name, arguments, listener):
        """Start a call in place of an earlier one of the same name.

        Raises:
            UserError: its process cannot be started.
        """
        from SpectBoneMetSegTrainingLib.tasks.client import Task

        self.cancel(name)
        self._running[name] = (Task(name, arguments, self._python), listener)

    def isRunning(self, name):
        """Whether a call of this name is under way."""
        return name in self._running

    @property
    def busy(self):
        """Whether any call is under way."""
        return bool(self._running)

    def cancel(self, name):
        """End a call; its listener hears nothing more."""
        if name in self._running:
            self._running.pop(name)[0].close()

    def close(self):
        """End all calls."""
        for name in list(self._running):
            self.cancel(name)

    def poll(self):
        """Notify the listeners."""
        for name, (task, listener) in list(self._running.items()):
            for event in task.poll():
                if event.kind == "progress":
                    if listener.onProgress is not None:
                        listener.onProgress(event)
                    continue
                # Gone before the listener hears of it: it may start the next call of this name.
                if self._running.get(name, (None,))[0] is task:
                    del self._running[name]
                if event.kind == "done":
                    listener.onDone(event.result)
                else:
                    listener.onFailed(event.error)
