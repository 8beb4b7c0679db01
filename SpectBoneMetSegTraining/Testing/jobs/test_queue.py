"""Training jobs: run on their own, queue, pause, stop, survive their starter and their own death, damage is shown."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import find_model, read_model, verify
from SpectBoneMetSegTrainingLib.common.locks import FileLock, is_locked
from SpectBoneMetSegTrainingLib.jobs import child as job_child
from SpectBoneMetSegTrainingLib.jobs import folder as job_folder
from SpectBoneMetSegTrainingLib.jobs import process as job_process
from SpectBoneMetSegTrainingLib.jobs import queue as job
from SpectBoneMetSegTrainingLib.jobs.folder import write_status, write_wish
from SpectBoneMetSegTrainingLib.jobs.process import child_environment, end_process
from SpectBoneMetSegTrainingLib.jobs.queue import (
    JobSpec,
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
from SpectBoneMetSegTrainingLib.training.outcome.promotion import comparison_of, promote
from SpectBoneMetSegTrainingLib.training.preview import load_preview
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from SpectBoneMetSegTrainingLib.training.trainer import train

NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=2, stem_channels=6)


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 10)


@pytest.fixture
def jobs(tmp_path):
    store = tmp_path / "jobs"
    yield store
    for one in list_jobs(store):
        if one.spec is not None:
            # A process that is only just coming up holds nothing yet by which it could be ended.
            write_wish(one.folder, "stop", one.status.attempt)
        end_process(one.folder)


def spec(data: Path = Path("nowhere"), steps: int = 10, model: str = "tiny", **changes: str) -> JobSpec:
    config = TrainingConfig(steps=steps, batch=4, patch=32, seed=3, network=NETWORK, validate_every=3, patience=0)
    return JobSpec(data, model, config, **changes)


def until(folder: Path, *states: str, step: int = 0, seconds: float = 900) -> job.JobStatus:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start_next(folder.parent)
        status = read_job(folder).status
        if status.state in states and status.step >= step:
            return status
        time.sleep(0.02)
    raise AssertionError(f"{status} instead of {states}; {job_folder.last_words(folder)}")


def test_a_lock_tells_of_its_holder_and_goes_with_it(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    lock = FileLock(path)
    assert lock.acquire()
    assert is_locked(path)
    assert not FileLock(path).acquire()
    lock.release()
    assert not is_locked(path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, env=child_environment()
    )
    assert holder.stdout.read(4) == b"held"
    assert is_locked(path)
    holder.kill()
    holder.communicate()
    assert not is_locked(path)


HOLDER = """
import sys, time
from pathlib import Path
from SpectBoneMetSegTrainingLib.common.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held" if lock.acquire() else "free", flush=True)
time.sleep(60)
"""


def test_a_job_runs_to_its_end_and_tells_its_curve_bit_by_bit(jobs, counting):
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
    asked = spec(steps=1, parent="models/mine")
    folder = start_job(replace(asked, config=replace(asked.config, start="models/mine")), jobs, counting)
    kept = read_job(folder).spec
    assert kept.config.start == kept.parent == str(tmp_path / "models" / "mine")
    named = start_job(spec(steps=1, parent="thorax"), jobs, counting)
    assert read_job(named).spec.parent == "thorax"


def test_one_job_runs_the_next_waits_and_starts_without_anybody_looking(jobs, counting):
    first = start_job(spec(steps=25), jobs, counting)
    second = start_job(spec(steps=3, model="other"), jobs, counting)
    until(first, "running", step=5)
    assert read_job(second).status.state == "queued"
    end = time.monotonic() + 120
    while not (second / "status.json").exists() and time.monotonic() < end:
        # Only files are looked at: whoever polls jobs would start the next one.
        time.sleep(0.05)
    assert read_job(first).status.state == "finished"
    until(second, "finished")


def test_never_two_jobs_run_at_once_however_many_look(jobs, counting):
    # Each of them fails if another one counts at the same time.
    folders = [start_job(spec(steps=4, model=f"m{i}"), jobs, counting) for i in range(4)]
    looking = [subprocess.Popen([sys.executable, "-c", LOOKER, str(jobs)], env=child_environment()) for _ in range(2)]
    assert all(until(folder, "finished", "failed").message == "Counted." for folder in folders)
    for process in looking:
        process.kill()
        process.wait()


LOOKER = """
import sys
from pathlib import Path
from SpectBoneMetSegTrainingLib.jobs.queue import start_next
while True:
    start_next(Path(sys.argv[1]))
"""


def test_a_pause_frees_the_place_and_a_resume_goes_on_at_the_same_step(jobs, counting):
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


def test_a_stop_ends_what_the_job_started_too(jobs, counting):
    folder = start_job(spec(steps=100_000, description="helper"), jobs, counting)
    end = time.monotonic() + 120
    while not is_locked(folder / "helper.lock"):
        assert time.monotonic() < end
        time.sleep(0.02)
    stop_job(folder)
    while is_locked(folder / "helper.lock"):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert read_job(folder).status.state == "stopped"


def test_a_killed_job_is_seen_as_interrupted_and_goes_on(jobs, counting):
    folder = start_job(spec(steps=60), jobs, counting)
    status = until(folder, "running", step=5)
    os.kill(status.pid, signal.SIGKILL)
    killed = until(folder, "interrupted")
    assert "resume" in killed.message
    resume_job(folder)
    assert until(folder, "finished").attempt == 2
    assert int((folder / "run" / "log.csv").read_text().splitlines()[1].split(",")[0]) >= 5


def test_a_job_that_the_system_ends_keeps_its_place(jobs, counting):
    folder = start_job(spec(steps=200), jobs, counting)
    status = until(folder, "running", step=5)
    os.kill(status.pid, signal.SIGTERM)
    assert until(folder, "interrupted").step >= 5


def test_a_job_outlives_its_starter_killed_with_its_whole_group(jobs, counting, tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(jobs), counting],
        stdout=subprocess.PIPE,
        env=child_environment(),
        start_new_session=True,
    )
    folder = Path(starter.stdout.readline().decode().strip())
    until(folder, "running", step=2)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.communicate()
    assert read_job(folder).status.state == "running"
    assert list_jobs(jobs)[0].folder == folder
    until(folder, "finished")


STARTER = """
import sys, time
from pathlib import Path
from SpectBoneMetSegTrainingLib.jobs.queue import JobSpec, start_job
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
print(start_job(JobSpec(Path("nowhere"), "m", TrainingConfig(steps=50)), Path(sys.argv[1]), sys.argv[2]), flush=True)
time.sleep(60)
"""


def test_a_training_that_breaks_says_why_and_the_next_one_starts(jobs, counting):
    broken = start_job(spec(description="break"), jobs, counting)
    following = start_job(spec(steps=2), jobs, counting)
    assert "ZeroDivisionError: nothing to count" in until(broken, "failed").message
    assert "Traceback" in (broken / "log.txt").read_text()
    until(following, "finished")


def test_a_process_that_never_comes_up_is_a_failure_with_its_last_words(jobs, tmp_path, monkeypatch):
    script = tmp_path / "broken-python"
    script.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(job_folder, "START_SECONDS", 0.3)
    folder = start_job(spec(), jobs, str(script))
    assert read_job(folder).status.message == "Starting."
    assert "no such module" in until(folder, "failed").message


def test_an_interpreter_that_is_gone_fails_its_job_and_keeps_nobody_waiting(jobs, counting):
    broken = start_job(spec(), jobs, "/no/such/python")
    assert "cannot be started" in read_job(broken).status.message
    assert read_job(broken).status.state == "failed"
    until(start_job(spec(steps=1), jobs, counting), "finished")


def test_a_status_left_by_a_dead_process_whose_number_another_one_has_is_not_believed(jobs, counting):
    folder = start_job(spec(steps=400), jobs, counting)
    until(folder, "running", step=2)
    stop_job(folder)
    resumed = json.loads((folder / "wish.json").read_text()) | {"wish": "run"}
    (folder / "wish.json").write_text(json.dumps(resumed))
    told = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**told, "state": "running", "pid": os.getpid()}))
    assert read_job(folder).status.state == "interrupted"
    stop_job(folder)
    assert read_job(folder).status.state == "stopped"


def test_a_stop_spares_the_process_that_has_the_number_of_an_earlier_attempt(jobs, counting, monkeypatch):
    folder = start_job(spec(steps=1), jobs, counting)
    until(folder, "finished")
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    told = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**told, "pid": bystander.pid}))
    write_wish(folder, "stop", told["attempt"] + 1)
    monkeypatch.setattr(job_process, "PATIENCE", 0.2)
    starting = FileLock(folder / "alive.lock")
    assert starting.acquire()
    try:
        with pytest.raises(UserError, match="does not end"):
            end_process(folder)
        assert bystander.poll() is None
    finally:
        starting.release()
        bystander.kill()
        bystander.wait()


def test_a_job_deleted_before_its_process_came_up_leaves_nothing(tmp_path):
    job_child.run(tmp_path / "jobs" / "gone")
    assert not (tmp_path / "jobs").exists()


def test_jobs_that_cannot_be_written_are_listed_and_say_so(jobs, counting, monkeypatch):
    folder = start_job(spec(steps=1), jobs, counting)
    until(folder, "finished")
    (jobs / "queue.lock").unlink()
    (jobs / "queue.lock").mkdir()
    assert start_next(jobs) is None
    write_status(folder, replace(read_job(folder).status, state="paused"))
    write_wish(folder, "pause", 1)

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


def test_a_place_where_no_job_can_be_written_is_told_with_the_way_to_another(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="name another folder in SPECTBONEMETSEG_JOBS"):
        start_job(JobSpec(Path("nowhere"), "tiny", TrainingConfig()), tmp_path / "file" / "jobs")


def test_a_real_job_ends_with_a_model_that_is_compared_and_can_be_used(data, jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTBONEMETSEG_MODELS", str(tmp_path / "models"))
    folder = start_job(spec(data, steps=6, description="Made-up."), jobs)
    update = JobWatch(folder)
    status = until(folder, "finished")
    told = update.poll()
    assert len(told.loss) == 6
    assert told.validation[:, 0].tolist() == [3, 6]
    assert (status.step, status.steps) == (6, 6)
    assert status.memory_mb > 100
    assert "CPU" in status.device or "GPU" in status.device
    assert told.picture.stat().st_size > 5000
    preview = load_preview(folder)
    assert preview.step == 6
    assert preview.probabilities["anterior"].shape == preview.counts["anterior"].shape == (64, 64)
    model = read_model(read_job(folder).model)
    verify(model)
    card = model.card
    assert card.training["data_summary"]["labelled"] == {"patients": 8, "scans": 8}
    assert len(card.training["curves"]["loss"]) == 6
    assert "case" not in json.dumps(
        {**card.training["data_summary"], **card.metrics["comparison with parent"]}
    ).replace('"cases"', "")
    comparison = comparison_of(model)
    assert comparison.parent.startswith("thorax")
    assert comparison.patients == 2
    assert promote(model.path, "mine", even_if_worse=True).path == tmp_path / "models" / "mine"


@pytest.mark.slow
def test_a_real_job_killed_and_paused_ends_like_one_left_alone(data, jobs, tmp_path):
    whole = train(data, tmp_path / "whole", spec(data, steps=220).config)
    folder = start_job(spec(data, steps=220), jobs)
    os.kill(until(folder, "running", step=130).pid, signal.SIGKILL)
    until(folder, "interrupted")
    resume_job(folder)
    until(folder, "running", step=150)
    pause_job(folder)
    until(folder, "paused")
    resume_job(folder)
    until(folder, "finished")
    with np.load(read_job(folder).model / "weights.npz") as ended:
        for weight in whole.weights:
            np.testing.assert_array_equal(ended[weight.path], np.asarray(weight), err_msg=weight.path)
