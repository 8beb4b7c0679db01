"""A child process that answers in JSON lines, one object a line: the parent's end and the child's.

Nothing blocks the parent, so that a window can ask from a timer. The child ends with its input, and so never outlives
the window.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from .errors import UserError
from .processes import PATIENCE, describe_exit, kill_tree, process_group_options, whole_lines

__all__ = ["Channel", "Child", "open_channel", "parse_event", "requests_of_parent"]


class Child:
    """The parent's end: a process with all it starts itself."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process; returns at once.

        Raises:
            UserError: the program cannot be started.
        """
        self._begun = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `end`
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=dict(environment),
                **process_group_options(),
            )
        except OSError as error:
            self._log.close()
            raise UserError(f"{command[0]} cannot be started ({error.strerror}); check the installation.") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        # A thread would starve: the window's thread holds Python's lock while it waits for the user.
        os.set_blocking(self._output.fileno(), False)

    @property
    def pid(self) -> int:
        """Process number."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one object.

        Raises:
            OSError: it takes no more.
        """
        self._input.write(json.dumps(message).encode() + b"\n")
        self._input.flush()

    def received(self) -> list[dict[str, Any]]:
        """What it said since the last call, see `parse_event`."""
        lines, self._begun = whole_lines(self._output, self._begun)
        return [said for line in lines if (said := parse_event(line)) is not None]

    def describe_exit(self) -> str:
        """Its exit code or signal with its last messages, such as "code 7: out of memory"."""
        return describe_exit(self._process, self._log)

    def dismiss(self) -> None:
        """Let a child that is not at work end by itself, then as `end`."""
        with contextlib.suppress(OSError):
            self._input.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self.end()

    def end(self) -> None:
        """Kill it with everything it started; nothing if it has ended."""
        kill_tree(self._process)
        for stream in (self._input, self._output, self._log):
            with contextlib.suppress(OSError):
                stream.close()


def parse_event(line: bytes) -> dict[str, Any] | None:
    """What a line of a child says under "event" and further names; None for others, such as a library's greeting."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and isinstance(said.get("event"), str) else None


class Channel:
    """The child's end: the way to its parent."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, event: str, **values: Any) -> None:
        """Send one event at once."""
        self._stream.write(json.dumps({"event": event, **values}).encode() + b"\n")
        self._stream.flush()


def open_channel() -> Channel:
    """The way from this process to its parent; what libraries print goes among the messages from now on."""
    channel = Channel(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    return channel


def requests_of_parent(at_end: Callable[[], None] = lambda: None) -> queue.SimpleQueue[dict[str, Any]]:
    """What the parent asks of this process, as it comes; the process ends with its input.

    Args:
        at_end: called before, to tidy up.
    """
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def take() -> None:
        for line in sys.stdin.buffer:
            waiting.put(json.loads(line))
        # The parent is gone or wants us to go; the main thread may be deep in TensorFlow.
        at_end()
        os._exit(0)

    threading.Thread(target=take, daemon=True).start()
    return waiting
