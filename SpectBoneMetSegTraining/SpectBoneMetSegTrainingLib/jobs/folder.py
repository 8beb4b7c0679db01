"""The folder of a training job: what is asked for, what its process tells, and what follows from both.

    JOB/job.json   what to train, for ever the same            JOB/run/      the training's own folder
    JOB/wish.json  what the user wants: run, pause, stop       JOB/model/    the finished model
    JOB/launched.json  which attempt was started last          JOB/log.txt   what the process printed
    JOB/status.json    what the process says, step by step     JOB/preview.npz, preview.png
    JOB/alive.lock     held by the process as long as it lives   JOB/result.html  of an adaptation, for people

Wishes carry the number of the attempt they belong to, launch and status repeat it: no clock decides what is newer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import DISK_FULL
from SpectBoneMetSegLib.common.locks import is_locked
from SpectBoneMetSegLib.model.card import MODEL_NAME

from ..dataset.files import read_json, write_json
from ..training.setup.config import TrainingConfig

JOB, REQUEST, LAUNCHED, STATUS = "job.json", "wish.json", "launched.json", "status.json"
ALIVE, LOG, RUN, MODEL, PAGE = "alive.lock", "log.txt", "run", "model", "result.html"
#: Beside the jobs: held by the one job that runs; held while somebody looks for the next one.
SLOT, QUEUE = "slot.lock", "queue.lock"
#: Environment variable with the folder of the jobs, instead of the system's place for them.
JOBS_VARIABLE = "SPECTBONEMETSEG_JOBS"
#: Seconds a process that was started may take until it tells of itself.
START_SECONDS = 60.0

State = Literal["queued", "running", "paused", "stopped", "interrupted", "finished", "failed", "unreadable"]
JobRequest = Literal["run", "pause", "stop"]

#: Nothing more happens to a job in one of these by itself.
ENDED: tuple[State, ...] = ("paused", "stopped", "interrupted", "finished", "failed", "unreadable")
#: A job in one of these can be resumed.
RESUMABLE: tuple[State, ...] = ("paused", "stopped", "interrupted", "failed")


@dataclass(frozen=True)
class JobSpec:
    """What to train.

    Attributes:
        data: data set folder.
        model: name of the model to make.
        config: how; its `start` is the model that is fine-tuned.
        description: one sentence for the model's card.
        parent: name or path of the model the result is compared with; empty for `config.start`, without one for the
            model read when none is named.
        minutes: for an adaptation, which chooses everything but start and seed by itself, that all of it may take; 0
            for a training as `config` says.
    """

    data: Path
    model: str
    config: TrainingConfig
    description: str = ""
    parent: str = ""
    minutes: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        texts = {"model": self.model, "description": self.description, "parent": self.parent}
        return {"data": str(self.data), **texts, "config": self.config.to_dict(), "minutes": self.minutes}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JobSpec:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: what is written there is no job.
        """
        if not MODEL_NAME.fullmatch(values["model"]):
            raise ValueError(f"{values['model']!r} is no name for a model")
        config = TrainingConfig.from_dict(values["config"])
        texts = values["description"], values["parent"]
        # A job of an earlier version says nothing of minutes.
        return cls(Path(values["data"]), values["model"], config, *texts, float(values.get("minutes", 0.0)))


@dataclass(frozen=True)
class JobStatus:
    """What is known of a job now.

    Attributes:
        state: "queued" until its turn; "running"; "paused" and "stopped" by the user; "interrupted": its process died;
            "finished": there is a model; "failed": `message` says why; "unreadable": its folder is damaged.
        attempt: how often it was queued, from 1.
        step: gradient steps done.
        steps: gradient steps planned.
        loss: of the last step.
        dice: pooled Dice at the last look at the validation patients.
        seconds_left: of the training; None where unknown.
        device: what it computes on.
        memory_mb: the highest so far (2**20 bytes).
        message: one sentence for the user: what is being done or what went wrong.
        pid: number of its process.
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
    """A job as it stands: its folder (whose name is its ID), what it trains (None if unreadable), its status."""

    folder: Path
    spec: JobSpec | None
    status: JobStatus
    queued_at: float = 0.0
    launching: bool = False

    @property
    def model(self) -> Path | None:
        """The finished model's folder."""
        return self.folder / MODEL / self.spec.model if self.spec and self.status.state == "finished" else None

    @property
    def page(self) -> Path | None:
        """The page of a finished adaptation, None without one."""
        page = self.folder / PAGE
        return page if self.status.state == "finished" and page.exists() else None


def jobs_folder(folder: Path | None = None) -> Path:
    """Where jobs lie: `folder`, or what SPECTBONEMETSEG_JOBS names, or the user's data folder.

    Raises:
        UserError: there is no such place, as for a user without a home folder.
    """
    chosen = folder or os.environ.get(JOBS_VARIABLE)
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        import platformdirs

        return platformdirs.user_data_path("SpectBoneMetSeg") / "jobs"
    except RuntimeError as error:
        raise UserError(f"There is no home folder for training jobs; name a folder in {JOBS_VARIABLE}.") from error


def write_request(folder: Path, wish: JobRequest, attempt: int) -> None:
    """Note what the user wants of the job.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        write_json(folder / REQUEST, {"wish": wish, "attempt": attempt, "time": time.time()})
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); check the space and your rights.") from error


def write_status(folder: Path, status: JobStatus) -> None:
    """Replace what the process tells; for the job's process only.

    On a full disk it is written over what was told before, which takes no more room: a failure's reason must be told.

    Raises:
        OSError: neither can be done.
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
    """What the process told last, None if nothing or nothing readable."""
    try:
        values = read_json(folder / STATUS)
        known = {item.name for item in fields(JobStatus)}
        return JobStatus(**{name: value for name, value in values.items() if name in known})
    except (UserError, AttributeError, TypeError):
        # It is written again in a moment; what it cannot tell, the lock and the wish do.
        return None


def read_request(folder: Path) -> tuple[JobRequest, int, float]:
    """(wish, attempt, time of the wish).

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
    """What the job trains.

    Raises:
        UserError: the folder holds no job, a damaged one, or one of another version.
    """
    path = folder / JOB
    try:
        return JobSpec.from_dict(read_json(path))
    except UserError as error:
        raise UserError(f"{path} is missing or damaged; delete the job and start it again.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is no job of this version ({error}); delete the job and start it again.") from error


def read_job(folder: Path) -> Job:
    """The job in a folder as it stands; a damaged one has the state "unreadable" and says why."""
    # Asked first: whoever dies in between is seen as dead by the next look, not as a job without end.
    alive = is_locked(folder / ALIVE)
    told = read_status(folder)
    try:
        spec = read_spec(folder)
        wish, attempt, queued_at = read_request(folder)
    except UserError as error:
        return Job(folder, None, replace(told or JobStatus(), state="unreadable", message=str(error)))
    launched = _launched(folder)
    known = replace(told, attempt=attempt) if told else JobStatus(attempt=attempt, steps=spec.config.steps)
    ours = told is not None and told.attempt == attempt
    launching = False
    if alive:
        words = {"pause": "Pausing after this step.", "stop": "Stopping."}.get(wish, known.message if ours else "")
        status = replace(known, state="running", message=words)
    elif ours and known.state in ("finished", "failed"):
        status = known
    elif wish != "run":
        status = replace(known, state="paused" if wish == "pause" else "stopped", message="", seconds_left=None)
    elif ours:
        message = "The training process was ended from outside; resume it to go on from its last checkpoint."
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
        status = replace(known, state="queued", message="Waiting for its turn.", seconds_left=None)
    return Job(folder, spec, status, queued_at, launching)


def last_log_line(folder: Path, limit: int = 300) -> str:
    """The end of what the process printed."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return (lines[-1].strip()[:limit] if lines else "") or f"see {folder / LOG}"


def _launched(folder: Path) -> tuple[int, float] | None:
    """(attempt, time) of the last start of a process, None if there was none."""
    try:
        values = read_json(folder / LAUNCHED)
        return int(values["attempt"]), float(values["time"])
    except (UserError, KeyError, TypeError, ValueError):
        return None
