"""The command `batch` as a process that goes on when the window that started it is closed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import SpectBoneMetSegLib

from ..batch.run import WORK_FOLDER
from ..batch.state import is_running
from ..common.errors import UserError
from ..common.processes import child_environment, process_group_options

__all__ = ["LOG", "Archive", "last_message", "start_run"]

#: What the command said, in the hidden folder of a run.
LOG = "run.log"
#: The nice value of a run: the window and everything else go first.
NICENESS = 10
#: What the command puts before a sentence of its own.
PREFIX = "spectbonemetseg: "


@dataclass(frozen=True)
class Archive:
    """What to read, as the options of `batch` say it."""

    folder: Path
    output: Path
    model: str = ""
    engine: str = "auto"
    device: str = "auto"
    region: str = "thorax"
    quick: bool = False
    retry_failed: bool = False

    @property
    def arguments(self) -> list[str]:
        """The words of the command line."""
        words = ["batch", str(self.folder), "--output", str(self.output), "--region", self.region]
        words += ["--engine", self.engine, "--device", self.device]
        words += ["--model", self.model] if self.model else []
        return [*words, *(["--quick"] if self.quick else []), *(["--retry-failed"] if self.retry_failed else [])]


def start_run(archive: Archive, python: str | None = None, command: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start the command on its own; returns at once.

    Args:
        python: the interpreter; in Slicer that is PythonSlicer.
        command: another one in place of ours, for tests.

    Raises:
        UserError: no such folder, the results would lie where the studies do, another run is at work on the results,
            they cannot be written, or the interpreter cannot be started.
    """
    folder, output = archive.folder, archive.output
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; choose the folder that holds the studies.")
    if folder.resolve() == output.resolve():
        raise UserError(f"{folder} holds the studies; choose another folder for the results.")
    if is_running(output):
        raise UserError(f"A run is at work on {output} already; wait until it has ended, or choose another folder.")
    words = [*(command or [python or sys.executable, "-m", "SpectBoneMetSegLib"]), *archive.arguments]
    options = process_group_options()
    if sys.platform == "win32":
        options["creationflags"] |= subprocess.BELOW_NORMAL_PRIORITY_CLASS
    try:
        (output / WORK_FOLDER).mkdir(parents=True, exist_ok=True)
        log = (output / WORK_FOLDER / LOG).open("wb")
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}); choose another folder.") from error
    environment = child_environment(SpectBoneMetSegLib)
    with log:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, **options
            )
        except OSError as error:
            raise UserError(f"{words[0]} cannot be started ({error.strerror}); check the installation.") from error
    if sys.platform != "win32":
        os.setpriority(os.PRIO_PROCESS, process.pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    return process


def last_message(output: Path) -> str:
    """The last thing that the command said on these results, "" for none."""
    try:
        lines = (output / WORK_FOLDER / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix(PREFIX) if lines else ""
