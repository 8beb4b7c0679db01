"""Many studies in a folder: every one is read once, failures are separate, an interrupted run continues."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from SpectBoneMetSegLib.cli.main import main
from support.archives import make_archive

TABLES = ("manifest.csv", "failures.csv", "batch.csv", "summary.html")
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
    reported = json.loads(capsys.readouterr().out)
    assert (len(reported["studies"]), reported["failed"]) == (3, 1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one", "study two", *TABLES, ".batch"}
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


@pytest.mark.parametrize("command", ["segment", "batch"])
def test_a_physicians_review_is_kept_and_reported_when_its_scan_is_read_again(archive, tmp_path, tiny, capsys, command):
    out, scan = tmp_path / "out", archive / "one.dcm"
    main(["segment", str(scan), "--output", str(out), "--model", str(tiny)])
    path = out / "one" / "receipt.json"
    receipt = json.loads(path.read_text(encoding="utf-8"))
    receipt["review"] = [{"lesion": 1, "decision": "rejected", "classification": "", "edited": False}]
    path.write_text(json.dumps(receipt), encoding="utf-8")
    before = path.read_bytes()
    source = scan if command == "segment" else archive
    assert main([command, str(source), "--output", str(out), "--model", str(tiny), "--threshold", "0.9"]) == 1
    assert f"{out / 'one'} holds a physician's review" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert "holds a physician's review" in (out / "failures.csv").read_text(encoding="utf-8")


def test_a_scene_of_another_scan_is_kept_and_nothing_is_written(archive, tmp_path, tiny, capsys):
    pytest.importorskip("slicer")
    out, scene, other = tmp_path / "out", tmp_path / "scene.mrb", tmp_path / "other.dcm"
    dataset = pydicom.dcmread(archive / "one.dcm")
    dataset.PatientID = "another"
    dataset.save_as(other)
    command = ["segment", "--output", str(out), "--model", str(tiny), "--scene", str(scene)]
    for _ in range(2):
        assert main([*command, str(archive / "one.dcm")]) == 0
    before = scene.read_bytes()
    assert main([*command, str(other)]) == 1
    assert f"{scene} is another scene, or one that an earlier version wrote" in capsys.readouterr().err
    assert scene.read_bytes() == before
    assert not (out / "other").exists()


def test_a_failed_second_reading_keeps_the_first_result_and_says_so(archive, tmp_path, tiny, capsys):
    out = tmp_path / "out"
    main(["batch", str(archive), "--output", str(out), "--model", str(tiny)])
    first = (out / "one" / "receipt.json").read_bytes()
    (archive / "one.dcm").write_bytes(b"nothing")
    assert main(["batch", str(archive), "--output", str(out), "--model", str(tiny), "--again"]) == 1
    assert (out / "one" / "receipt.json").read_bytes() == first
    printed = f"The result of an earlier run stays in {out / 'one'}."
    assert printed in capsys.readouterr().err
    rows = (out / "failures.csv").read_text(encoding="utf-8").splitlines()
    assert [printed in row for row in rows if "one.dcm" in row] == [True]


def test_results_inside_the_archive_are_no_study(archive, tiny, capsys):
    (archive / "broken.dcm").unlink()
    assert batch(archive, archive / "results", tiny) == 0
    capsys.readouterr()
    assert batch(archive, archive / "results", tiny) == 0
    assert "2 studies, 2 of them read before" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["batch", "segment"])
def test_a_study_below_the_folder_of_results_is_read(tmp_path, tiny, command):
    place = tmp_path / "cases" / "patient" / "scan.dcm"
    place.parent.mkdir(parents=True)
    shutil.copy(SAMPLE, place)
    folder = place.parents[1] if command == "batch" else place.parent
    assert main([command, str(folder), "--output", str(tmp_path), "--model", str(tiny)]) == 0
    assert (tmp_path / "patient" / "receipt.json").is_file()


def test_results_that_would_replace_a_study_are_refused_for_that_reason(tmp_path, tiny, capsys):
    place = tmp_path / "patient" / "scan.dcm"
    place.parent.mkdir()
    shutil.copy(SAMPLE, place)
    assert main(["segment", str(place.parent), "--output", str(tmp_path), "--model", str(tiny)]) == 1
    assert "holds files that are not an earlier reading" in capsys.readouterr().err
    assert [path.name for path in place.parent.iterdir()] == ["scan.dcm"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_missing_or_empty_folder_is_wrong_usage(tmp_path, tiny, make, capsys):
    make(tmp_path / "archive")
    assert batch(tmp_path / "archive", tmp_path / "out", tiny) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def table(output):
    """The rows of batch.csv."""
    with (output / "batch.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_patient(path: Path, place: Path, study: str, **header: object) -> None:
    """The sample study as another one."""
    dataset = pydicom.dcmread(path)
    dataset.StudyInstanceUID, dataset.SOPInstanceUID = study, f"{study}.{ord(place.name[-1])}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    place.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(place)


def test_another_model_or_other_options_are_no_result_of_before(archive, tmp_path, tiny, capsys):
    (archive / "broken.dcm").unlink()
    out = tmp_path / "out"
    batch(archive, out, tiny)
    for more, again in (([], 2), (["--region", "whole-body"], 0), (["--region", "whole-body"], 2)):
        capsys.readouterr()
        assert batch(archive, out, tiny, *more) == 0
        assert f"2 studies, {again} of them read before" in capsys.readouterr().err
    assert json.loads((out / "one" / "receipt.json").read_text())["region"] == "whole-body"
    capsys.readouterr()
    assert batch(archive, out, tiny, "--threshold", "0.9") == 0
    assert "0 of them read before" in capsys.readouterr().err
    assert json.loads((out / "one" / "receipt.json").read_text())["threshold"] == 0.9


def test_another_patients_file_of_the_same_name_replaces_nothing(tmp_path, tiny, capsys):
    out = tmp_path / "out"
    as_patient(SAMPLE, tmp_path / "a" / "scan.dcm", "1.2.1")
    as_patient(SAMPLE, tmp_path / "b" / "scan.dcm", "1.2.2")
    for _ in range(2):
        for folder in ("a", "b"):
            assert (
                main(["segment", str(tmp_path / folder / "scan.dcm"), "--output", str(out), "--model", str(tiny)]) == 0
            )
    first, second = sorted(out.iterdir(), key=lambda path: len(path.name))
    assert first.name == "scan"
    assert re.fullmatch("scan-[0-9a-f]{6}", second.name)
    reported = [json.loads((folder / "receipt.json").read_text())["study_instance_uid"] for folder in (first, second)]
    assert reported == ["1.2.1", "1.2.2"]
    both = [str(tmp_path / folder / "scan.dcm") for folder in ("b", "a")]
    assert main(["segment", *both, "--output", str(out), "--model", str(tiny)]) == 0
    assert len(list(out.iterdir())) == 2
    capsys.readouterr()
    shutil.copy(tmp_path / "b" / "scan.dcm", tmp_path / "a" / "scan.dcm")
    assert batch(tmp_path / "a", out, tiny) == 0
    assert "1 study, 1 of them read before" in capsys.readouterr().err


def test_patients_without_a_study_in_the_header_are_all_read(tmp_path, tiny):
    for number, name in enumerate(
        ("2023/sub/scan.dcm", "2023/other/scan.dcm", "2024/sub/scan.dcm", "flat.dcm", "a.dcm")
    ):
        uids = {"StudyInstanceUID": "", "SOPInstanceUID": f"1.3.{number}", "PatientID": "ANON"}
        as_patient(SAMPLE, tmp_path / "archive" / name, "1.2", **uids)
    assert batch(tmp_path / "archive", tmp_path / "out", tiny) == 0
    assert [row["state"] for row in table(tmp_path / "out")] == 5 * ["read"]


def test_two_scans_of_one_name_and_one_careless_uid_are_refused_and_not_taken_for_one(tmp_path, tiny, capsys):
    for year in ("2023", "2024"):
        for name, uid in (("scan", "1.3.7"), ("other", f"1.3.{year}")):
            uids = {"StudyInstanceUID": "", "SOPInstanceUID": uid, "SeriesInstanceUID": f"1.4.{year}"}
            as_patient(SAMPLE, tmp_path / "archive" / year / name / "scan.dcm", "1.2", **uids)
    assert batch(tmp_path / "archive", tmp_path / "out", tiny) == 2
    assert "would both be written to" in capsys.readouterr().err


def test_an_archive_of_many_kinds_is_read_with_a_table_whose_every_line_is_right(tmp_path, tiny):
    archive, out = tmp_path / "archive", tmp_path / "out"
    as_patient(SAMPLE, archive / "PAT1" / "STU1" / "SER1" / "IM1", "1.2.1")
    as_patient(SAMPLE, archive / "PAT2" / "STU1" / "SER1" / "IM1", "1.2.2", AcquisitionTime="080000")
    as_patient(SAMPLE, archive / "PAT2" / "STU1" / "SER2" / "IM2", "1.2.2", AcquisitionTime="120000")
    as_patient(SAMPLE, archive / "PAT3" / "DICOM" / "IM1", "1.2.3")
    as_patient(SAMPLE, archive / "PAT3" / "DICOM" / "IM2", "1.2.4")
    as_patient(SAMPLE, archive / "PAT4" / "IM1", "1.2.5", Modality="CT")
    as_patient(SAMPLE, archive / "PAT4" / "IM2", "1.2.5", Modality="CT")
    as_patient(
        SAMPLE, archive / "PAT5" / "IM1", "1.2.6", ImageType=["ORIGINAL", "PRIMARY", "STATIC"], PixelSpacing=[0.5, 0.5]
    )
    (archive / "PAT6").mkdir()
    (archive / "PAT6" / "IM1.dcm").write_bytes(b"")
    (archive / "DICOMDIR").write_bytes(b"x" * 200)
    assert batch(archive, out, tiny) == 1
    states = {(row["case"], row["state"]) for row in table(out) if row["case"]}
    assert states == {(name, "read") for name in ("PAT1", "SER1", "SER2", "IM1", "IM2")}
    other = {Path(row["input"]).parent.name: (row["state"], row["reason"]) for row in table(out) if not row["case"]}
    assert other == {
        "PAT4": ("left out", "modality CT; and 1 more files"),
        "PAT5": ("left out", "a static image of a part of the body"),
        "PAT6": ("failed", "IM1.dcm is empty; export the scan again."),
    }
    first = table(out)
    assert batch(archive, out, tiny) == 1
    assert [row["state"] for row in table(out)] == [row["state"].replace("read", "read before") for row in first]
    assert [row["areas"] for row in table(out)] == [row["areas"] for row in first]


def test_what_an_interrupted_run_left_is_cleared_after_a_while(archive, tmp_path, tiny):
    old, new = (tmp_path / "out" / f".{name * 12}.unfinished" for name in "ab")
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    batch(archive, tmp_path / "out", tiny)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("jobs", [[], ["--jobs", "1"]], ids=["one process", "a worker process"])
def test_a_header_value_that_dicom_does_not_allow_prints_no_line_of_a_library(tmp_path, jobs):
    [scan] = make_archive(tmp_path / "archive", 1).rglob("IM1")
    header = pydicom.dcmread(scan)
    header["StudyInstanceUID"]._value = pydicom.uid.UID("1.2." + "3" * 70, validation_mode=pydicom.config.IGNORE)
    header.save_as(scan)
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "batch", str(tmp_path / "archive"), "--quick"]
    ended = subprocess.run([*command, "--output", str(tmp_path / "out"), *jobs], capture_output=True, text=True)
    assert ended.returncode == 0
    assert "pydicom" not in ended.stderr
    assert "warn" not in ended.stderr
