"""Job folders that are damaged or cannot be written."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.jobs import child
from SpectBoneMetSegTrainingLib.jobs import folder as job_folder
from SpectBoneMetSegTrainingLib.jobs.folder import JobStatus, read_status, write_request, write_status
from SpectBoneMetSegTrainingLib.jobs.queue import (
    JobSpec,
    list_jobs,
    read_job,
    resume_job,
    start_job,
    start_next,
)
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from support.job_runs import spec, until


def test_jobs_that_cannot_be_written_are_listed_and_say_so(jobs, counting, monkeypatch):
    folder = start_job(spec(steps=1), jobs, counting)
    until(folder, "finished")
    (jobs / "queue.lock").unlink()
    (jobs / "queue.lock").mkdir()
    assert start_next(jobs) is None
    write_status(folder, replace(read_job(folder).status, state="paused"))
    write_request(folder, "pause", 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(job_folder, "write_json", full)
    with pytest.raises(UserError, match="No space left"):
        resume_job(folder)


def test_a_damaged_job_is_shown_and_hides_no_other(jobs, counting):
    broken, whole = (start_job(spec(steps=1, model=model), jobs, counting) for model in ("broken", "whole"))
    until(broken, "finished")
    until(whole, "finished")
    (jobs / "a file").write_text("not a job")
    for name in ("job.json", "wish.json"):
        good = (broken / name).read_bytes()
        for content in (b"", b"{", b"[]", b"{}", b'{"wish": 3}', b"\x00\xff", None):
            (broken / name).unlink() if content is None else (broken / name).write_bytes(content)
            found = {one.folder: one.status for one in list_jobs(jobs)}
            assert found[broken].state == "unreadable"
            assert name in found[broken].message
            assert found[whole].state == "finished"
            with pytest.raises(UserError, match="unreadable"):
                resume_job(broken)
        (broken / name).write_bytes(good)
    assert read_job(broken).status.state == "finished"


def test_a_damaged_status_is_as_none(jobs, counting):
    folder = start_job(spec(steps=1), jobs, counting)
    until(folder, "finished")
    for content in ("", "{", "[]", "3", '{"state": "running", "unknown": 1}'):
        (folder / "status.json").write_text(content)
        assert [one.status.state for one in list_jobs(jobs)] in (["queued"], ["interrupted"])


def test_a_folder_where_no_job_can_be_written_is_reported_with_the_way_to_choose_another(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="name another folder in SPECTBONEMETSEG_JOBS"):
        start_job(JobSpec(Path("nowhere"), "tiny", TrainingConfig()), tmp_path / "file" / "jobs")


def test_a_disk_that_fills_up_during_a_training_is_reported_as_such(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(child.signal, "signal", lambda *_: None)
    monkeypatch.setattr("SpectBoneMetSegTrainingLib.jobs.queue.start_next", lambda _: None)
    folder = start_job(spec(steps=5), jobs)
    write_status(folder, JobStatus(state="running", message="Training, with a sentence that is longer than the next."))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def print_to_the_full_disk(*_: object, **__: object) -> None:
        full()

    def train(_folder: Path, _spec: JobSpec, reporter: child.Reporter) -> str:
        monkeypatch.setattr(job_folder, "write_json", full)
        monkeypatch.setattr("builtins.print", print_to_the_full_disk)
        monkeypatch.setattr(child.traceback, "print_exc", full)
        # A note that finds no room does not end it, a checkpoint that finds none does.
        reporter.report("Training.")
        full()
        return ""

    monkeypatch.setattr(child, "_train", train)
    child._run_attempt(folder, 1)
    reported = read_status(folder)
    assert reported is not None
    assert reported.state == "failed"
    assert reported.message == (
        f"No space left on device; check the free disk space and write permission in "
        f"{folder}, then resume the training."
    )
    assert read_job(folder).status == reported
