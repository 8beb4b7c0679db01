"""Many studies in a folder: every one is read once, failures stand alone, a broken-off run goes on."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from SpectBoneMetSegLib.cli.main import main

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "Sample" / "simulated_scan.dcm"


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "archive"
    (folder / "study two").mkdir(parents=True)
    shutil.copy(SAMPLE, folder / "one.dcm")
    shutil.copy(SAMPLE, folder / "study two" / "scan.dcm")
    (folder / "broken.dcm").write_bytes(b"")
    (folder / "notes.txt").write_text("not a scan")
    return folder


def batch(archive, output, tiny, *more):
    return main(["batch", str(archive), "--output", str(output), "--model", str(tiny), *more])


def test_every_study_is_read_and_failures_are_listed(archive, tmp_path, tiny, capsys):
    assert batch(archive, tmp_path / "out", tiny, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (len(told["studies"]), told["failed"]) == (3, 1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one", "study two", "failures.csv"}
    with (tmp_path / "out" / "failures.csv").open() as file:
        assert [Path(row["input"]).name for row in csv.DictReader(file)] == ["broken.dcm"]


def test_a_second_run_reads_only_what_is_missing(archive, tmp_path, tiny, capsys):
    batch(archive, tmp_path / "out", tiny)
    (archive / "broken.dcm").unlink()
    shutil.rmtree(tmp_path / "out" / "one")
    before = (tmp_path / "out" / "study two" / "receipt.json").stat().st_mtime_ns
    capsys.readouterr()
    assert batch(archive, tmp_path / "out", tiny) == 0
    assert "2 studies, 1 of them read before" in capsys.readouterr().err
    assert (tmp_path / "out" / "one" / "receipt.json").is_file()
    assert (tmp_path / "out" / "study two" / "receipt.json").stat().st_mtime_ns == before
    assert batch(archive, tmp_path / "out", tiny) == 0
    assert batch(archive, tmp_path / "out", tiny, "--again") == 0
    assert (tmp_path / "out" / "study two" / "receipt.json").stat().st_mtime_ns > before


def test_results_among_the_studies_are_refused_because_the_next_run_would_read_them(archive, tiny, capsys):
    before = sorted(archive.rglob("*"))
    assert batch(archive, archive / "study two" / "..", tiny) == 2
    assert "choose another --output" in capsys.readouterr().err
    assert sorted(archive.rglob("*")) == before


def test_a_failed_second_reading_keeps_the_first_result_and_says_so(archive, tmp_path, tiny, capsys):
    out = tmp_path / "out"
    main(["batch", str(archive), "--output", str(out), "--model", str(tiny)])
    first = (out / "one" / "receipt.json").read_bytes()
    (archive / "one.dcm").write_bytes(b"nothing")
    assert main(["batch", str(archive), "--output", str(out), "--model", str(tiny), "--again"]) == 1
    assert (out / "one" / "receipt.json").read_bytes() == first
    said = f"The result of an earlier run stays in {out / 'one'}."
    assert said in capsys.readouterr().err
    rows = (out / "failures.csv").read_text(encoding="utf-8").splitlines()
    assert [said in row for row in rows if "one.dcm" in row] == [True]


def test_results_inside_the_archive_are_no_study(archive, tiny, capsys):
    (archive / "broken.dcm").unlink()
    assert batch(archive, archive / "results", tiny) == 0
    capsys.readouterr()
    assert batch(archive, archive / "results", tiny) == 0
    assert "2 studies, 2 of them read before" in capsys.readouterr().err


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_missing_or_empty_folder_is_wrong_usage(tmp_path, tiny, make, capsys):
    make(tmp_path / "archive")
    assert batch(tmp_path / "archive", tmp_path / "out", tiny) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
