"""The child process that reads scans: it responds, it can be killed, it is started again."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib import Options, Reader, UserError
from SpectBoneMetSegLib.common.channel import parse_event
from SpectBoneMetSegLib.export.result_folder import save_reading
from SpectBoneMetSegLib.lesions.redraw import reading_at
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.onnx_export import export_onnx
from SpectBoneMetSegLib.model.store import save_model
from SpectBoneMetSegLib.worker.client import Worker

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"
CONFIG = NetworkConfig(channels=(5,), dilations=((1, 2),), recurrent_steps=1, stem_channels=2)

#: A child that never answers and has a child of its own, whose number it sends.
SLEEPER = """
import json, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(json.dumps({"event": "ready", "facts": {"pid": child.pid}}), flush=True)
time.sleep(600)
"""
#: A child that dies at its first request, with a message on stderr.
FRAGILE = """
import sys
sys.stdin.readline()
print("out of memory in a made-up place", file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture(scope="module")
def a_model(tmp_path_factory):
    """A tiny network with made-up weights that finds something in any scan."""
    from SpectBoneMetSegLib.model.engines import import_tensorflow

    import_tensorflow()
    # These weights give some compact areas; most others give one that fills the body.
    network, rng = build_network(CONFIG), np.random.default_rng(4)
    for weight in network.weights:
        if weight.path.endswith("kernel"):
            weight.assign(rng.normal(0, 0.5, weight.shape))
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return export_onnx(save_model(network, CONFIG, {"threshold": 0.5, "seed_threshold": 0.5}, folder)).path


@pytest.fixture(scope="module")
def a_worker():
    worker = Worker()
    yield worker
    worker.close()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie only waits until its parent collects its status.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def events_of(worker, kind, seconds=30.0):
    found = []
    wait_until(lambda: found.extend(worker.poll()) or any(event.kind == kind for event in found), seconds)
    return found


def test_a_file_read_by_the_child_is_read_as_in_process(a_worker, a_model):
    events = []
    result = a_worker.wait(a_worker.read(SAMPLE, str(a_model), device="cpu"), events.append)
    here = Reader(str(a_model), device="cpu").read(SAMPLE)
    there = reading_at(result, 0.5, 0.0)
    np.testing.assert_array_equal(there.mask, here.mask)
    np.testing.assert_array_equal(there.probability, here.probability)
    assert there.scan.source == here.scan.source
    assert there.crop == here.crop
    assert here.mask.any()
    fractions = [event.fraction for event in events if event.kind == "progress"]
    assert fractions == sorted(fractions)
    assert len(fractions) >= 6
    assert next(event.step for event in events if event.kind == "progress") == "load"


def test_a_scan_in_memory_gives_the_same_result_and_the_model_stays_warm(a_worker, a_model):
    events = []
    result = a_worker.wait(a_worker.read(read_scan(SAMPLE), str(a_model), device="cpu"), events.append)
    again = a_worker.wait(a_worker.read(SAMPLE, str(a_model), device="cpu"), events.append)
    np.testing.assert_array_equal(result.probability, again.probability)
    steps = [event.step for event in events if event.kind == "progress"]
    assert "load" not in steps
    assert [event.remaining for event in events if event.kind == "progress"][-1] is not None


def test_scripts_may_read_without_a_child(a_worker, a_model):
    from SpectBoneMetSegLib.worker.child import read_here

    scan = read_scan(SAMPLE)
    here = read_here(scan, str(a_model), "auto", "cpu", Options())
    there = a_worker.wait(a_worker.read(scan, str(a_model), device="cpu"))
    for name, values in there.probabilities.items():
        np.testing.assert_array_equal(here.probabilities[name], values)
    assert here.crop == there.crop


def test_options_reach_the_pipeline(a_worker, a_model):
    options = Options(crop=(100, 200, 20, 120), region="thorax")
    result = a_worker.wait(a_worker.read(SAMPLE, str(a_model), device="cpu", options=options))
    assert (result.crop.rows, result.crop.columns, result.crop.method) == ((100, 200), (20, 120), "manual")


def test_what_the_user_can_correct_is_one_sentence_and_the_child_stays_alive(a_worker, a_model, tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.dcm does not exist"):
        a_worker.wait(a_worker.read(tmp_path / "nowhere.dcm", str(a_model), device="cpu"))
    pid = a_worker.pid
    with pytest.raises(UserError, match="There is no model 'unheard-of'"):
        a_worker.wait(a_worker.read(SAMPLE, "unheard-of", device="cpu"))
    assert a_worker.pid == pid
    assert a_worker.running
    assert not a_worker.busy


def test_a_killed_child_is_reported_and_the_next_request_works(a_worker, a_model):
    a_worker.start()
    pid, job = a_worker.pid, a_worker.read(SAMPLE, str(a_model), device="cpu")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(UserError, match=r"ended unexpectedly \(SIGKILL\); try again"):
        a_worker.wait(job)
    assert not a_worker.running
    job = a_worker.warm_up(str(a_model), device="cpu")
    warm = next(event for event in events_of(a_worker, "warm") if event.kind == "warm")
    assert warm.job == job
    assert (warm.facts["engine"], warm.facts["device"]) == ("onnx", "CPU")
    assert a_worker.pid != pid


def test_a_child_that_dies_reports_its_last_output():
    worker = Worker(command=[sys.executable, "-c", FRAGILE])
    with pytest.raises(UserError, match=r"code 7: out of memory in a made-up place"):
        worker.wait(worker.read(SAMPLE))
    assert not worker.busy


def test_cancel_kills_the_child_and_all_it_started():
    worker = Worker(command=[sys.executable, "-c", SLEEPER])
    job = worker.read(SAMPLE)
    grandchild = events_of(worker, "ready")[-1].facts["pid"]
    child = worker.pid
    assert is_alive(grandchild)
    assert worker.busy
    worker.cancel()
    wait_until(lambda: not is_alive(child) and not is_alive(grandchild))
    assert not worker.busy
    assert worker.poll() == []
    with pytest.raises(UserError, match="cancelled"):
        worker.wait(job)


def test_a_wait_ends_when_its_job_is_cancelled_meanwhile():
    worker = Worker(command=[sys.executable, "-c", SLEEPER])
    with pytest.raises(UserError, match="cancelled"):
        worker.wait(worker.read(SAMPLE), lambda event: worker.cancel())


def test_closing_ends_an_idle_child_and_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker = Worker()
    worker.start()
    events_of(worker, "ready")
    child = worker.pid
    assert list(tmp_path.iterdir())
    worker.close()
    assert not is_alive(child)
    assert not list(tmp_path.iterdir())


def test_the_child_ends_when_its_parent_is_gone_and_leaves_no_scan_behind(tmp_path):
    script = (
        "import os, time, tempfile; from SpectBoneMetSegLib.worker.client import Worker\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "worker = Worker(); worker.start(); print(worker.pid, flush=True)\n"
        "while not worker.poll(): time.sleep(0.02)\n"
        "os._exit(1)"
    )
    import subprocess

    package = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": package}, capture_output=True, text=True
    )
    wait_until(lambda: not is_alive(int(done.stdout)))
    wait_until(lambda: not list(tmp_path.iterdir()))


def test_an_interpreter_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="no-python cannot be started"):
        Worker(python=str(tmp_path / "no-python")).start()


#: A child that prints its command line's argument, and then sleeps.
PARROT = """
import sys, time
sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))
sys.stdout.buffer.flush()
time.sleep(600)
"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["event", "job", "step", "fraction", "remaining", "message", "facts", "fields", "result", "odd"])
KINDS = st.sampled_from(["ready", "progress", "warm", "done", "failed", "crashed", "odd"])


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.builds(lambda kind, values: json.dumps({**values, "event": kind}).encode(), KINDS, st.dictionaries(KEYS, JSON))
)
def test_whatever_a_line_says_it_is_an_event_or_nothing(line):
    worker = Worker(command=["none"])
    values = parse_event(line)
    event = worker._event(values) if values is not None else None
    if event is not None:
        assert isinstance(event.job, int)
        assert isinstance(event.fraction, int | float)
        assert isinstance(event.message, str)
        assert all(isinstance(field, str) for field in event.error.fields)
        assert event.result is None


def test_what_libraries_print_before_the_child_begins_is_passed_over():
    lines = b'Welcome to PythonSlicer\n{"odd": 1}\n[]\n\xff\xfe\n{"event": "ready", "facts": {"pid": 1}}\n'
    worker = Worker(command=[sys.executable, "-c", PARROT, lines.hex()])
    worker.start()
    try:
        assert [event.kind for event in events_of(worker, "ready")] == ["ready"]
    finally:
        worker.cancel()


def test_a_result_that_is_damaged_or_missing_fails_its_job_alone(tmp_path):
    worker = Worker(command=["none"])
    for content in (None, b"", b"PK broken"):
        path = tmp_path / "result.npz"
        if content is not None:
            path.write_bytes(content)
        worker._open[1] = path
        event = worker._event({"event": "done", "job": 1})
        assert event.kind == "failed"
        assert "cannot be read" in event.message
        assert not worker.busy


def test_a_folder_that_was_removed_is_made_again():
    import shutil

    worker = Worker(command=[sys.executable, "-c", SLEEPER])
    worker.start()
    try:
        shutil.rmtree(worker._folder)
        worker.read(read_scan(SAMPLE))
        assert worker.running
        assert list(worker._folder.glob("scan-*.npz"))
    finally:
        worker.cancel()


def test_a_full_disk_is_reported_in_one_sentence(monkeypatch):
    def full(scan, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("SpectBoneMetSegLib.worker.client.save_scan", full)
    worker = Worker(command=[sys.executable, "-c", SLEEPER])
    try:
        with pytest.raises(UserError, match="No space left on device"):
            worker.read(read_scan(SAMPLE))
        assert not worker.busy
    finally:
        worker.cancel()


def test_folders_with_accents_spaces_and_long_names_reach_the_child(a_worker, a_model, tmp_path):
    import shutil

    folder = tmp_path / "Häuser und Knochen 骨" / ("long" * 40)
    folder.mkdir(parents=True)
    shutil.copy(SAMPLE, folder / "Übersicht ß.dcm")
    shutil.copytree(a_model, folder / "modèle")
    result = a_worker.wait(a_worker.read(folder / "Übersicht ß.dcm", str(folder / "modèle"), device="cpu"))
    assert result.scan.case == "Übersicht ß"
    save_reading(reading_at(result, 0.5, 60.0), str(folder / "résultats"))
    assert (folder / "résultats" / "overview.png").is_file()
