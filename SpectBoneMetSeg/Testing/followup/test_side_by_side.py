"""Two scans of a comparison prepared for display: every lesion in every view, where it is, was, or would lie."""

import dataclasses

import numpy as np
import pydicom
import pytest
from SpectBoneMetSegLib.common.calls import run_action
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.followup.compare import compare
from SpectBoneMetSegLib.followup.files import FILES, copy_comparison, save_comparison
from SpectBoneMetSegLib.followup.patients import differ, patient_in
from SpectBoneMetSegLib.followup.side_by_side import load_side_by_side, save_side_by_side, side_by_side
from SpectBoneMetSegLib.scan.planar import PlanarView, ScanSource, WholeBodyScan
from SpectBoneMetSegLib.worker.comparing import ACTIONS
from SpectBoneMetSegLib.worker.reading_file import load_reading, save_reading
from support.bodies import SPACING, make_body

BOTH = {"anterior": 80.0, "posterior": 80.0}
FEMUR, SPINE, SKULL = ((120, 126), (60, 64)), ((74, 80), (48, 52)), ((14, 20), (46, 50))


def dated(reading, date, **source):
    """The same reading of another day."""
    origin = ScanSource(description={"study_date": date}, **source)
    return dataclasses.replace(
        reading, scan=dataclasses.replace(reading.scan, case=f"scan {date}", source=origin), receipt={}
    )


def moved(reading, rows):
    """The same reading of a patient who lay further down."""

    def shift(values):
        return np.roll(values, rows, 0)

    views = [PlanarView(shift(view.counts), SPACING, name) for name, view in reading.scan.views.items()]
    return dataclasses.replace(
        reading,
        scan=WholeBodyScan(reading.scan.case, *views, reading.scan.source),
        mask=shift(reading.mask),
        view_masks={name: shift(ids) for name, ids in reading.view_masks.items()},
        regions={name: shift(numbers) for name, numbers in reading.regions.items()},
    )


class Heard:
    """The events that a child sends."""

    def __init__(self):
        self.sent = []

    def send(self, event, **values):
        self.sent.append((event, values))


@pytest.fixture(scope="module")
def two():
    before = dated(make_body((*FEMUR, BOTH), (*SPINE, BOTH)), "20240101")
    after = moved(dated(make_body((*FEMUR, BOTH), (*SKULL, BOTH)), "20240701"), 6)
    return before, after


def test_every_lesion_is_a_row_with_its_state_and_its_position_in_both_scans(two):
    shown = side_by_side(compare(two), two[1])
    assert [(row.bone, row.change) for row in shown.rows] == [
        ("skull", "new"),
        ("lumbar spine", "gone"),
        ("left femur", "stable"),
    ]
    for row in shown.rows:
        # The patient lies six pixels further down.
        assert row.earlier_position[1] - row.later_position[1] == pytest.approx(6 * SPACING[0], abs=2)
        assert row.earlier_position[0] == pytest.approx(row.later_position[0], abs=2)
    assert (shown.rows[0].earlier_mm2, shown.rows[1].later_mm2) == (0, 0)
    assert shown.own == "later"


def test_each_view_holds_the_numbers_of_its_lesions_and_where_one_was(two):
    shown = side_by_side(compare(two), two[1])
    for name in ("anterior", "posterior"):
        assert set(np.unique(shown.earlier.numbers[name])) == {0, 2, 3}
        assert set(np.unique(shown.later.numbers[name])) == {0, 1, 3}
        assert set(np.unique(shown.later.gone[name])) == {0, 2}
        assert not shown.earlier.gone[name].any()
        was, is_now = shown.earlier.numbers[name] == 2, shown.later.gone[name] == 2
        assert abs(int(was.sum()) - int(is_now.sum())) <= 0.3 * was.sum()
        further_down = np.argwhere(is_now).mean(0) - np.argwhere(was).mean(0)
        assert further_down == pytest.approx([6, 0], abs=1)


def test_an_open_reading_that_is_the_earlier_one_is_on_the_earlier_side(two):
    shown = side_by_side(compare(two), two[0])
    assert shown.own == "earlier"
    assert (shown.earlier.date, shown.later.date) == ("20240101", "20240701")


def test_it_comes_back_from_its_file_as_it_was(two, tmp_path):
    shown = side_by_side(compare(two), two[1])
    save_side_by_side(shown, tmp_path / "shown.npz")
    back = load_side_by_side(tmp_path / "shown.npz")
    assert (back.rows, back.burdens, back.warnings, back.own) == (shown.rows, shown.burdens, shown.warnings, shown.own)
    np.testing.assert_array_equal(back.later.gone["posterior"], shown.later.gone["posterior"])
    np.testing.assert_array_equal(back.earlier.scan.anterior.counts, shown.earlier.scan.anterior.counts)
    np.testing.assert_allclose(back.body(np.array([[1.0, 2.0]])), shown.body(np.array([[1.0, 2.0]])))


def test_the_map_back_undoes_the_map(two):
    body = compare(two).maps[0].body
    places = np.array([[10.0, -40.0], [-70.0, 300.0]])
    np.testing.assert_allclose(body.inverse(body(places)), places, atol=1e-6)


def test_a_reviewed_reading_goes_through_a_file_unchanged(tmp_path):
    reading = dated(make_body((*FEMUR, BOTH), (*SPINE, BOTH)), "20240101")
    first = dataclasses.replace(reading.lesions[0], decision="accepted", classification="malignant", edited=True)
    reading = dataclasses.replace(reading, lesions=(first, *reading.lesions[1:]))
    save_reading(reading, tmp_path / "own.npz")
    back = load_reading(tmp_path / "own.npz")
    assert back.lesions[0].views == first.views
    assert (back.lesions[0].decision, back.lesions[0].edited, back.lesions[1].decision) == ("accepted", True, "open")
    np.testing.assert_array_equal(back.lesions[0].curve, first.curve)
    np.testing.assert_array_equal(back.view_masks["posterior"], reading.view_masks["posterior"])
    assert back.crop == reading.crop


def test_a_path_that_is_no_scan_ends_the_call_with_a_sentence(two, tmp_path):
    channel = Heard()
    save_reading(two[1], tmp_path / "own.npz")
    arguments = {"own": str(tmp_path / "own.npz"), "earlier": [str(tmp_path)], "folder": str(tmp_path)}
    arguments |= {"engine": "auto", "device": "cpu"}
    run_action({"do": "compare", "arguments": arguments}, channel, ACTIONS)
    # Neither a result nor a scan.
    assert [event for event, values in channel.sent] == ["progress", "failed"]
    assert str(tmp_path) in channel.sent[-1][1]["message"]


def test_a_saved_comparison_is_copied_completely_and_overwrites_nothing_else(two, tmp_path):
    save_comparison(compare(two), tmp_path / "made")
    copy_comparison(tmp_path / "made", tmp_path / "kept")
    for name in FILES:
        assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "made" / name).read_bytes()
    (tmp_path / "kept" / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="not an earlier comparison"):
        copy_comparison(tmp_path / "made", tmp_path / "kept")
    assert (tmp_path / "kept" / "mine.txt").exists()


def header(path, patient, born=""):
    dataset = pydicom.Dataset()
    dataset.PatientID, dataset.PatientBirthDate = patient, born
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.20", "1.2.3"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_two_patients_are_distinguished_and_no_name_leaves_the_headers(two, tmp_path):
    one, other = header(tmp_path / "a.dcm", "P-17"), header(tmp_path / "b.dcm", "P-18")
    (tmp_path / "c.nrrd").write_bytes(b"NRRD")
    assert differ(patient_in([one]), patient_in([other]))
    assert not differ(patient_in([one]), patient_in([header(tmp_path / "d.dcm", "p-17 ")]))
    assert not differ(patient_in([one]), patient_in([tmp_path / "c.nrrd"]))
    assert differ(patient_in([header(tmp_path / "e.dcm", "", "19500101")]), patient_in([header(other, "", "19600101")]))
    before = dated(two[0], "20240101", files=(str(one),), sha256=("0",))
    after = dated(two[1], "20240701", files=(str(tmp_path / "b.dcm"),), sha256=("1",))
    header(tmp_path / "b.dcm", "P-18")
    comparison = compare([before, after])
    assert [doubt for doubt in comparison.warnings if "different patients" in doubt]
    save_comparison(comparison, tmp_path / "out")
    for name in FILES:
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "P-17" not in text
        assert "P-18" not in text
    assert "different patients" in (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")


def test_bones_that_do_not_lie_on_each_other_are_reported(two):
    before, after = two
    assert compare(two).maps[0].fit > 0.95
    # Of these arrays no file names a patient, and nothing else is to be doubted.
    assert compare(two).warnings == (
        "Not every scan's header identifies its patient: check that all scans are of one patient.",
    )
    # Bones scattered over the field are no skeleton.
    scattered = {name: np.random.default_rng(0).permutation(numbers, 1) for name, numbers in after.regions.items()}
    comparison = compare([before, dataclasses.replace(after, regions=scattered)])
    assert [doubt for doubt in comparison.warnings if "poorly registered" in doubt], comparison.maps[0].fit


def test_one_study_is_not_compared_with_itself(two):
    same = [dataclasses.replace(each, receipt={"study_instance_uid": "1.2.3"}) for each in two]
    with pytest.raises(UserError, match="same study"):
        compare(same)


def test_results_read_by_different_models_are_reported(two):
    read = [
        dataclasses.replace(each, receipt={"model": {"sha256": digest}})
        for each, digest in zip(two, ("a", "b"), strict=True)
    ]
    assert [doubt for doubt in compare(read).warnings if "Different models" in doubt]


def test_a_patient_whom_both_files_name_is_not_doubted(two, tmp_path):
    one, other = header(tmp_path / "a.dcm", "P-17"), header(tmp_path / "b.dcm", "P-17", "19500101")
    before = dated(two[0], "20240101", files=(str(one),), sha256=("0",))
    assert compare([before, dated(two[1], "20240701", files=(str(other),), sha256=("1",))]).warnings == ()
    # An identifier here and a day of birth there do not identify a patient.
    born = header(tmp_path / "c.dcm", "", "19500101")
    doubts = compare([before, dated(two[1], "20240701", files=(str(born),), sha256=("2",))]).warnings
    assert [doubt for doubt in doubts if "identifies its patient" in doubt]
