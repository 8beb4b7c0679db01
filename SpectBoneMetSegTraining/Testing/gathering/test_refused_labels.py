"""Scans whose labels are rejected, and unreadable label files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.cases import records_of
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from SpectBoneMetSegTrainingLib.gathering.gather import gather, sources_of
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody


@pytest.fixture
def refused(patient, tmp_path):
    """A scan whose only annotation states no size."""
    folder = tmp_path / "study"
    folder.mkdir()
    write_nm_wholebody(folder / "scan.dcm", patient.scan, patient_id="P1", uid_text="refused")
    (folder / "scan_anterior.json").write_text(json.dumps({"shapes": []}))
    return folder


def save_masks(folder, patient, anterior, posterior):
    """Outline the lesions of both views as pictures of the given suffixes, named after scan.dcm."""
    for view, suffix in (("anterior", anterior), ("posterior", posterior)):
        mask = np.zeros(patient.scan.views[view].shape, np.uint8)
        mask[20:24, 30:34] = 255
        Image.fromarray(mask).save(folder / f"scan_{view}_mask{suffix}")


@pytest.mark.parametrize(
    ("suffix", "why"),
    [
        (".jpg", "scan_{view}_mask.jpg is a JPEG, whose compression changes the values of a mask; draw or export"),
        (".JPEG", "scan_{view}_mask.JPEG is a JPEG, whose compression changes the values of a mask; draw or export"),
        (".bmp", "scan_{view}_mask.bmp is a picture of a kind that is not read as a mask; save the mask as PNG."),
        (".gif", "scan_{view}_mask.gif is a picture of a kind that is not read as a mask; save the mask as PNG."),
    ],
)
@pytest.mark.parametrize("view", ["anterior", "posterior"])
def test_a_scan_with_a_mask_of_one_view_that_is_refused_is_not_trained_with_the_other_alone(
    refused, patient, tmp_path, suffix, why, view
):
    (refused / "scan_anterior.json").unlink()
    save_masks(refused, patient, *((suffix, ".png") if view == "anterior" else (".png", suffix)))
    with pytest.raises(UserError, match="Nothing usable was found: 2 files left out"):
        gather(tmp_path / "data", find([refused]))
    summary = " ".join((tmp_path / "data-private" / "summary.txt").read_text().split())
    assert why.format(view=view) in summary
    save_masks(refused, patient, ".png", ".png")
    (refused / f"scan_{view}_mask{suffix}").unlink()
    gathered = gather(tmp_path / "data", find([refused]))
    assert [(row.kind, row.outcome, row.failed) for row in gathered.rows] == [("labelled", "new", False)]


def test_the_other_readers_labels_are_used_beside_a_jpeg_mask_which_is_a_failure(refused, patient, tmp_path):
    (refused / "scan_anterior.json").unlink()
    save_masks(refused, patient, ".png", ".png")
    Image.new("L", (8, 8)).save(refused / "scan_anna_anterior_mask.jpg")
    gathered = gather(tmp_path / "data", find([refused]))
    rows = {row.source.rpartition("/")[2]: (row.outcome, row.failed, row.readers) for row in gathered.rows}
    assert rows == {"scan.dcm": ("new", False, 1), "scan_anna_anterior_mask.jpg": ("left out", True, 0)}


def test_a_scan_whose_labels_are_refused_is_used_without_them_where_its_folder_is_listed_so(refused, tmp_path):
    gathered = gather(tmp_path / "data", find([refused], [refused]))
    (record,) = records_of(tmp_path / "data")
    assert record["split"] == "unlabelled"
    rows = {row.source.rpartition("/")[2]: (row.kind, row.outcome, row.failed) for row in gathered.rows}
    assert rows == {"scan.dcm": ("unlabelled", "new", False), "scan_anterior.json": ("", "left out", True)}
    assert len(gathered.rows) == 2, "every file is reported once"
    (scan,) = [row for row in gathered.rows if row.kind]
    assert scan.notes.startswith("None of its labels can be used: it is taken as unlabelled")
    again = gather(tmp_path / "data", find([refused], [refused]))
    assert [(row.outcome, row.notes[:29]) for row in again.rows if row.kind] == [("as before", scan.notes[:29])]


def test_a_scan_that_was_gathered_with_labels_is_not_said_to_be_unlabelled_when_they_are_refused(
    refused, patient, tmp_path
):
    refusing = (refused / "scan_anterior.json").read_bytes()
    (refused / "scan_anterior.json").unlink()
    save_masks(refused, patient, ".png", ".png")
    gather(tmp_path / "data", find([refused], [refused]))
    for path in refused.glob("*.png"):
        path.unlink()
    (refused / "scan_anterior.json").write_bytes(refusing)
    again = gather(tmp_path / "data", find([refused], [refused]))
    assert [(row.outcome, row.reason, row.notes) for row in again.rows if row.kind] == [
        ("left out", "It is in the data set with labels.", "")
    ]


def test_a_copy_of_a_scan_whose_labels_are_refused_is_not_said_to_be_taken_from_the_labelled_folder(refused, tmp_path):
    copy = tmp_path / "all" / "copy.dcm"
    copy.parent.mkdir()
    copy.write_bytes((refused / "scan.dcm").read_bytes())
    gathered = gather(tmp_path / "data", find([refused], [tmp_path / "all"]))
    rows = {row.source: (row.kind, row.outcome, row.reason) for row in gathered.rows if row.source.endswith(".dcm")}
    assert rows == {
        str(refused / "scan.dcm"): ("unlabelled", "new", ""),
        str(copy): ("", "left out", f"It is the scan {refused / 'scan.dcm'}, which has labels."),
    }


def test_a_folder_listed_as_labelled_and_unlabelled_reports_every_file_once(refused, patient, tmp_path):
    (refused / "scan_anterior.json").unlink()
    save_masks(refused, patient, ".png", ".png")
    moved = [view.with_counts(np.roll(view.counts, 3, axis=0)) for view in patient.scan.views.values()]
    bare = replace(patient.scan, anterior=moved[0], posterior=moved[1])
    write_nm_wholebody(refused / "bare.dcm", bare, patient_id="P2", uid_text="bare")
    Image.new("L", (8, 8)).save(refused / "printed.png")
    gathered = gather(tmp_path / "data", find([refused], [tmp_path]))
    rows = [(row.source.rpartition("/")[2], row.kind, row.outcome) for row in gathered.rows]
    assert sorted(rows) == [
        ("bare.dcm", "unlabelled", "new"),
        ("printed.png", "", "left out"),
        ("scan.dcm", "labelled", "new"),
    ]


def test_a_scan_whose_labels_are_refused_is_reported_to_be_in_no_set(refused, tmp_path):
    with pytest.raises(UserError, match="Nothing usable was found"):
        gather(tmp_path / "data", find([refused]))
    summary = (tmp_path / "data-private" / "summary.txt").read_text()
    assert "labelled: 0 scans" in summary
    assert "None of its labels can be used, so it is in no set" in summary


def test_an_intact_copy_is_gathered_in_place_of_one_that_cannot_be_read(refused, tmp_path):
    scan = pydicom.dcmread(refused / "scan.dcm")
    scan.PixelData = scan.PixelData[:1000]
    scan.save_as(refused / "a.dcm")
    gathered = gather(tmp_path / "data", find([], [refused]))
    reported = {row.source.rpartition("/")[2]: row for row in gathered.rows}
    assert reported["a.dcm"].outcome == "new"
    assert f"{refused / 'scan.dcm'} was read in place of its copy, which cannot be" in reported["a.dcm"].notes
    assert reported["scan.dcm"].reason == f"It is a copy of {refused / 'a.dcm'}."
    assert sources_of(tmp_path / "data")[reported["a.dcm"].case] == [str(refused / "scan.dcm")]


def test_what_can_be_no_whole_body_is_gathered_from_no_folder_and_what_is_odd_is_reported(refused, patient, tmp_path):
    clipped = [view.with_counts(view.counts.clip(0, 60)) for view in patient.scan.views.values()]
    scan = replace(patient.scan, anterior=clipped[0], posterior=clipped[1])
    write_nm_wholebody(refused / "clipped.dcm", scan, patient_id="P2", uid_text="clipped")
    spot = pydicom.dcmread(refused / "scan.dcm")
    spot.PixelSpacing, spot.SOPInstanceUID = [0.5, 0.5], "1.2.3.4"
    spot.save_as(refused / "spot.dcm")
    gathered = gather(tmp_path / "data", find([], [refused]))
    reported = {row.source.rpartition("/")[2]: row for row in gathered.rows}
    assert (reported["spot.dcm"].outcome, reported["spot.dcm"].failed) == ("left out", True)
    assert "holds no whole body" in reported["spot.dcm"].reason
    assert "all the same" not in reported["spot.dcm"].reason
    assert "is cut off at 60" in reported["clipped.dcm"].notes
    assert reported["scan.dcm"].outcome == "new"


def test_json_files_that_are_no_annotation_or_damaged_are_named(refused):
    (refused / "damaged.json").write_bytes(b'{"shapes": [')
    (refused / "notes.json").write_text("{}")
    reasons = {item.path.name: (item.reason, item.failed) for item in find([refused]).left_out}
    assert reasons["notes.json"] == ("It is JSON but no LabelMe annotation.", False)
    assert reasons["damaged.json"] == ("damaged.json is damaged or no LabelMe file; save it again.", True)
