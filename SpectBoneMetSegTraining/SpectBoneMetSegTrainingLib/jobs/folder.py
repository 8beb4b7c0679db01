"""The folder of a training job: its specification, the user's requests, the status of its process, its results.

    JOB/job.json   what to train, never changed                JOB/run/      the training's working folder
    JOB/wish.json  the user's request: run, pause, stop        JOB/model/    the finished model
    JOB/launched.json  the attempt started last                JOB/log.txt   output of the process
    JOB/status.json    status, updated step by step            JOB/preview.npz, preview.png
    JOB/alive.lock     held while the process runs             JOB/result.html  page of an adaptation

Requests carry the number of their attempt, and launch and status repeat it, so that no clock decides which is newer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import DISK_FULL
from SpectBoneMetSegLib.common.locks import is_locked
from SpectBoneMetSegLib.model.card import MODEL_NAME

from ..dataset.files import read_json, write_json
from ..training.setup.config import TrainingConfig

JOB, REQUEST, LAUNCHED, STATUS = "job.json", "wish.json", "launched.json", "status.json"
ALIVE, LOG, RUN, MODEL, PAGE = "alive.lock", "log.txt", "run", "model", "result.html"
#: Locks in the folder of all jobs: held by the running job; held while the next job is chosen.
SLOT, QUEUE = "slot.lock", "queue.lock"
#: Environment variable with the folder of the jobs, instead of the user's data folder.
JOBS_VARIABLE = "SPECTBONEMETSEG_JOBS"
#: Seconds until a started process must have written its status.
START_SECONDS = 60.0

State = Literal["queued", "running", "paused", "stopped", "interrupted", "finished", "failed", "unreadable"]
JobRequest = Literal["run", "pause", "stop"]

#: States that a job does not leave by itself.
ENDED: tuple[State, ...] = ("paused", "stopped", "interrupted", "finished", "failed", "unreadable")
#: States from which a job can be resumed.
RESUMABLE: tuple[State, ...] = ("paused", "stopped", "interrupted", "failed")


@dataclass(frozen=True)
class JobSpec:
    """Specification of a training job.

    Attributes:
        data: data set folder.
        model: name of the new model.
        config: configuration of the training; its `start` is the parent model, which is fine-tuned.
        description: one sentence for the model's card.
        parent: name or path of the model that the result is compared with; empty for `config.start`, or without that
            for the default model.
        minutes: time limit of an adaptation, which uses only start and seed of `config`; 0 for an ordinary training.
    """

    data: Path
    model: str
    config: TrainingConfig
    description: str = ""
    parent: str = ""
    minutes: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the specification as JSON values."""
        texts = {"model": self.model, "description": self.description, "parent": self.parent}
        return {"data": str(self.data), **texts, "config": self.config.to_dict(), "minutes": self.minutes}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JobSpec:
        """Return the specification of a dictionary from `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: the values do not describe a job.
        """
        if not MODEL_NAME.fullmatch(values["model"]):
            raise ValueError(f"{values['model']!r} is not a model name")
        config = TrainingConfig.from_dict(values["config"])
        texts = values["description"], values["parent"]
        # Jobs of earlier versions have no entry for minutes.
        return cls(Path(values["data"]), values["model"], config, *texts, float(values.get("minutes", 0.0)))


@dataclass(frozen=True)
class JobStatus:
    """Status of a job.

    Attributes:
        state: "queued"; "running"; "paused" and "stopped" by the user; "interrupted": its process died; "finished":
            there is a model; "failed": `message` gives the reason; "unreadable": its folder is damaged.
        attempt: number of times it was queued, from 1.
        step: gradient steps done.
        steps: gradient steps planned.
        loss: loss of the last step.
        dice: pooled DSC at the last validation.
        seconds_left: estimated remaining seconds of the training; None if unknown.
        device: computing device.
        memory_mb: peak memory so far, in MiB (2**20 bytes).
        message: one sentence for the user: the current activity, or the error.
        pid: ID of its process.
        host: name of the machine.
    """

    state: State = "queued"
    attempt: int = 1
    step: int = 0
    steps: int = 0
    loss: float | None = None
    dice: float | None = None
    seconds_left: float | None = None
    device: str = ""
    memory_mb: float | None = None
    message: str = ""
    pid: int | None = None
    host: str = ""


@dataclass(frozen=True)
class Job:
    """A job with its current status.

    Attributes:
        folder: its folder, whose name is the job's ID.
        spec: its specification; None if unreadable.
        status: its status.
        queued_at: time of the last request, seconds since the epoch.
        launching: whether its process has been started but has not written its status yet.
    """

    folder: Path
    spec: JobSpec | None
    status: JobStatus
    queued_at: float = 0.0
    launching: bool = False

    @property
    def model(self) -> Path | None:
        """Folder of the finished model; None before."""
        return self.folder / MODEL / self.spec.model if self.spec and self.status.state == "finished" else None

    @property
    def page(self) -> Path | None:
        """Page of a finished adaptation; None without one."""
        page = self.folder / PAGE
        return page if self.status.state == "finished" and page.exists() else None


def jobs_folder(folder: Path | None = None) -> Path:
    """Return the folder of the jobs: `folder`, or the one in SPECTBONEMETSEG_JOBS, or the user's data folder.

    Raises:
        UserError: there is no such folder, as for a user without a home folder.
    """
    chosen = folder or os.environ.get(JOBS_VARIABLE)
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        import platformdirs

        return platformdirs.user_data_path("SpectBoneMetSeg") / "jobs"
    except RuntimeError as error:
        raise UserError(f"There is no home folder for training jobs; name a folder in {JOBS_VARIABLE}.") from error


def write_request(folder: Path, request: JobRequest, attempt: int) -> None:
    """Write the user's request: run, pause or stop the job.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        write_json(folder / REQUEST, {"wish": request, "attempt": attempt, "time": time.time()})
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({reason_of(error)}); check the free disk space and write permission."
        ) from error


def write_status(folder: Path, status: JobStatus) -> None:
    """Replace the status file; for the job's process only.

    On a full disk the old file is overwritten, which needs no more space, so that the reason of a failure is reported.

    Raises:
        OSError: the file can neither be replaced nor overwritten.
    """
    values = asdict(status)
    try:
        write_json(folder / STATUS, values)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        with (folder / STATUS).open("r+", encoding="utf-8") as file:
            file.write(json.dumps(values))
            file.truncate()


def read_status(folder: Path) -> JobStatus | None:
    """Read the last status; None without a readable one."""
    try:
        values = read_json(folder / STATUS)
        known = {item.name for item in fields(JobStatus)}
        return JobStatus(**{name: value for name, value in values.items() if name in known})
    except (UserError, AttributeError, TypeError):
        # It is written again soon; until then the lock and the request determine the state.
        return None


def read_request(folder: Path) -> tuple[JobRequest, int, float]:
    """Read the request, its attempt and its time (seconds since the epoch).

    Raises:
        UserError: the folder holds no job or a damaged one.
    """
    values = read_json(folder / REQUEST)
    try:
        if values["wish"] not in ("run", "pause", "stop"):
            raise ValueError(values["wish"])
        return values["wish"], int(values["attempt"]), float(values["time"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / REQUEST} is damaged; delete the job and start it again.") from error


def read_spec(folder: Path) -> JobSpec:
    """Read the specification of a job.

    Raises:
        UserError: the folder holds no job, a damaged one, or one of another version.
    """
    path = folder / JOB
    try:
        return JobSpec.from_dict(read_json(path))
    except UserError as error:
        raise UserError(f"{path} is missing or damaged; delete the job and start it again.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is not a job of this version ({error}); delete the job and start it again.") from error


def read_job(folder: Path) -> Job:
    """Read a job with its current status; a damaged one has the state "unreadable" and a message with the reason."""
    # Checked first: a process that dies in between is then seen as dead by the next call, not as running for good.
    alive = is_locked(folder / ALIVE)
    reported = read_status(folder)
    try:
        spec = read_spec(folder)
        request, attempt, queued_at = read_request(folder)
    except UserError as error:
        return Job(folder, None, replace(reported or JobStatus(), state="unreadable", message=str(error)))
    launched = _launched(folder)
    known = replace(reported, attempt=attempt) if reported else JobStatus(attempt=attempt, steps=spec.config.steps)
    is_current = reported is not None and reported.attempt == attempt
    launching = False
    if alive:
        last_message = known.message if is_current else ""
        message = {"pause": "Pausing after this step.", "stop": "Stopping."}.get(request, last_message)
        status = replace(known, state="running", message=message)
    elif is_current and known.state in ("finished", "failed"):
        status = known
    elif request != "run":
        status = replace(known, state="paused" if request == "pause" else "stopped", message="", seconds_left=None)
    elif is_current:
        message = "The training process was ended from outside; resume it to continue from its last checkpoint."
        status = replace(known, state="interrupted", message=message, seconds_left=None)
    elif launched is not None and launched[0] == attempt:
        launching = time.time() - launched[1] < START_SECONDS
        if launching:
            status = replace(known, state="queued", message="Starting.")
        else:
            status = replace(
                known, state="failed", message=f"The training process did not start: {last_log_line(folder)}"
            )
    else:
        status = replace(known, state="queued", message="Waiting in the queue.", seconds_left=None)
    return Job(folder, spec, status, queued_at, launching)


def last_log_line(folder: Path, limit: int = 300) -> str:
    """Return the last line of the process's output."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return (lines[-1].strip()[:limit] if lines else "") or f"see {folder / LOG}"


def _launched(folder: Path) -> tuple[int, float] | None:
    """Read attempt and time of the last start of a process; None without one."""
    try:
        values = read_json(folder / LAUNCHED)
        return int(values["attempt"]), float(values["time"])
    except (UserError, KeyError, TypeError, ValueError):
        return None
