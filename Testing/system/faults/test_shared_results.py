"""Several runs that write into one folder of results: none removes or misnames what another one has written."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pydicom
import pytest
from SpectBoneMetSegLib.batch.cases import cases_of_inputs
from SpectBoneMetSegLib.cli import segment
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Options
from SpectBoneMetSegLib.pipeline import Reader

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"


def failed_inputs(output):
    with (output / "failures.csv").open(encoding="utf-8") as file:
        return [Path(row["input"]).name for row in csv.DictReader(file)]


def as_another_scan(place, uid):
    """The sample as a scan of another study."""
    dataset = pydicom.dcmread(SAMPLE)
    dataset.StudyInstanceUID, dataset.SOPInstanceUID = uid, f"{uid}.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    place.parent.mkdir(parents=True)
    dataset.save_as(place)
    return place


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    shutil.copy(SAMPLE, folder / "one.dcm")
    (folder / "broken.dcm").write_bytes(b"")
    return folder


def test_reading_a_single_scan_keeps_the_failures_of_an_archive_and_drops_its_own(archive, tmp_path, tiny):
    output, more = tmp_path / "out", ["--output", str(tmp_path / "out"), "--model", str(tiny)]
    assert main(["batch", str(archive), *more]) == 1
    assert main(["segment", str(SAMPLE), *more]) == 0
    assert failed_inputs(output) == ["broken.dcm"]
    (tmp_path / "text.dcm").write_text("no scan")
    assert main(["segment", str(tmp_path / "text.dcm"), *more]) == 1
    assert failed_inputs(output) == ["text.dcm", "broken.dcm"]
    for mended in (archive / "broken.dcm", tmp_path / "text.dcm"):
        shutil.copy(SAMPLE, mended)
        assert main(["segment", str(mended), *more]) == 0
    assert not (output / "failures.csv").exists()


def test_a_scene_that_fails_leaves_the_results_of_the_same_run_and_says_so(tmp_path, tiny, monkeypatch, capsys):
    def full(*_: object) -> None:
        raise UserError("The scene cannot be written: choose another file.")

    monkeypatch.setattr("SpectBoneMetSegLib.mrml.scene_file.save_scene", full)
    monkeypatch.setattr(segment, "is_installed", lambda name: True)
    more = ["--output", str(tmp_path / "out"), "--model", str(tiny), "--scene", str(tmp_path / "a.mrb")]
    assert main(["segment", str(SAMPLE), *more]) == 1
    printed = capsys.readouterr().err
    assert f"The other results are in {tmp_path / 'out' / SAMPLE.stem}." in printed
    assert "earlier run" not in printed


def test_a_scan_of_the_same_name_read_at_the_same_time_is_not_replaced(tmp_path, tiny, capsys):
    output = tmp_path / "out"
    paths = [as_another_scan(tmp_path / name / "scan.dcm", f"1.2.3.{name}") for name in ("1", "2")]
    # Both runs have assigned their folders before either writes.
    first, second = (cases_of_inputs([str(path)], output) for path in paths)
    reader = Reader(str(tiny))
    segment.read_cases(reader, first, Options(), {})
    (failed,) = segment.read_cases(reader, second, Options(), {})
    assert failed["failure"].startswith(f"{output / 'scan'} was taken by another run")
    assert "earlier run" not in failed["failure"]
    segment.read_cases(reader, cases_of_inputs([str(paths[1])], output), Options(), {})
    receipts = [json.loads(file.read_text(encoding="utf-8")) for file in output.glob("*/receipt.json")]
    assert sorted(receipt["study_instance_uid"] for receipt in receipts) == ["1.2.3.1", "1.2.3.2"]
