"""Child processes: a group of their own, ended whole, their output read by whole lines."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import IO, Any

from .resources import package_folder

#: Seconds a child that was asked to end may take before it is killed.
PATIENCE = 2.0
#: Of what a child said before it ended.
LAST_LINES, LAST_CHARACTERS = 3, 300


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process started with `process_group_options`, with all its descendants, and wait until it is gone."""
    kill_group(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)


def kill_group(pid: int) -> None:
    """Kill a process started with `process_group_options` and all its descendants; nothing if it is gone.

    A process that a launcher such as PythonSlicer started in its own group ends alone: its children see that it does.
    """
    if sys.platform == "win32":
        # Without a window of its own: Slicer has no console, and one would flash up.
        command = ["taskkill", "/F", "/T", "/PID", str(pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        # The group outlives its leader: descendants of a crashed child are ended too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(pid, signal.SIGKILL)


def describe_exit(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Its exit code or signal with its last messages, such as "code 7: out of memory".

    Args:
        log: file that takes what it says, open for reading.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    code = process.returncode
    how = _signal_name(-code) if code is not None and code < 0 else f"code {code}"
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    words = " ".join(line.strip() for line in lines[-LAST_LINES:])
    return f"{how}: {words[:LAST_CHARACTERS]}" if words else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def whole_lines(stream: IO[bytes], begun: bytes) -> tuple[list[bytes], bytes]:
    """The lines that a stream which does not block holds now, and the beginning of the next one.

    Args:
        stream: as from a pipe.
        begun: what the call before gave as beginning.
    """
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(stream.fileno(), 65536):
            begun += piece
    *lines, rest = begun.split(b"\n")
    return [line for line in lines if line], rest


def child_environment(*packages: ModuleType, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which a child finds these packages wherever they lie; None takes this process's own."""
    given = dict(os.environ if environment is None else environment)
    places = dict.fromkeys(str(package_folder(package).parent) for package in packages)
    path = os.pathsep.join([*places, *([given["PYTHONPATH"]] if given.get("PYTHONPATH") else [])])
    quiet = given.get("TF_CPP_MIN_LOG_LEVEL", "2")
    return {**given, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "TF_CPP_MIN_LOG_LEVEL": quiet}


def process_group_options() -> dict[str, Any]:
    """Arguments of Popen that make a process the leader of its own group, so that `kill_tree` ends all it starts."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
