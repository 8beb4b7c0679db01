"""Report and DICOM objects from the panel: what was said of the areas rules them."""

import sys
from pathlib import Path

import highdicom
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))

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
        told = {item.name.meaning: item.value.meaning for item in group.get_qualitative_evaluations()}
        assert told["Decision on the area"] == "Accepted"
        assert told["Whose word the outline and the decision are"] == "Physician"
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


def test_without_a_tick_nothing_more_is_written_and_nothing_asked_for(a_read_panel, tmp_path, monkeypatch):
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
