"""A run that other processes follow: its progress is in a file, its lock shows whether it is alive; they may end it."""

import subprocess
import sys
import time

import pytest
from SpectBoneMetSegLib.batch.run import WORK_FOLDER, lock_work_folder
from SpectBoneMetSegLib.batch.state import StateFile, is_running, read_state, stop_run
from SpectBoneMetSegLib.cli.background import ArchiveRun, last_message, start_run
from SpectBoneMetSegLib.common.errors import UserError

#: A run that holds its lock, reports that it reads, and waits for the request to end.
RUN = """
import sys, time
from pathlib import Path
from SpectBoneMetSegLib.batch.run import lock_work_folder
from SpectBoneMetSegLib.batch.state import StateFile
output = Path(sys.argv[sys.argv.index("--output") + 1])
lock, state = lock_work_folder(output), StateFile(output)
state.update(total=7, before=2)
print("spectbonemetseg: It waits.", flush=True)
try:
    while True:
        time.sleep(0.02)
        state.tick(0, 0, None)
except KeyboardInterrupt:
    pass
"""
#: PythonSlicer is a launcher: the process that it starts is not the head of the group.
LAUNCHER = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)"


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def a_run(tmp_path):
    (tmp_path / "scans").mkdir()
    archive = ArchiveRun(tmp_path / "scans", tmp_path / "out")
    process = start_run(archive, command=[sys.executable, "-c", RUN])
    until(lambda: read_state(archive.output) is not None)
    yield archive, process
    process.kill()
    process.wait()


def test_a_run_is_found_by_its_folder_and_ends_on_request(a_run):
    archive, process = a_run
    assert is_running(archive.output)
    state = read_state(archive.output)
    assert (state.stage, state.total, state.before, state.pid) == ("reading", 7, 2, process.pid)
    stop_run(archive.output)
    until(lambda: process.poll() is not None)
    assert not is_running(archive.output)
    assert last_message(archive.output) == "It waits."
    # No request is sent any more: the number may be another process's by now.
    stop_run(archive.output, at_once=True)


def test_a_killed_run_leaves_its_last_progress_and_no_lock(a_run):
    archive, process = a_run
    stop_run(archive.output, at_once=True)
    until(lambda: process.poll() is not None)
    assert not is_running(archive.output)
    assert read_state(archive.output).stage == "reading"


def test_a_second_run_is_refused_before_it_starts(a_run):
    archive, _process = a_run
    with pytest.raises(UserError, match="already writing"):
        start_run(archive)


def test_a_run_of_another_machine_is_requested_to_end_but_not_killed_from_here(a_run, monkeypatch):
    archive, process = a_run
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    with pytest.raises(UserError, match="end it there"):
        stop_run(archive.output, at_once=True)
    assert is_running(archive.output)
    stop_run(archive.output)
    until(lambda: process.poll() is not None)
    # The wish was for that run alone.
    lock_work_folder(archive.output).release()
    StateFile(archive.output).tick(1, 0, None)


@pytest.mark.skipif(sys.platform == "win32", reason="the system kills the tree of a process")
@pytest.mark.parametrize("at_once", [False, True])
def test_a_run_behind_a_launcher_ends(tmp_path, at_once):
    (tmp_path / "scans").mkdir()
    archive = ArchiveRun(tmp_path / "scans", tmp_path / "out")
    process = start_run(archive, command=[sys.executable, "-c", LAUNCHER, "-c", RUN])
    until(lambda: read_state(archive.output) is not None)
    assert read_state(archive.output).pid != process.pid
    stop_run(archive.output, at_once=at_once)
    until(lambda: process.poll() is not None)
    assert not is_running(archive.output)


@pytest.mark.parametrize(
    ("folder", "output", "words"), [("nowhere", "out", "is not a folder"), ("scans", "scans", "holds the studies")]
)
def test_folders_that_make_no_sense_are_reported_before_anything_is_written(tmp_path, folder, output, words):
    (tmp_path / "scans").mkdir()
    with pytest.raises(UserError, match=words):
        start_run(ArchiveRun(tmp_path / folder, tmp_path / output))
    assert not (tmp_path / output / WORK_FOLDER).exists()


def test_the_command_line_is_that_of_batch(tmp_path):
    archive = ArchiveRun(
        tmp_path / "a", tmp_path / "b", "mine", "onnx", "cpu", "whole-body", quick=True, retry_failed=True
    )
    from SpectBoneMetSegLib.cli.main import _parser

    args = _parser({}, archive.arguments).parse_args(archive.arguments)
    assert (args.command, args.folder, args.output) == ("batch", str(tmp_path / "a"), str(tmp_path / "b"))
    assert (args.model, args.engine, args.device, args.region) == ("mine", "onnx", "cpu", "whole-body")
    assert args.quick
    assert args.retry_failed


def test_a_state_that_cannot_be_written_or_read_stops_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    StateFile(tmp_path / "file").update(total=3)
    assert read_state(tmp_path / "file") is None
    lock = lock_work_folder(tmp_path)
    state = StateFile(tmp_path)
    state.update(total=3)
    state.tick(1, 0, 4.0)
    # Not at every study: an archive has thousands.
    assert read_state(tmp_path).done == 0
    state.update(stage="ended")
    assert (read_state(tmp_path).done, read_state(tmp_path).seconds_left) == (1, 4.0)
    (tmp_path / WORK_FOLDER / "progress.json").write_text("{")
    assert read_state(tmp_path) is None
    lock.release()


def test_the_last_message_is_empty_when_nothing_was_written(tmp_path):
    assert last_message(tmp_path) == ""


def test_the_process_id_that_an_earlier_run_left_ends_no_process(tmp_path):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        output = tmp_path / "out"
        output.mkdir()
        lock = lock_work_folder(output)
        earlier = StateFile(output)
        earlier.update(stage="ended", pid=bystander.pid)
        for at_once in (False, True):
            stop_run(output, at_once=at_once)
        time.sleep(0.3)
        assert bystander.poll() is None
        lock.release()
    finally:
        bystander.kill()
        bystander.wait()
