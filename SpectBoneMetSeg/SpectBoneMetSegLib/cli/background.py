"""The command `batch` as a background process that continues when the window that started it is closed."""

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
from ..common.errors import UserError, reason_of
from ..common.processes import child_environment, process_group_options

__all__ = ["LOG", "ArchiveRun", "last_message", "start_run"]

#: Output of the command, a file in the working folder of a run.
LOG = "run.log"
#: Nice value of a run: other processes have priority.
NICENESS = 10
#: Prefix of the command's own messages.
PREFIX = "spectbonemetseg: "


@dataclass(frozen=True)
class ArchiveRun:
    """An archive to read, with the options of `batch`.

    Attributes:
        folder: folder of the studies, at any depth.
        output: folder of the results.
        model: name or folder of the model; empty for the default model.
        engine: inference engine.
        device: device of the engine.
        region: region to read.
        quick: write masks and tables only.
        retry_failed: also read scans that failed in an earlier run.
    """

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
        """Arguments of the command line."""
        arguments = ["batch", str(self.folder), "--output", str(self.output), "--region", self.region]
        arguments += ["--engine", self.engine, "--device", self.device]
        arguments += ["--model", self.model] if self.model else []
        return [*arguments, *(["--quick"] if self.quick else []), *(["--retry-failed"] if self.retry_failed else [])]


def start_run(archive: ArchiveRun, python: str | None = None, command: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start the command in the background; return at once.

    Args:
        archive: what to read.
        python: interpreter (PythonSlicer in Slicer); None for the running one.
        command: replaces the command, for tests.

    Raises:
        UserError: the folder does not exist or is also that of the results, another run is writing there, the results
            cannot be written, or the interpreter cannot be started.
    """
    folder, output = archive.folder, archive.output
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; choose the folder that holds the studies.")
    if folder.resolve() == output.resolve():
        raise UserError(f"{folder} holds the studies; choose another folder for the results.")
    if is_running(output):
        raise UserError(f"A run is already writing {output}; wait until it has ended, or choose another folder.")
    arguments = [*(command or [python or sys.executable, "-m", "SpectBoneMetSegLib"]), *archive.arguments]
    options = process_group_options()
    if sys.platform == "win32":
        options["creationflags"] |= subprocess.BELOW_NORMAL_PRIORITY_CLASS
    try:
        (output / WORK_FOLDER).mkdir(parents=True, exist_ok=True)
        log = (output / WORK_FOLDER / LOG).open("wb")
    except OSError as error:
        raise UserError(f"{output} cannot be written ({reason_of(error)}); choose another folder.") from error
    environment = child_environment(SpectBoneMetSegLib)
    with log:
        try:
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, **options
            )
        except OSError as error:
            raise UserError(
                f"{arguments[0]} cannot be started ({reason_of(error)}); check the installation."
            ) from error
    if sys.platform != "win32":
        os.setpriority(os.PRIO_PROCESS, process.pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    return process


def last_message(output: Path) -> str:
    """Return the last message of the run on this folder of results, "" if there is none."""
    try:
        lines = (output / WORK_FOLDER / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix(PREFIX) if lines else ""
