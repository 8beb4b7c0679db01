"""What fails in the middle of a run: nothing is half-written, lost, or read twice."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from SpectBoneMetSegLib.batch import work
from SpectBoneMetSegLib.batch.run import lock_work_folder
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.export.result_folder import OutputNotWritableError
from support.archives import make_archive

COMMAND = (sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "batch")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_archive(tmp_path_factory.mktemp("archive"), 4)


def batch(archive, output, *more):
    return main(["batch", str(archive), "--output", str(output), "--quick", *more])


def contents(output: Path) -> dict[str, bytes]:
    """{file: bytes} of all results; of receipts all but the seconds."""
    found = {}
    for path in sorted(path for path in output.rglob("*") if path.is_file() and ".batch" not in path.parts):
        found[str(path.relative_to(output))] = path.read_bytes()
        if path.name == "receipt.json":
            reported = json.loads(path.read_text(encoding="utf-8"))
            found[str(path.relative_to(output))] = json.dumps({**reported, "seconds": {}}).encode()
    return found


def states(output):
    with (output / "batch.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row["state"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def expected(archive, tmp_path_factory):
    """What a run without any trouble writes."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    assert batch(archive, output) == 0
    return contents(output)


@pytest.mark.parametrize("jobs", ["1", "2", "3"])
def test_any_number_of_processes_writes_the_same_bytes(archive, tmp_path, expected, jobs):
    assert batch(archive, tmp_path / "out", "--jobs", jobs) == 0
    assert contents(tmp_path / "out") == expected
    assert {path.name for path in (tmp_path / "out" / ".batch" / "unfinished").iterdir()} == set()


def test_a_dry_run_writes_the_manifest_and_nothing_else(archive, tmp_path, capsys):
    assert batch(archive, tmp_path / "out", "--dry-run") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"manifest.csv", ".batch"}
    assert "4 studies would be read" in capsys.readouterr().err


def test_the_manifest_names_every_file_with_its_decision(archive, tmp_path):
    shutil.copytree(archive, tmp_path / "archive")
    shutil.copy(archive / "P1" / "IM1", tmp_path / "archive" / "P1.dcm")
    shutil.copy(archive / "P0" / "IM1", tmp_path / "archive" / "P0" / "copy")
    (tmp_path / "archive" / "P0" / "notes.txt").write_text("nothing")
    (tmp_path / "archive" / "P2" / "empty.dcm").touch()
    batch(tmp_path / "archive", tmp_path / "out", "--dry-run")
    with (tmp_path / "out" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = {
            Path(row["file"]).relative_to(tmp_path / "archive").as_posix(): (row["decision"], row["case"])
            for row in csv.DictReader(file)
        }
    assert rows == {
        "P0/IM1": ("to read", "P0"),
        "P0/copy": ("left out", "P0"),
        "P0/notes.txt": ("left out", ""),
        "P1/IM1": ("to read", "P1"),
        "P1.dcm": ("left out", ""),
        "P2/IM1": ("to read", "P2"),
        "P2/empty.dcm": ("cannot be read", ""),
        "P3/IM1": ("to read", "P3"),
    }


def test_a_quick_run_writes_masks_and_tables_and_a_full_one_the_rest(archive, tmp_path, capsys):
    shutil.copytree(archive / "P0", tmp_path / "archive" / "P0")
    out = tmp_path / "out"
    assert batch(tmp_path / "archive", out) == 0
    quick = {"mask.nrrd", "mask_anterior.nrrd", "mask_posterior.nrrd", "lesions.csv", "receipt.json"}
    quick |= {"quantification.json", "quantification.csv"}
    assert {path.name for path in (out / "P0").iterdir()} == quick
    masks = (out / "P0" / "mask.nrrd").read_bytes()
    assert main(["batch", str(tmp_path / "archive"), "--output", str(out)]) == 0
    assert "0 of them read before" in capsys.readouterr().err
    assert (out / "P0" / "overview.png").is_file()
    assert (out / "P0" / "mask.nrrd").read_bytes() == masks
    assert batch(tmp_path / "archive", out) == 0
    assert "1 of them read before" in capsys.readouterr().err


def test_what_failed_is_kept_with_its_reason_and_tried_again_on_request_or_when_changed(tmp_path, capsys):
    archive, out = make_archive(tmp_path / "archive", 2, cut=(1,)), tmp_path / "out"
    assert batch(archive, out) == 1
    first = (out / "failures.csv").read_bytes()
    for more, state in (([], "failed before"), (["--retry-failed"], "failed"), ([], "failed before")):
        assert batch(archive, out, *more) == 1
        assert states(out) == {"P0": "read before", "P1": state}
        assert (out / "failures.csv").read_bytes() == first
    assert "1 failed before (--retry-failed reads them again)" in capsys.readouterr().err
    whole = make_archive(tmp_path / "whole", 2)
    shutil.copy(whole / "P1" / "IM1", archive / "P1" / "IM1")
    assert batch(archive, out) == 0
    assert states(out) == {"P0": "read before", "P1": "read"}
    assert not (out / "failures.csv").exists()


def test_two_runs_on_one_folder_are_one_too_many(archive, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    lock = lock_work_folder(tmp_path / "out")
    try:
        assert batch(archive, tmp_path / "out") == 1
    finally:
        lock.release()
    assert "Another run is writing" in capsys.readouterr().err
    assert not (tmp_path / "out" / "P0").exists()


def test_a_folder_without_space_ends_the_run_and_no_study_is_blamed(archive, tmp_path, monkeypatch, capsys, expected):
    out, real = tmp_path / "out", work.write_result

    def full(case, reading, settings):
        if case.name == "P2":
            raise OutputNotWritableError("The results cannot be written to P2 (No space left on device): free some.")
        return real(case, reading, settings)

    with monkeypatch.context() as patch:
        patch.setattr(work, "write_result", full)
        assert batch(archive, out) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert states(out) == {"P0": "read", "P1": "read", "P2": "not read yet", "P3": "not read yet"}
    assert not (out / "failures.csv").exists()
    assert batch(archive, out) == 0
    assert {name: each for name, each in contents(out).items() if name.startswith("P")} == {
        name: each for name, each in expected.items() if name.startswith("P")
    }


def test_results_that_are_removed_meanwhile_end_the_run(archive, tmp_path, monkeypatch, capsys):
    out, real = tmp_path / "out", work.write_result

    def removing(case, reading, settings):
        if case.name == "P1":
            shutil.rmtree(out)
        return real(case, reading, settings)

    monkeypatch.setattr(work, "write_result", removing)
    assert batch(archive, out) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not out.exists()


def test_an_archive_that_vanishes_ends_the_run_and_no_study_is_blamed(archive, tmp_path, monkeypatch, capsys):
    shutil.copytree(archive, tmp_path / "archive")
    real = work.load_case

    def vanishing(case, options):
        if case.name == "P1":
            shutil.rmtree(tmp_path / "archive")
        return real(case, options)

    monkeypatch.setattr(work, "load_case", vanishing)
    assert batch(tmp_path / "archive", tmp_path / "out") == 1
    assert "is no longer available: 1 of 4 studies were read; start again" in capsys.readouterr().err
    assert states(tmp_path / "out") == {"P0": "read", **dict.fromkeys(("P1", "P2", "P3"), "not read yet")}


def test_the_log_has_a_json_line_a_study_with_seconds_a_step(tmp_path):
    archive, log = make_archive(tmp_path / "archive", 2, cut=(0,)), tmp_path / "log.jsonl"
    batch(archive, tmp_path / "out", "--log", str(log))
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(line["case"], line["state"]) for line in lines] == [("P0", "failed"), ("P1", "read")]
    assert {"read", "network", "write"} <= lines[1]["seconds"].keys()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX'")
@pytest.mark.parametrize("sent", ["SIGTERM", "SIGHUP"])
def test_a_terminated_run_cleans_up_and_the_next_continues(archive, tmp_path, expected, sent):
    out = tmp_path / "out"
    # The tests may themselves run under nohup.
    run = started(archive, out, lambda: signal.signal(getattr(signal, sent), signal.SIG_DFL))
    wait_for(lambda: any(out.glob("P*")))
    run.send_signal(getattr(signal, sent))
    assert run.wait(60) == 130
    assert set(states(out).values()) <= {"read", "not read yet"}
    assert batch(archive, out) == 0
    assert without_states(contents(out)) == without_states(expected)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX'")
def test_a_run_under_nohup_outlives_its_terminal(archive, tmp_path, expected):
    out = tmp_path / "out"
    run = started(archive, out, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(lambda: any(out.glob("P*")))
    run.send_signal(signal.SIGHUP)
    assert run.wait(60) == 0
    assert contents(out) == expected


def started(archive, output, before):
    """A run as a process of its own; `before` is called in it first."""
    command = [*COMMAND, str(archive), "--output", str(output), "--quick", "--jobs", "2"]
    return subprocess.Popen(command, preexec_fn=before)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX'")
def test_a_run_killed_at_fifty_random_moments_ends_with_the_same_bytes(archive, tmp_path, expected):
    dice = random.Random(7)
    out, command = tmp_path / "out", [*COMMAND, str(archive), "--output", "out", "--quick", "--jobs", "2"]
    for _ in range(50):
        run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.2, 6))
        run.kill()
        run.wait()
        if out.exists() and dice.random() < 0.4:
            # So that there is always something left to do.
            shutil.rmtree(dice.choice([*out.glob("P*"), out / "P0"]), ignore_errors=True)
    # Orphans end by themselves, and hold the lock as long as they live.
    wait_for(lambda: subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0)
    assert without_states(contents(out)) == without_states(expected)
    assert list((out / ".batch" / "unfinished").iterdir()) == []


def without_states(found: dict[str, bytes]) -> dict[str, bytes]:
    """Without the tables, which record what was read when."""
    return {name: each for name, each in found.items() if name not in ("batch.csv", "manifest.csv", "summary.html")}


def wait_for(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
