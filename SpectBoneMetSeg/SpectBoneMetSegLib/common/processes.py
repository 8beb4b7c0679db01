"""Child processes in process groups of their own: start, kill with all descendants, read output line by line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import IO, Any

from .resources import package_folder

#: Seconds to wait for a child to end before it is killed.
PATIENCE = 2.0
#: Limits of a child's last messages in an error.
LAST_LINES, LAST_CHARACTERS = 3, 300


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process started with `process_group_options` and its descendants; wait at most `PATIENCE` seconds."""
    kill_group(process.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)


def kill_group(pid: int) -> None:
    """Kill a process started with `process_group_options` and all its descendants; do nothing if it has ended.

    A process that a launcher such as PythonSlicer started in its own group is killed alone; its children then end by
    themselves.
    """
    if sys.platform == "win32":
        # Without a console window: Slicer has none, and a new one would flash up.
        command = ["taskkill", "/F", "/T", "/PID", str(pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        # The group outlives its leader: descendants of a crashed child are killed, too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(pid, signal.SIGKILL)


def describe_exit(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Return the exit code or signal of a process with its last messages, such as "code 7: out of memory".

    Args:
        process: waited for, for at most `PATIENCE` seconds.
        log: file with the output of the process, open for reading.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    code = process.returncode
    how = _signal_name(-code) if code is not None and code < 0 else f"code {code}"
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    messages = " ".join(line.strip() for line in lines[-LAST_LINES:])
    return f"{how}: {messages[:LAST_CHARACTERS]}" if messages else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def whole_lines(stream: IO[bytes], partial: bytes) -> tuple[list[bytes], bytes]:
    """Read the complete lines that are available now.

    Args:
        stream: non-blocking stream, such as a pipe.
        partial: incomplete last line of the previous call.

    Returns:
        The non-empty lines, and the incomplete last line.
    """
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(stream.fileno(), 65536):
            partial += piece
    *lines, rest = partial.split(b"\n")
    return [line for line in lines if line], rest


def child_environment(*packages: ModuleType, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which a child can import these packages, based on this process's own for None."""
    base = dict(os.environ if environment is None else environment)
    folders = dict.fromkeys(str(package_folder(package).parent) for package in packages)
    path = os.pathsep.join([*folders, *([base["PYTHONPATH"]] if base.get("PYTHONPATH") else [])])
    log_level = base.get("TF_CPP_MIN_LOG_LEVEL", "2")
    return {**base, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "TF_CPP_MIN_LOG_LEVEL": log_level}


def process_group_options() -> dict[str, Any]:
    """Return arguments of Popen that start a process in its own group, so that `kill_tree` kills its descendants."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def silence_header_warnings() -> None:
    """Hide pydicom's warnings about header values that DICOM does not allow, in a process that writes on a terminal.

    Such values are read tolerantly, and what matters is among the scan's own warnings.
    """
    warnings.filterwarnings("ignore", module=r"pydicom\.(charset|dataelem|dataset|uid|valuerep|values)\Z")
