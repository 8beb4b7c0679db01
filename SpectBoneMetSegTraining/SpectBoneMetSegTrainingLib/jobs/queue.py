"""Queue of training jobs: separate processes that outlive the window, of which one runs at a time.

Start, watch, pause, stop and resume jobs, also from another process. There is no daemon: every call that reads the
jobs, and every job that ends, starts the next one. Nothing here waits for a training or imports TensorFlow.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import temporary_path
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

#: Seconds to wait for a lock that another process is probing, or holds while it chooses the next job.
LOCK_TIMEOUT = 2.0


def start_job(spec: JobSpec, jobs: Path | None = None, python: str | None = None) -> Path:
    """Queue a training and start it if none is running; return the job's folder at once.

    Args:
        spec: the training.
        jobs: folder of the jobs, see `jobs_folder`.
        python: interpreter for its process (PythonSlicer in Slicer); None for the running one.

    Raises:
        UserError: invalid options, or a folder that cannot be written. `preflight` checks more.
    """
    # Resolved now: a model installed later under the same name is another one.
    config = with_start(spec.config)
    # The job's process runs in another folder.
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
    new = temporary_path(folder)
    try:
        new.mkdir(parents=True)
        values = {**spec.to_dict(), "python": python or sys.executable}
        write_json(new / JOB, values)
        read_spec(new)
        write_request(new, "run", 1)
        new.rename(folder)
    except OSError as error:
        raise UserError(
            f"The job cannot be written to {folder} ({reason_of(error)}); name another folder in {JOBS_VARIABLE}."
        ) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    start_next(store)
    return folder


def _from_anywhere(model: str) -> str:
    """Return a model's name or absolute path, valid for a process in any folder."""
    folder = Path(model).expanduser()
    return str(folder.absolute()) if find_model(model).path == folder else model


def list_jobs(jobs: Path | None = None) -> list[Job]:
    """List all jobs in the order of their creation; damaged ones have the state "unreadable"."""
    store = jobs_folder(jobs)
    if not store.is_dir():
        return []
    return [read_job(path) for path in sorted(store.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def find_job(name: str, jobs: Path | None = None) -> Job:
    """Find a job by its ID or the beginning of it, or by its model's name (the newest).

    Raises:
        UserError: there is no such job; the message lists the existing ones.
    """
    found = list_jobs(jobs)
    matching = [job for job in found if job.folder.name == name]
    matching = matching or [job for job in found if job.spec is not None and job.spec.model == name]
    matching = matching or [job for job in found if job.folder.name.startswith(name)]
    if not name:
        raise UserError("Name a training job.", command="jobs list")
    if not matching:
        known = ", ".join(job.folder.name for job in found) or "none"
        raise UserError(f"There is no training job {name!r}; there are: {known}.")
    return matching[-1]


def start_next(jobs: Path | None = None) -> Path | None:
    """Start the job that has waited longest, if none is running; return its folder. Cheap enough for frequent calls.

    A job whose interpreter is missing fails, and the next one is started. If the folder is not writable, none starts.
    """
    store = jobs_folder(jobs)
    lock = FileLock(store / QUEUE)
    try:
        if not lock.acquire():
            return None
    except OSError:
        # No folder yet, or a read-only one.
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
        # A full disk: the next call tries again.
        return None
    finally:
        lock.release()


def pause_job(folder: Path) -> None:
    """Let a job save a checkpoint after the current step and end its process; a queued one leaves the queue.

    Its memory is then free, and the next job in the queue is started.

    Raises:
        UserError: the job has ended.
    """
    job = _changeable(folder, ("queued", "running"), "paused")
    write_request(folder, "pause", job.status.attempt)


def stop_job(folder: Path) -> None:
    """End a job at once, with all its processes; its last checkpoint is kept for `resume_job`.

    Raises:
        UserError: the job has ended, or runs on another machine.
    """
    job = _changeable(folder, ("queued", "running", "paused", "interrupted"), "stopped")
    write_request(folder, "stop", job.status.attempt)
    end_process(folder)
    start_next(folder.parent)


def resume_job(folder: Path) -> None:
    """Queue a paused, stopped, interrupted or failed job again, to go on from its last checkpoint.

    Raises:
        UserError: the job is running, queued or finished.
    """
    job = _changeable(folder, RESUMABLE, "resumed")
    write_request(folder, "run", job.status.attempt + 1)
    start_next(folder.parent)


def delete_job(folder: Path) -> None:
    """Delete a job's folder with its checkpoint and model; an installed model is a copy and is kept.

    Raises:
        UserError: the job is running, or the folder is not a job's.
    """
    if not (folder / JOB).exists():
        raise UserError(f"{folder} is not a training job and was not deleted.")
    queue, alive = FileLock(folder.parent / QUEUE), FileLock(folder / ALIVE)
    renamed = temporary_path(folder)
    try:
        # With both locks held no process can start it; one started already finds the lock held or the folder gone.
        if not queue.acquire(LOCK_TIMEOUT) or not alive.acquire(LOCK_TIMEOUT):
            raise UserError(f"{folder.name} is running; stop it first.")
        if sys.platform == "win32":
            # On Windows a folder with an open file cannot be renamed.
            alive.release()
        # Renamed first, so that late writes of its process fail.
        folder.rename(renamed)
    except OSError as error:
        raise UserError(f"{folder} cannot be deleted ({reason_of(error)}).") from error
    finally:
        alive.release()
        queue.release()
    try:
        shutil.rmtree(renamed)
    except OSError as error:
        raise UserError(f"{renamed} cannot be deleted ({reason_of(error)}).") from error


def _changeable(folder: Path, states: tuple[State, ...], what: str) -> Job:
    job = read_job(folder)
    if job.status.state not in states:
        raise UserError(f"{folder.name} is {job.status.state} and cannot be {what}. {job.status.message}".rstrip())
    read_request(folder)
    return job


@dataclass(frozen=True)
class JobUpdate:
    """News of a job since the last poll.

    Attributes:
        status: current status.
        loss: (n, 2) step and training loss since the last poll.
        validation: (n, 2) step and pooled DSC since the last poll.
        restarted: the curves restart with these rows, as after a resume.
        picture: file of a new preview of the predictions on a validation scan (PNG; as arrays: `preview`); None if
            there is no newer one.
    """

    status: JobStatus
    loss: Array
    validation: Array
    restarted: bool
    picture: Path | None


class JobWatch:
    """Polls one job, for a window's timer; each poll reads only what was added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._attempt = 0
        self._picture_time = 0
        self._open_curves()

    def poll(self) -> JobUpdate:
        """Return the news since the last call, without waiting; start the next job of the queue if one has ended."""
        job = read_job(self._folder)
        if job.status.state != "running":
            start_next(self._folder.parent)
        (loss, loss_restarted), (validation, validation_restarted) = self._loss.read(), self._validation.read()
        restarted = loss_restarted or validation_restarted or job.status.attempt != self._attempt
        if restarted:
            # A resumed training truncates its logs at the checkpoint.
            self._attempt = job.status.attempt
            self._open_curves()
            (loss, _), (validation, _) = self._loss.read(), self._validation.read()
        return JobUpdate(job.status, loss, validation, restarted, self._new_picture())

    def _open_curves(self) -> None:
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
