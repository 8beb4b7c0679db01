"""Deleting jobs whose process starts or writes at the same time."""

from __future__ import annotations

import threading

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import FileLock
from SpectBoneMetSegTrainingLib.jobs import child as job_child
from SpectBoneMetSegTrainingLib.jobs.queue import delete_job


@pytest.fixture
def folder(tmp_path):
    job = tmp_path / "jobs" / "one"
    job.mkdir(parents=True)
    (job / "job.json").write_text("{}")
    return job


def test_a_job_into_which_something_is_still_written_is_deleted_at_once_and_leaves_nothing(folder):
    ended = threading.Event()

    def write():
        number = 0
        while not ended.is_set():
            number += 1
            try:
                (folder / f"late{number}").touch()
            except FileNotFoundError:
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        delete_job(folder)
    finally:
        ended.set()
        writer.join()
    assert [path.name for path in folder.parent.iterdir() if not path.is_file()] == []


def test_a_job_whose_process_lives_is_not_deleted(folder):
    alive = FileLock(folder / "alive.lock")
    assert alive.acquire()
    with pytest.raises(UserError, match="one is running; stop it first"):
        delete_job(folder)
    alive.release()
    assert (folder / "job.json").exists()


def test_a_process_that_starts_after_its_job_was_deleted_does_nothing(folder):
    (folder / "job.json").unlink()
    job_child.run(folder)
    assert not (folder / "status.json").exists()
