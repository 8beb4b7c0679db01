"""A short trial of a training, in a process of its own: what a step costs on this machine, before the user waits."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.processes import kill_tree

from ..dataset.files import read_json, write_json
from .folder import JOB, LOG, JobSpec, last_words
from .process import child_environment, on_its_own

__all__ = ["RESULT", "Trial", "TrialResult"]

RESULT = "result.json"
#: The end of a training, its thresholds and the comparison with the parent, costs about so many looks.
LOOKS_AT_THE_END = 6


@dataclass(frozen=True)
class TrialResult:
    """What was measured.

    Attributes:
        start_seconds: until the first step is done. step_seconds: of every further one.
        look_seconds: of one look at all validation patients. memory_mb: highest (2**20 bytes). device: what computed.
    """

    start_seconds: float
    step_seconds: float
    look_seconds: float
    memory_mb: float | None
    device: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    def seconds(self, steps: int, validate_every: int) -> float:
        """About how long a whole training takes; less if it stops early."""
        looks = (steps // validate_every if validate_every else 0) + LOOKS_AT_THE_END
        return self.start_seconds + steps * self.step_seconds + looks * self.look_seconds


class Trial:
    """Runs while the caller goes on; `poll` from a timer. Needs `close`, as a context manager does it."""

    def __init__(self, spec: JobSpec, python: str | None = None) -> None:
        """Start.

        Args:
            spec: what would be trained. python: as in `job.start_job`.

        Raises:
            UserError: the interpreter cannot be started.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="SpectBoneMetSeg-"))
        write_json(self._folder / JOB, spec.to_dict())
        command = [python or sys.executable, "-m", f"{__package__}.trial_child", str(self._folder)]
        try:
            with (self._folder / LOG).open("ab") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=child_environment(), **on_its_own()
                )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise UserError(f"{command[0]} cannot be started ({error.strerror}); check the installation.") from error

    def poll(self) -> TrialResult | None:
        """The result, None as long as there is none; never waits.

        Raises:
            UserError: the trial failed, and so would the training.
        """
        if self._process.poll() is None:
            return None
        if not (self._folder / RESULT).exists():
            raise UserError(f"The trial of this training failed: {last_words(self._folder)}")
        values = read_json(self._folder / RESULT)
        if "failed" in values:
            raise UserError(values["failed"])
        return TrialResult(**values)

    def close(self) -> None:
        """End it and forget what it wrote."""
        if self._process.poll() is None:
            kill_tree(self._process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
