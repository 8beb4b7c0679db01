"""What becomes of scans whose labels are refused, and of label files that nobody can read."""

from __future__ import annotations

import json

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.cases import records_of
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from SpectBoneMetSegTrainingLib.gathering.gather import gather
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody


@pytest.fixture
def refused(patient, tmp_path):
    """A scan whose only annotation says no size."""
    folder = tmp_path / "study"
    folder.mkdir()
    write_nm_wholebody(folder / "scan.dcm", patient.scan, patient_id="P1", uid_text="refused")
    (folder / "scan_anterior.json").write_text(json.dumps({"shapes": []}))
    return folder


def test_a_scan_whose_labels_are_refused_is_used_without_them_where_its_folder_is_listed_so(refused, tmp_path):
    gathered = gather(tmp_path / "data", find([refused], [refused]))
    (record,) = records_of(tmp_path / "data")
    assert record["split"] == "unlabelled"
    outcomes = {(row.source.rpartition("/")[2], row.kind, row.outcome) for row in gathered.rows}
    assert ("scan.dcm", "unlabelled", "new") in outcomes
    assert not any(kind == "labelled" for _, kind, _ in outcomes)


def test_a_scan_whose_labels_are_refused_is_told_to_be_in_no_set(refused, tmp_path):
    with pytest.raises(UserError, match="Nothing usable was found"):
        gather(tmp_path / "data", find([refused]))
    summary = (tmp_path / "data-private" / "summary.txt").read_text()
    assert "labelled: 0 scans" in summary
    assert "None of its labels can be used: it is in no set" in summary


def test_json_files_that_are_no_annotation_or_damaged_are_named(refused):
    (refused / "damaged.json").write_bytes(b'{"shapes": [')
    (refused / "notes.json").write_text("{}")
    reasons = {item.path.name: (item.reason, item.failed) for item in find([refused]).left_out}
    assert reasons["notes.json"] == ("It is JSON but no LabelMe annotation.", False)
    assert reasons["damaged.json"] == ("damaged.json is damaged or no LabelMe file; save it again.", True)
