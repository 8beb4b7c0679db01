"""Training jobs: run on their own, queue, pause, stop, survive their starter and their own death, damage is shown."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import SpectBoneMetSegLib
import SpectBoneMetSegTrainingLib
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import FileLock, is_locked
from SpectBoneMetSegLib.common.processes import child_environment
from SpectBoneMetSegLib.model.store import find_model
from SpectBoneMetSegTrainingLib.jobs import child as job_child
from SpectBoneMetSegTrainingLib.jobs import queue as job
from SpectBoneMetSegTrainingLib.jobs.queue import (
    JobWatch,
    delete_job,
    find_job,
    list_jobs,
    pause_job,
    read_job,
    resume_job,
    start_job,
    start_next,
    stop_job,
)
from support.job_runs import spec, until


def test_a_lock_describes_its_holder_and_ends_with_it(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    lock = FileLock(path)
    assert lock.acquire()
    assert is_locked(path)
    assert not FileLock(path).acquire()
    lock.release()
    assert not is_locked(path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdout=subprocess.PIPE,
        env=child_environment(SpectBoneMetSegLib, SpectBoneMetSegTrainingLib),
    )
    assert holder.stdout.read(4) == b"held"
    assert is_locked(path)
    holder.kill()
    holder.communicate()
    assert not is_locked(path)


HOLDER = """
import sys, time
from pathlib import Path
from SpectBoneMetSegLib.common.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held" if lock.acquire() else "free", flush=True)
time.sleep(60)
"""


def test_a_job_runs_to_its_end_and_reports_its_curve_point_by_point(jobs, counting):
    folder = start_job(spec(steps=20), jobs, counting)
    watch, rows, updates = JobWatch(folder), [], 0
    while (update := watch.poll()).status.state != "finished":
        rows = ([] if update.restarted else rows) + update.loss.tolist()
        updates += bool(len(update.loss))
        time.sleep(0.02)
    rows += update.loss.tolist()
    assert [row[0] for row in rows] == list(range(20))
    assert rows[3][1] == 0.25
    assert updates > 2
    assert update.status.message == "Counted."
    assert read_job(folder).model == folder / "model" / "tiny"


def test_a_model_named_by_a_path_is_found_from_the_folder_of_the_job(jobs, counting, tmp_path, monkeypatch):
    shutil.copytree(find_model("thorax").path, tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    requested = spec(steps=1, parent="models/mine")
    folder = start_job(replace(requested, config=replace(requested.config, start="models/mine")), jobs, counting)
    kept = read_job(folder).spec
    assert kept.config.start == kept.parent == str(tmp_path / "models" / "mine")
    named = start_job(spec(steps=1, parent="thorax"), jobs, counting)
    assert read_job(named).spec.parent == "thorax"


def test_one_job_runs_and_the_next_waits_and_starts_by_itself(jobs, counting):
    first = start_job(spec(steps=25), jobs, counting)
    second = start_job(spec(steps=3, model="other"), jobs, counting)
    until(first, "running", step=5)
    assert read_job(second).status.state == "queued"
    end = time.monotonic() + 120
    while not (second / "status.json").exists() and time.monotonic() < end:
        # Only files are read: whoever polls jobs would start the next one.
        time.sleep(0.05)
    assert read_job(first).status.state == "finished"
    until(second, "finished")


@pytest.mark.slow
def test_never_two_jobs_run_at_once_however_many_processes_check(jobs, counting):
    # Each of them fails if another one counts at the same time.
    folders = [start_job(spec(steps=4, model=f"m{i}"), jobs, counting) for i in range(4)]
    looking = [
        subprocess.Popen(
            [sys.executable, "-c", LOOKER, str(jobs)],
            env=child_environment(SpectBoneMetSegLib, SpectBoneMetSegTrainingLib),
        )
        for _ in range(2)
    ]
    assert all(until(folder, "finished", "failed").message == "Counted." for folder in folders)
    for process in looking:
        process.kill()
        process.wait()


LOOKER = """
import sys, time
from pathlib import Path
from SpectBoneMetSegTrainingLib.jobs.queue import start_next
while True:
    start_next(Path(sys.argv[1]))
    time.sleep(0.002)
"""


def test_a_pause_lets_the_next_job_start_and_a_resume_continues_at_the_same_step(jobs, counting):
    first = start_job(spec(steps=60), jobs, counting)
    until(first, "running", step=5)
    pause_job(first)
    paused = until(first, "paused")
    assert 5 <= paused.step < 60
    assert not is_locked(first / "alive.lock")
    with pytest.raises(UserError, match="paused"):
        pause_job(first)
    resume_job(first)
    until(first, "finished")
    assert (first / "run" / "log.csv").read_text().splitlines()[1].startswith(f"{paused.step},")


def test_a_queued_job_can_be_paused_stopped_and_resumed(jobs, counting):
    first = start_job(spec(steps=400), jobs, counting)
    second = start_job(spec(steps=3), jobs, counting)
    pause_job(second)
    assert read_job(second).status.state == "paused"
    stop_job(second)
    assert read_job(second).status.state == "stopped"
    stop_job(first)
    assert read_job(first).status.state == "stopped"
    assert not (second / "status.json").exists()
    resume_job(second)
    until(second, "finished")


def test_a_training_that_breaks_says_why_and_the_next_one_starts(jobs, counting):
    broken = start_job(spec(description="break"), jobs, counting)
    following = start_job(spec(steps=2), jobs, counting)
    assert "ZeroDivisionError: nothing to count" in until(broken, "failed").message
    assert "Traceback" in (broken / "log.txt").read_text()
    until(following, "finished")


def test_a_job_deleted_before_its_process_came_up_leaves_nothing(tmp_path):
    job_child.run(tmp_path / "jobs" / "gone")
    assert not (tmp_path / "jobs").exists()


def test_a_job_is_found_by_its_model_and_deleted_only_when_it_does_not_run(jobs, counting):
    folder = start_job(spec(steps=400), jobs, counting)
    until(folder, "running")
    assert find_job("tiny", jobs).folder == find_job(folder.name[:10], jobs).folder == folder
    with pytest.raises(UserError, match=folder.name):
        find_job("none of these", jobs)
    with pytest.raises(UserError, match="running"):
        delete_job(folder)
    stop_job(folder)
    (jobs / "other").mkdir()
    with pytest.raises(UserError, match="not a training job"):
        delete_job(jobs / "other")
    delete_job(folder)
    assert not folder.exists()


def test_the_variable_names_the_folder_of_the_jobs(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECTBONEMETSEG_JOBS", str(tmp_path / "mine"))
    assert job.jobs_folder() == tmp_path / "mine"
    assert list_jobs() == []
    assert start_next() is None
