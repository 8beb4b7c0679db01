"""Messages between a parent and a child process as JSON lines, one object a line.

No call blocks the parent, so a window can poll from a timer. The child ends when its input is closed, and so never
outlives the window.
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

from .errors import UserError, reason_of
from .processes import PATIENCE, describe_exit, kill_tree, process_group_options, whole_lines

__all__ = ["Channel", "Child", "open_channel", "parse_event", "requests_from_parent"]


class Child:
    """The parent's side: a child process with all its descendants."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the process; return at once.

        Raises:
            UserError: the program cannot be started.
        """
        self._partial = b""
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
            raise UserError(f"{command[0]} cannot be started ({reason_of(error)}); check the installation.") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        # A reading thread would starve: the window's thread holds the GIL while it waits for the user.
        os.set_blocking(self._output.fileno(), False)

    @property
    def pid(self) -> int:
        """Process ID."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one object to the child.

        Raises:
            OSError: the child's input is closed.
        """
        self._input.write(json.dumps(message).encode() + b"\n")
        self._input.flush()

    def read_events(self) -> list[dict[str, Any]]:
        """Return the events since the last call, see `parse_event`."""
        lines, self._partial = whole_lines(self._output, self._partial)
        return [event for line in lines if (event := parse_event(line)) is not None]

    def describe_exit(self) -> str:
        """Return the exit code or signal with the last messages, such as "code 7: out of memory"."""
        return describe_exit(self._process, self._log)

    def close(self) -> None:
        """Let an idle child end by itself; kill it after `PATIENCE` seconds."""
        with contextlib.suppress(OSError):
            self._input.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self.end()

    def end(self) -> None:
        """Kill the process and everything it started; do nothing if it has ended."""
        kill_tree(self._process)
        for stream in (self._input, self._output, self._log):
            with contextlib.suppress(OSError):
                stream.close()


def parse_event(line: bytes) -> dict[str, Any] | None:
    """Return the event of a child's line, an object with the key "event"; None for other output, as of a library."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and isinstance(message.get("event"), str) else None


class Channel:
    """The child's side: sends events to its parent."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, event: str, **values: Any) -> None:
        """Send one event at once."""
        self._stream.write(json.dumps({"event": event, **values}).encode() + b"\n")
        self._stream.flush()


def open_channel() -> Channel:
    """Return the channel to the parent; redirect what libraries print from stdout to stderr."""
    channel = Channel(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    return channel


def requests_from_parent(at_end: Callable[[], None] = lambda: None) -> queue.SimpleQueue[dict[str, Any]]:
    """Return a queue of the parent's requests, filled as they arrive; the process ends when its input is closed.

    Args:
        at_end: called before the process ends, to tidy up.
    """
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def receive() -> None:
        for line in sys.stdin.buffer:
            requests.put(json.loads(line))
        # The parent has ended or closed our input; the main thread may be busy in TensorFlow.
        at_end()
        os._exit(0)

    threading.Thread(target=receive, daemon=True).start()
    return requests
