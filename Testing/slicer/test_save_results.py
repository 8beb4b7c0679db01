"""Report and DICOM objects from the panel follow the decisions on the areas."""

import json
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "host"))

pytest_plugins = ["slicerhost.fixtures"]


@pytest.fixture
def saved(a_read_panel, tmp_path):
    panel = a_read_panel
    panel.table.table.cellWidget(0, 2).setCurrentIndex(1)
    panel.table.table.cellWidget(0, 3).setCurrentIndex(3)
    panel.table.table.cellWidget(1, 2).setCurrentIndex(2)
    panel.ui.reportCheckBox.checked = True
    panel.ui.dicomCheckBox.checked = True
    panel.ui.outputPath.currentPath = str(tmp_path)
    panel.ui.saveButton.click()
    return panel, tmp_path / "simulated_scan"


def test_report_and_dicom_objects_show_the_reviewed_state(saved):
    panel, folder = saved
    assert "Saved in" in panel.ui.statusLabel.text
    report = highdicom.sr.srread(folder / "dicom" / "measurements_sr.dcm")
    groups = report.content.get_volumetric_roi_measurement_groups()
    kept = panel.ui.lesionTable.rowCount - 1
    assert {group.tracking_identifier for group in groups} == {f"Abnormal uptake {i + 1}" for i in range(kept)}
    first = [group for group in groups if group.tracking_identifier == "Abnormal uptake 1"]
    for group in first:
        assert group.finding_type.meaning == "Metastasis"
        reported = {item.name.meaning: item.value.meaning for item in group.get_qualitative_evaluations()}
        assert reported["Decision on the area"] == "Accepted"
        assert reported["Source of the outline and the decision"] == "Physician"
    (whole,) = report.content.get_image_measurement_groups()
    numbers = {item.name.meaning: item.value for item in whole.get_measurements()}
    assert numbers["Areas that a physician rejected"] == 1
    labels = {
        item.SegmentLabel
        for file in (folder / "dicom").glob("seg_*.dcm")
        for item in pydicom.dcmread(file, stop_before_pixels=True).SegmentSequence
    }
    assert labels == {f"Abnormal uptake {i + 1}" for i in range(kept)}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "1 accepted, 1 rejected" in page
    assert (folder / "report.pdf").is_file()


def test_a_review_that_is_saved_again_replaces_the_one_before(saved):
    panel, folder = saved
    panel.table.table.cellWidget(0, 2).setCurrentIndex(0)
    panel.table.table.cellWidget(0, 3).setCurrentIndex(0)
    panel.ui.saveButton.click()
    assert "Saved in" in panel.ui.statusLabel.text
    review = json.loads((folder / "receipt.json").read_text(encoding="utf-8"))["review"]
    assert (review[0]["decision"], review[0]["classification"]) == ("open", "")
    assert [entry["decision"] for entry in review].count("rejected") == 1


def test_without_a_tick_nothing_more_is_written_and_nothing_requested(a_read_panel, tmp_path, monkeypatch):
    import slicer.packaging as packaging

    monkeypatch.setattr(packaging, "pretend_missing", {"highdicom", "reportlab"})
    a_read_panel.ui.outputPath.currentPath = str(tmp_path)
    a_read_panel.ui.saveButton.click()
    assert (tmp_path / "simulated_scan" / "overview.png").is_file()
    assert not (tmp_path / "simulated_scan" / "dicom").exists()
    a_read_panel.ui.dicomCheckBox.checked = True
    a_read_panel.ui.saveButton.click()
    assert "highdicom" in a_read_panel.ui.statusLabel.text
    assert not (tmp_path / "simulated_scan" / "dicom").exists()


def in_database(slicer, folder):
    """{file name: whether the database has the very same object}."""
    found = {}
    for file in (folder / "dicom").iterdir():
        kept = slicer.dicomDatabase.fileForInstance(str(pydicom.dcmread(file).SOPInstanceUID))
        found[file.name] = bool(kept) and Path(kept).read_bytes() == file.read_bytes()
    return found


def save_with_database(panel, tmp_path):
    panel.ui.databaseCheckBox.checked = True
    panel.ui.outputPath.currentPath = str(tmp_path)
    panel.ui.saveButton.click()
    return tmp_path / "simulated_scan"


def test_the_preview_shows_the_report_of_the_reading_as_it_is_and_saves_nothing(
    host, a_read_panel, tmp_path, monkeypatch
):
    opened = []
    monkeypatch.setattr(host.qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    ui = a_read_panel.ui
    ui.outputPath.currentPath = str(tmp_path)
    ui.lesionTable.cellWidget(0, 2).setCurrentIndex(2)
    ui.reportButton.click()
    page = Path(opened[0])
    words = page.read_text(encoding="utf-8")
    assert "Reviewed by a physician: 0 accepted, 1 rejected" in words
    assert str(pydicom.dcmread(a_read_panel.live.result.scan.source.files[0]).PatientName) not in words
    ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)
    ui.reportButton.click()
    assert opened[1] == opened[0]
    assert "Reviewed by a physician: 1 accepted, 0 rejected" in page.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == []
    a_read_panel.preview.remove()
    assert not page.parent.exists()


def test_without_a_reading_there_is_no_preview(panel):
    assert not panel.ui.reportButton.enabled


def test_dicom_results_go_into_slicers_own_database_as_copies(host, a_read_panel, tmp_path):
    assert a_read_panel.ui.databaseCheckBox.enabled
    folder = save_with_database(a_read_panel, tmp_path)
    found = in_database(host.slicer, folder)
    assert {"measurements_sr.dcm", "report.dcm", "overview_sc.dcm"} <= set(found)
    assert all(found.values())
    assert not Path(host.slicer.dicomDatabase.databaseDirectory).is_relative_to(tmp_path)
    shown = a_read_panel.ui.statusLabel.text
    assert "Saved in" in shown
    assert "DICOM database as well" in shown


def test_without_the_tick_the_database_gets_nothing(host, saved):
    panel, folder = saved
    assert not any(in_database(host.slicer, folder).values())
    assert "DICOM database" not in panel.ui.statusLabel.text


@pytest.mark.parametrize("way", ["raises", pytest.param("passes over", marks=pytest.mark.slow)])
def test_what_the_database_does_not_accept_is_reported_once_and_is_in_the_folder(
    host, a_read_panel, tmp_path, monkeypatch, way
):
    take = host.slicer.dicomDatabase.insert

    def partly(file, *options):
        if file.endswith("report.dcm"):
            if way == "raises":
                raise OSError("database is locked")
            return
        take(file, *options)

    monkeypatch.setattr(host.slicer.dicomDatabase, "insert", partly)
    folder = save_with_database(a_read_panel, tmp_path)
    shown = a_read_panel.ui.statusLabel.text
    assert "Saved in" in shown
    assert "lacks" in shown
    assert "report.dcm" in shown
    assert str(folder / "dicom") in shown
    assert (folder / "dicom" / "report.dcm").is_file()
    assert (folder / "lesions.csv").is_file()
    assert not host.dialogs


def test_without_a_database_the_box_says_so_and_saving_continues(host, a_read_panel, tmp_path, monkeypatch):
    monkeypatch.setattr(host.slicer.dicomDatabase, "isOpen", False)
    a_read_panel.updateButtons()
    box = a_read_panel.ui.databaseCheckBox
    assert not box.enabled
    assert "open the module DICOM" in box.toolTip
    folder = save_with_database(a_read_panel, tmp_path)
    assert (folder / "receipt.json").is_file()
    assert not (folder / "dicom").exists()
    assert "DICOM database" not in a_read_panel.ui.statusLabel.text


def test_a_scan_that_did_not_come_from_dicom_cannot_go_there(host, panel, tmp_path, until):
    counts = pydicom.dcmread(ROOT / "Resources" / "Sample" / "simulated_scan.dcm").pixel_array[:1].astype(np.float32)
    image = SimpleITK.GetImageFromArray(counts)
    image.SetSpacing((2.26, 2.26, 1.0))
    SimpleITK.WriteImage(image, str(tmp_path / "scan.nrrd"))
    panel.openScan(str(tmp_path / "scan.nrrd"), ["anterior"])
    panel.ui.applyButton.click()
    until(lambda: panel.live is not None)
    assert not panel.ui.databaseCheckBox.enabled
    assert "did not come from DICOM" in panel.ui.databaseCheckBox.toolTip
