"""One long call in a child process, so that a window never waits: collecting, checking, comparing, ranking.

The parent writes the call as one JSON line, the child tells its progress and its answer as JSON lines. A training is no
task: it outlives the window (`job`), a task ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.processes import kill_tree, own_group, whole_lines

from ..jobs.process import child_environment

#: Characters of the child's own messages that a crash report shows.
LAST_WORDS = 300


@dataclass(frozen=True)
class TaskEvent:
    """What the child said, or its end.

    Attributes:
        kind: "progress", "done", "failed" (one sentence for the user) or "crashed".
        done, total: of progress. message: what is being done, or what went wrong.
        fields, command: of the error, see `UserError`.
        answer: of "done", plain JSON values.
    """

    kind: Literal["progress", "done", "failed", "crashed"]
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
        self._buffer = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        interpreter = python or sys.executable
        try:
            self._process = subprocess.Popen(
                [interpreter, "-m", f"{__package__}.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=child_environment(),
                **own_group(),
            )
        except OSError as error:
            self._log.close()
            raise UserError(f"{interpreter} cannot be started ({error.strerror}); check the installation.") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        with contextlib.suppress(OSError):
            # The pipe stays open: the child ends when its parent does.
            self._process.stdin.write(json.dumps({"do": name, "arguments": dict(arguments)}).encode() + b"\n")
            self._process.stdin.flush()
        self.over = False

    def poll(self) -> list[TaskEvent]:
        """What happened since the last call; never waits. The last event says how it ended."""
        if self.over:
            return []
        ended = self._process.poll() is not None
        events = [TaskEvent(**json.loads(line)) for line in self._lines()]
        if any(event.kind != "progress" for event in events):
            self.close()
        elif ended:
            events.append(TaskEvent("crashed", message=self._last_words()))
            self.close()
        return events

    def close(self) -> None:
        """End the process with everything it started, however far it is."""
        if self.over:
            return
        self.over = True
        kill_tree(self._process)
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _lines(self) -> list[bytes]:
        assert self._process.stdout is not None
        lines, self._buffer = whole_lines(self._process.stdout, self._buffer)
        return lines

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        said = f": {lines[-1].strip()[:LAST_WORDS]}" if lines else ""
        return f"The process ended unexpectedly (code {self._process.returncode}{said}); try again."
