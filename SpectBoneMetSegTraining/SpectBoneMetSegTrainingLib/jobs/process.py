"""Start and end the processes of training jobs, which go on when the process that started them ends."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import SpectBoneMetSegLib
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.locks import is_locked
from SpectBoneMetSegLib.common.processes import child_environment, kill_group, process_group_options

import SpectBoneMetSegTrainingLib

from ..dataset.files import write_json
from .folder import ALIVE, LAUNCHED, LOG, read_request, read_status

#: Nice value of a training, so that other programs take precedence.
NICENESS = 10
#: Seconds to wait until a killed process is gone.
KILL_TIMEOUT = 5.0

#: Processes started by this one; ended ones must be waited for, or they stay in the process table.
_started: list[subprocess.Popen[bytes]] = []


def launch(folder: Path, attempt: int, python: str) -> None:
    """Start the process of a job; return at once.

    Raises:
        UserError: the interpreter cannot be started.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    write_json(folder / LAUNCHED, {"attempt": attempt, "time": time.time()})
    command = [python, "-m", f"{__package__}.child", str(folder)]
    try:
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=child_environment(SpectBoneMetSegLib, SpectBoneMetSegTrainingLib),
                **detached_options(),
            )
    except OSError as error:
        (folder / LAUNCHED).unlink(missing_ok=True)
        raise UserError(f"{python} cannot be started ({reason_of(error)}); check the installation.") from error
    _started.append(process)


def end_process(folder: Path) -> None:
    """Kill the process of a job with its children, and wait until it is gone; do nothing if there is none.

    Raises:
        UserError: it runs on another machine, or does not end.
    """
    end = time.monotonic() + KILL_TIMEOUT
    while is_locked(folder / ALIVE):
        status = read_status(folder)
        # Until the process of this attempt has written its status, the status names the previous one, whose ID another
        # process may have by now; the new process reads the request when it starts.
        if status is not None and status.pid is not None and status.attempt == read_request(folder)[1]:
            if status.host != platform.node():
                raise UserError(f"The training in {folder} runs on {status.host}; stop it there.")
            # While the lock is held, the ID belongs to its holder.
            kill_group(status.pid)
        if time.monotonic() > end:
            raise UserError(f"The training in {folder} does not end; kill its process with the system's tools.")
        time.sleep(0.02)
    _started[:] = [process for process in _started if process.poll() is None]


def lower_priority() -> None:
    """Raise the nice value of this process to NICENESS; a higher one is kept."""
    if sys.platform != "win32":
        # On Windows the process was started with a lower priority.
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def detached_options() -> dict[str, Any]:
    """Return options of Popen for a process in a group of its own, so that signals to this one do not reach it."""
    options = process_group_options()
    if sys.platform == "win32":
        options["creationflags"] |= subprocess.BELOW_NORMAL_PRIORITY_CLASS
    return options
