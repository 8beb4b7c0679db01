"""Training jobs: processes of their own that outlive the window, one at a time, the others queue.

Start, watch, pause, stop, resume, and find them again from another process. There is no daemon: whoever looks at the
jobs, and every job that ends, starts the next one. Nothing here waits for a training or imports TensorFlow.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import beside
from SpectBoneMetSegLib.common.locks import FileLock
from SpectBoneMetSegLib.model.store import find_model

from ..dataset.files import read_json, write_json
from ..training.preview import PICTURE
from ..training.run_folder import LOG as LOSS_LOG
from ..training.run_folder import VALIDATION
from ..training.setup.fine_tuning import with_start
from .curves import Array, CurveReader
from .folder import (
    ALIVE,
    JOB,
    JOBS_VARIABLE,
    QUEUE,
    RESUMABLE,
    RUN,
    Job,
    JobSpec,
    JobStatus,
    State,
    jobs_folder,
    read_job,
    read_request,
    read_spec,
    write_request,
    write_status,
)
from .process import end_process, launch

__all__ = [
    "Job",
    "JobSpec",
    "JobStatus",
    "JobUpdate",
    "JobWatch",
    "State",
    "delete_job",
    "find_job",
    "jobs_folder",
    "list_jobs",
    "pause_job",
    "read_job",
    "resume_job",
    "start_job",
    "start_next",
    "stop_job",
]

#: Seconds to wait for a lock that somebody only asks about, or holds while looking for the next job.
LOCK_PATIENCE = 2.0


def start_job(spec: JobSpec, jobs: Path | None = None, python: str | None = None) -> Path:
    """Queue a training and start it if none runs; returns the job's folder at once.

    Args:
        spec: what to train.
        jobs: folder of the jobs, see `jobs_folder`.
        python: the interpreter for its process; in Slicer that is PythonSlicer. None for the running one.

    Raises:
        UserError: options that cannot be trained, or a folder that cannot be written. `preflight` says more.
    """
    # Pinned now: a model of that name that comes later is another one.
    config = with_start(spec.config)
    # The job's process works in another folder.
    config = replace(config, start=_from_anywhere(config.start) if config.start else None)
    parent = _from_anywhere(spec.parent) if spec.parent else ""
    spec = replace(spec, data=spec.data.absolute(), config=config, parent=parent)
    spec.config.check()
    store = jobs_folder(jobs)
    name = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{spec.model}"
    folder = store / name
    number = 1
    while folder.exists():
        number += 1
        folder = store / f"{name}-{number}"
    new = beside(folder)
    try:
        new.mkdir(parents=True)
        values = {**spec.to_dict(), "python": python or sys.executable}
        write_json(new / JOB, values)
        read_spec(new)
        write_request(new, "run", 1)
        new.rename(folder)
    except OSError as error:
        raise UserError(
            f"The job cannot be written to {folder} ({error.strerror}); name another folder in {JOBS_VARIABLE}."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    start_next(store)
    return folder


def _from_anywhere(model: str) -> str:
    """The same model for a process in any folder: its name in a store, or its whole path."""
    folder = Path(model).expanduser()
    return str(folder.absolute()) if find_model(model).path == folder else model


def list_jobs(jobs: Path | None = None) -> list[Job]:
    """All jobs in the order they were made; damaged ones are "unreadable", none is left out."""
    store = jobs_folder(jobs)
    if not store.is_dir():
        return []
    return [read_job(path) for path in sorted(store.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def find_job(name: str, jobs: Path | None = None) -> Job:
    """A job by its ID or the beginning of it, or by its model's name (the newest).

    Raises:
        UserError: no such job; names those there are.
    """
    found = list_jobs(jobs)
    fitting = [job for job in found if job.folder.name == name]
    fitting = fitting or [job for job in found if job.spec is not None and job.spec.model == name]
    fitting = fitting or [job for job in found if job.folder.name.startswith(name)]
    if not name:
        raise UserError("Say which training job.", command="jobs list")
    if not fitting:
        known = ", ".join(job.folder.name for job in found) or "none"
        raise UserError(f"There is no training job {name!r}; there are: {known}.")
    return fitting[-1]


def start_next(jobs: Path | None = None) -> Path | None:
    """Start the job that waits longest if none runs; returns its folder. For every look at the jobs: cheap.

    A job whose interpreter is gone fails, and the one behind it has its turn. None starts where nothing can be written.
    """
    store = jobs_folder(jobs)
    lock = FileLock(store / QUEUE)
    try:
        if not lock.acquire():
            return None
    except OSError:
        # No folder yet, or one that may only be looked at.
        return None
    try:
        found = list_jobs(store)
        if any(job.launching or job.status.state == "running" for job in found):
            return None
        waiting = [job for job in found if job.status.state == "queued"]
        for first in sorted(waiting, key=lambda job: (job.queued_at, job.folder.name)):
            try:
                launch(first.folder, first.status.attempt, read_json(first.folder / JOB)["python"])
            except UserError as error:
                write_status(first.folder, replace(first.status, state="failed", message=str(error)))
            else:
                return first.folder
        return None
    except OSError:
        # A full disk: the next look tries again.
        return None
    finally:
        lock.release()


def pause_job(folder: Path) -> None:
    """Have a job save a checkpoint after its present step and end its process; a queued one leaves the queue.

    The memory is free then, and the next job in the queue has its turn.

    Raises:
        UserError: it has ended.
    """
    job = _changeable(folder, ("queued", "running"), "paused")
    write_request(folder, "pause", job.status.attempt)


def stop_job(folder: Path) -> None:
    """End a job at once, with all its processes; what it learnt up to its last checkpoint stays for `resume_job`.

    Raises:
        UserError: it has ended, or runs on another machine.
    """
    job = _changeable(folder, ("queued", "running", "paused", "interrupted"), "stopped")
    write_request(folder, "stop", job.status.attempt)
    end_process(folder)
    start_next(folder.parent)


def resume_job(folder: Path) -> None:
    """Queue a job again that was paused, stopped, interrupted or failed; it goes on from its last checkpoint.

    Raises:
        UserError: it runs, waits, or has its model.
    """
    job = _changeable(folder, RESUMABLE, "resumed")
    write_request(folder, "run", job.status.attempt + 1)
    start_next(folder.parent)


def delete_job(folder: Path) -> None:
    """Delete a job's folder with the checkpoint and the model in it; a model in use was copied to the store.

    Raises:
        UserError: it is running, or the folder is none of a job.
    """
    if not (folder / JOB).exists():
        raise UserError(f"{folder} is not a training job and was left alone.")
    queue, alive = FileLock(folder.parent / QUEUE), FileLock(folder / ALIVE)
    gone = beside(folder)
    try:
        # Nobody starts it meanwhile, and a process that was started already finds the lock taken or the folder gone.
        if not queue.acquire(LOCK_PATIENCE) or not alive.acquire(LOCK_PATIENCE):
            raise UserError(f"{folder.name} is running; stop it first.")
        if sys.platform == "win32":
            # A folder with an open file cannot be renamed there.
            alive.release()
        # Out of the way in one go: what is written late goes nowhere.
        folder.rename(gone)
    except OSError as error:
        raise UserError(f"{folder} cannot be deleted ({error.strerror}).") from error
    finally:
        alive.release()
        queue.release()
    try:
        shutil.rmtree(gone)
    except OSError as error:
        raise UserError(f"{gone} cannot be deleted ({error.strerror}).") from error


def _changeable(folder: Path, states: tuple[State, ...], what: str) -> Job:
    job = read_job(folder)
    if job.status.state not in states:
        raise UserError(f"{folder.name} is {job.status.state} and cannot be {what}. {job.status.message}".rstrip())
    read_request(folder)
    return job


@dataclass(frozen=True)
class JobUpdate:
    """What a look at a job brought.

    Attributes:
        status: as it stands.
        loss: (n, 2) step and training loss since the last look.
        validation: (n, 2) step and pooled Dice.
        restarted: the curves start anew with these rows, as after a resume.
        picture: file of a new picture of the present predictions on a validation scan (PNG; numbers: `preview`), None
            if there is no newer one.
    """

    status: JobStatus
    loss: Array
    validation: Array
    restarted: bool
    picture: Path | None


class JobWatch:
    """Looks at one job again and again, as from a window's timer: every look costs what was added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._attempt = 0
        self._picture_time = 0
        self._read_anew()

    def poll(self) -> JobUpdate:
        """What happened since the last call; never waits. Starts the next job of the queue where one has ended."""
        job = read_job(self._folder)
        if job.status.state != "running":
            start_next(self._folder.parent)
        (loss, loss_anew), (validation, validation_anew) = self._loss.read(), self._validation.read()
        anew = loss_anew or validation_anew or job.status.attempt != self._attempt
        if anew:
            # A training taken up again cuts its logs back to the checkpoint.
            self._attempt = job.status.attempt
            self._read_anew()
            (loss, _), (validation, _) = self._loss.read(), self._validation.read()
        return JobUpdate(job.status, loss, validation, anew, self._new_picture())

    def _read_anew(self) -> None:
        self._loss = CurveReader(self._folder / RUN / LOSS_LOG, ("step", "loss"))
        self._validation = CurveReader(self._folder / RUN / VALIDATION, ("step", "dice"))

    def _new_picture(self) -> Path | None:
        path = self._folder / PICTURE
        try:
            written = path.stat().st_mtime_ns
        except OSError:
            return None
        new, self._picture_time = written != self._picture_time, written
        return path if new else None
