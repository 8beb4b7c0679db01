"""`segment --dicom --report` and `batch`: what goes back to the archive, from the shell."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.loading import read_scan
from support.labels import maps_of, read

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"
REQUESTED = ["--region", "whole-body", "--dicom", "--report"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    assert main(["segment", str(SAMPLE), "--output", str(folder), *REQUESTED]) == 0
    return folder / "simulated_scan"


def test_the_sample_study_gives_dicom_objects_and_a_report(out):
    assert {path.name for path in (out / "dicom").iterdir()} == {
        *("seg_anterior.dcm", "seg_posterior.dcm", "measurements_sr.dcm", "report.dcm", "overview_sc.dcm"),
    }
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "thoracic spine" in page
    assert "Research use only" in page


def test_its_segmentations_come_back_as_labels_exact_to_the_pixel(out):
    scan = read_scan(SAMPLE)
    for name in ("anterior", "posterior"):
        found = maps_of(read(scan, out / "dicom" / f"seg_{name}.dcm"), scan)[name] > 0
        ids = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(out / f"mask_{name}.nrrd")))[0]
        np.testing.assert_array_equal(found, (ids if name == "anterior" else ids[:, ::-1]) > 0)


def test_a_batch_reads_again_what_lacks_a_requested_report(tiny, tmp_path, capsys):
    archive, output = tmp_path / "archive", tmp_path / "results"
    archive.mkdir()
    os.symlink(SAMPLE, archive / "scan.dcm")
    run = ["batch", str(archive), "--output", str(output), "--model", str(tiny)]
    assert main(run) == 0
    assert main([*run, "--report", "--dicom"]) == 0
    assert (output / "scan" / "report.pdf").is_file()
    capsys.readouterr()
    assert main([*run, "--report", "--dicom"]) == 0
    assert "1 of them read before" in capsys.readouterr().err
    picture = output / "scan" / "dicom" / "overview_sc.dcm"
    picture.write_bytes(b"")
    assert main([*run, "--report", "--dicom"]) == 0
    assert picture.stat().st_size > 0


@pytest.fixture(scope="module")
def with_outputs(tiny, tmp_path_factory):
    """An archive of one scan, and its results with report and DICOM objects."""
    folder = tmp_path_factory.mktemp("with outputs")
    (folder / "archive").mkdir()
    os.symlink(SAMPLE, folder / "archive" / "scan.dcm")
    main(["batch", str(folder / "archive"), "--output", str(folder / "out"), "--model", str(tiny), *REQUESTED])
    return folder


@pytest.fixture
def run(with_outputs, tiny, tmp_path, capsys):
    """Runs the archive again, in a copy of its results; returns whether the scan was read."""
    out = Path(shutil.copytree(with_outputs / "out", tmp_path / "out"))

    def run(*options):
        capsys.readouterr()
        command = ["batch", str(with_outputs / "archive"), "--output", str(out), "--model", str(tiny)]
        assert main([*command, "--region", "whole-body", *options]) == 0
        return "1 of them read before" not in capsys.readouterr().err

    return run, out / "scan"


@pytest.mark.parametrize("lost", ["report.html", "report.pdf", "dicom", "dicom/measurements_sr.dcm"])
def test_a_batch_writes_lost_reports_and_dicom_objects_again(run, lost):
    run, folder = run
    path = folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run("--dicom", "--report")
    assert path.exists()
    assert not run("--dicom", "--report")


@pytest.mark.parametrize("options", [["--dicom"], ["--report"], []])
def test_a_batch_keeps_a_result_with_more_outputs_than_are_wanted(run, options):
    run, folder = run
    assert not run(*options)
    assert (folder / "report.pdf").is_file()
    assert (folder / "dicom" / "measurements_sr.dcm").is_file()
    # An output that is not wanted may be missing.
    if "--report" not in options:
        (folder / "report.html").unlink()
        assert not run(*options)


@pytest.mark.parametrize("options", [["--report", "--name-patient"], ["--dicom", "--de-identify"]])
def test_a_batch_reads_again_what_names_the_patient_otherwise_than_is_wanted(run, options):
    run, _ = run
    assert run(*options)
    assert not run(*options)
    assert run(options[0])


def test_a_batch_does_not_read_a_picture_again_because_it_has_no_dicom_objects(tiny, tmp_path, capsys):
    (tmp_path / "archive").mkdir()
    counts = read_scan(SAMPLE).views["anterior"].counts.astype(np.uint16)
    Image.fromarray(counts).save(tmp_path / "archive" / "scan.png")
    command = ["batch", str(tmp_path / "archive"), "--output", str(tmp_path / "out"), "--model", str(tiny)]
    command += ["--dicom", "--report", "--views", "anterior"]
    assert main(command) == 0
    capsys.readouterr()
    assert main(command) == 0
    assert "1 of them read before" in capsys.readouterr().err


def test_pictures_have_their_files_and_one_sentence_for_dicom(tiny, tmp_path, capsys):
    counts = read_scan(SAMPLE).views["anterior"].counts.astype(np.uint16)
    Image.fromarray(counts).save(tmp_path / "scan.png")
    further = ["--dicom", "--json", "--views", "anterior", "--model", str(tiny)]
    status = main(["segment", str(tmp_path / "scan.png"), "--output", str(tmp_path / "out"), *further])
    reported = capsys.readouterr()
    assert status == 0, reported.err
    (study,) = json.loads(reported.out)["studies"]
    assert [note for note in study["warnings"] if note.startswith("No DICOM results: ")]
    assert not (Path(study["folder"]) / "dicom").exists()
    assert (Path(study["folder"]) / "overview.png").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--de-identify"], "add --dicom or --report"),
        (["--dicom", "--name-patient"], "add --report"),
        (["--report", "--de-identify", "--name-patient"], "both named and removed"),
    ],
)
def test_wishes_that_make_no_sense_are_refused_before_any_work(tmp_path, capsys, options, words):
    assert main(["segment", str(SAMPLE), "--output", str(tmp_path / "out"), *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_that_is_printed_or_written_outside_dicom_names_the_patient(tiny, tmp_path, capsys):
    names = {"PatientName": "Geheim^Gisela", "PatientID": "PID-4711", "PatientBirthDate": "19380217"}
    dataset = pydicom.dcmread(SAMPLE)
    for keyword, value in names.items():
        setattr(dataset, keyword, value)
    dataset.save_as(tmp_path / "scan.dcm")
    out = tmp_path / "out"
    requested = ["--output", str(out), "--model", str(tiny), "--report", "--dicom", "--de-identify", "--json"]
    assert main(["segment", str(tmp_path / "scan.dcm"), *requested]) == 0
    reported = capsys.readouterr()
    words = ["Geheim", "Gisela", "PID-4711", "19380217"]
    assert [word for word in words if word in reported.out + reported.err] == []
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"report.pdf", "receipt.json", "measurements_sr.dcm", "lesions.csv"}
    assert [(path.name, word) for path in files for word in words if word.encode() in path.read_bytes()] == []
