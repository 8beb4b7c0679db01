"""The process of a job: ended completely, outliving its starter, never mistaken for another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SpectBoneMetSegLib
import SpectBoneMetSegTrainingLib
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import FileLock, is_locked
from SpectBoneMetSegLib.common.processes import child_environment
from SpectBoneMetSegTrainingLib.jobs import folder as job_folder
from SpectBoneMetSegTrainingLib.jobs import process as job_process
from SpectBoneMetSegTrainingLib.jobs.folder import write_request
from SpectBoneMetSegTrainingLib.jobs.process import end_process
from SpectBoneMetSegTrainingLib.jobs.queue import (
    list_jobs,
    pause_job,
    read_job,
    resume_job,
    start_job,
    stop_job,
)
from SpectBoneMetSegTrainingLib.training.trainer import train
from support.job_runs import spec, until


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


def test_a_killed_job_is_seen_as_interrupted_and_continues(jobs, counting):
    folder = start_job(spec(steps=60), jobs, counting)
    status = until(folder, "running", step=5)
    os.kill(status.pid, signal.SIGKILL)
    killed = until(folder, "interrupted")
    assert "resume" in killed.message
    resume_job(folder)
    assert until(folder, "finished").attempt == 2
    assert int((folder / "run" / "log.csv").read_text().splitlines()[1].split(",")[0]) >= 5


def test_a_job_that_the_system_ends_keeps_its_position_in_the_queue(jobs, counting):
    folder = start_job(spec(steps=200), jobs, counting)
    status = until(folder, "running", step=5)
    os.kill(status.pid, signal.SIGTERM)
    assert until(folder, "interrupted").step >= 5


def test_a_job_outlives_its_starter_killed_with_its_whole_group(jobs, counting, tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(jobs), counting],
        stdout=subprocess.PIPE,
        env=child_environment(SpectBoneMetSegLib, SpectBoneMetSegTrainingLib),
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


def test_a_process_that_never_starts_is_a_failure_with_its_last_output(jobs, tmp_path, monkeypatch):
    script = tmp_path / "broken-python"
    script.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(job_folder, "START_SECONDS", 0.3)
    folder = start_job(spec(), jobs, str(script))
    assert read_job(folder).status.message == "Starting."
    assert "no such module" in until(folder, "failed").message


def test_an_interpreter_that_is_gone_fails_its_job_and_does_not_block_the_queue(jobs, counting):
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
    reported = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**reported, "state": "running", "pid": os.getpid()}))
    assert read_job(folder).status.state == "interrupted"
    stop_job(folder)
    assert read_job(folder).status.state == "stopped"


def test_a_stop_spares_the_process_that_has_the_number_of_an_earlier_attempt(jobs, counting, monkeypatch):
    folder = start_job(spec(steps=1), jobs, counting)
    until(folder, "finished")
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    reported = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**reported, "pid": bystander.pid}))
    write_request(folder, "stop", reported["attempt"] + 1)
    monkeypatch.setattr(job_process, "KILL_TIMEOUT", 0.2)
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


@pytest.mark.slow
def test_a_real_job_killed_and_paused_ends_like_an_uninterrupted_one(data, jobs, tmp_path):
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
