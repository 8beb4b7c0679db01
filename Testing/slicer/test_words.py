"""What the panel of the test host says: with its own terms, about what it does, and always something."""

import re
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.fixtures import SAMPLE
from slicerhost.panel import erase, table_of

pytest_plugins = ["slicerhost.fixtures"]


@pytest.fixture
def silent_scan(tmp_path):
    """The sample study without its sides."""
    dataset = pydicom.dcmread(SAMPLE)
    for item in dataset.DetectorInformationSequence:
        del item.ViewCodeSequence
    for keyword in ("ImageID", "SeriesDescription", "StudyDescription", "ImageComments"):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.save_as(tmp_path / "silent.dcm")
    return tmp_path / "silent.dcm"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        (("device",), "It is wrong; choose another (field Device)."),
        (("pixel_size", "read_anyway"), "It is wrong; choose another (field Pixel size, field Read it anyway)."),
        (("no_field_of_the_panel",), "It is wrong; choose another."),
        ((), "It is wrong; choose another."),
    ],
)
def test_an_error_names_the_fields_of_the_panel_that_correct_it(host, fields, shown):
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.panel_texts import panelWords

    assert panelWords(UserError("It is wrong; choose another.", *fields)) == shown


def test_no_sentence_of_the_library_names_an_option(host):
    library = Path(__file__).resolve().parents[2] / "SpectBoneMetSeg" / "SpectBoneMetSegLib"
    below = [path for path in library.rglob("*.py") if "cli" not in path.parts]
    assert len(below) > 50
    texts = re.findall(r'"([^"\n]*--[a-z][^"\n]*)"', "\n".join(path.read_text() for path in below))
    # A command of its own is shown as such.
    assert not [sentence for sentence in texts if not sentence.startswith("models --export-onnx")]


def test_a_scan_without_sides_is_loaded_after_the_user_entered_them(host, panel, silent_scan):
    ui = panel.ui
    ui.scanPath.currentPath = str(silent_scan)
    ui.loadButton.click()
    assert ui.statusLabel.text.endswith("in stored order (field Views).")
    assert "--" not in ui.statusLabel.text
    assert "#d13438" in ui.statusLabel.styleSheet
    assert panel._parameterNode.anteriorVolume is None
    counts = []
    for words, index in (("Anterior, then posterior", 3), ("Posterior, then anterior", 4)):
        assert ui.sidesSelector.itemText(index) == words
        ui.sidesSelector.setCurrentIndex(index)
        ui.loadButton.click()
        assert ui.statusLabel.text == ""
        volumes = panel._parameterNode.anteriorVolume, panel._parameterNode.posteriorVolume
        counts.append([int(host.slicer.util.arrayFromVolume(volume).sum()) for volume in volumes])
    first, second = counts
    assert first == second[::-1]
    assert first[0] != first[1]


def test_a_picture_without_a_pixel_size_is_loaded_after_the_user_entered_it(panel, tmp_path):
    from PIL import Image

    Image.new("L", (100, 400), 7).save(tmp_path / "anterior.png")
    panel.ui.scanPath.currentPath = str(tmp_path / "anterior.png")
    panel.ui.loadButton.click()
    assert "for example 2.26 (field Pixel size)" in panel.ui.statusLabel.text
    panel.ui.pixelSizeBox.setValue(4.8)
    panel.ui.loadButton.click()
    assert panel._parameterNode.anteriorVolume.GetSpacing()[:2] == (4.8, 4.8)
    # Reported before the sides are determined.
    assert "check left and right" in panel.ui.warningLabel.text
    assert panel.ui.warningLabel.isVisibleTo(panel.parent)
    assert panel._parameterNode.posteriorVolume is None


def test_an_empty_panel_says_how_to_begin_and_the_hint_disappears_with_the_first_scan(panel):
    assert panel.ui.statusLabel.text.startswith("Load a file, or choose the views")
    assert not panel.ui.applyButton.enabled
    panel.ui.loadButton.click()
    assert panel.ui.statusLabel.text == "Choose a file first."
    panel.ui.scanPath.currentPath = str(SAMPLE)
    panel.ui.loadButton.click()
    assert panel.ui.statusLabel.text == ""
    assert panel.ui.applyButton.enabled


def test_an_error_is_no_longer_shown_when_the_next_thing_works(a_loaded_panel, until):
    ui = a_loaded_panel.ui
    ui.modelSelector.setCurrentText("unheard-of")
    own, panel = ui.modelSelector.currentText, a_loaded_panel
    ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert own in ui.statusLabel.text
    assert ui.statusLabel.styleSheet
    ui.applyButton.click()
    assert ui.statusLabel.text == "Starting..."
    assert not ui.statusLabel.styleSheet
    ui.applyButton.click()


def test_a_model_that_cannot_be_loaded_is_reported_before_anybody_waits_for_a_scan(panel, until, tmp_path):
    panel.logic.worker.close()
    panel.ui.modelSelector.setCurrentText(str(tmp_path))
    panel.ui.warmCheckBox.checked = True
    panel.enter()
    assert panel.ui.deviceLabel.text == "loading the model"
    until(lambda: panel.ui.statusLabel.styleSheet != "")
    assert "is not a model folder" in panel.ui.statusLabel.text
    panel.exit()


def test_the_panel_says_that_only_the_box_was_read_and_shows_warnings(a_read_panel):
    from SpectBoneMetSegLib.pipeline import BOX_MAY_BE_WRONG

    ui, live = a_read_panel.ui, a_read_panel.live
    assert "Only the region in the box was read." in ui.summaryLabel.text
    count = len(live.reading.lesions)
    assert ui.summaryLabel.text.startswith(f"{count} areas of abnormal uptake")
    for lesion in range(count, 1, -1):
        erase(live, lesion)
    assert ui.summaryLabel.text.startswith("One area of abnormal uptake")
    erase(live, 1)
    assert ui.summaryLabel.text.startswith("No area of abnormal uptake at this threshold.")
    live.reading.receipt["warnings"] = [BOX_MAY_BE_WRONG]
    a_read_panel.updateLesions()
    assert "check it in the views" in ui.warningLabel.text
    assert ui.warningLabel.isVisibleTo(a_read_panel.parent)
    live.reading.receipt["warnings"] = []
    a_read_panel.updateLesions()
    assert not ui.warningLabel.isVisibleTo(a_read_panel.parent)


def test_saving_asks_for_a_folder_and_a_folder_that_cannot_be_written_is_reported(a_read_panel, tmp_path):
    ui = a_read_panel.ui
    ui.saveButton.click()
    assert ui.statusLabel.text == "Choose a folder to save in first."
    (tmp_path / "file").write_text("")
    ui.outputPath.currentPath = str(tmp_path / "file")
    ui.saveButton.click()
    assert "choose another" in ui.statusLabel.text
    assert "Traceback" not in ui.statusLabel.text


def test_reset_asks_before_work_is_lost(host, a_read_panel, monkeypatch):
    panel, answers = a_read_panel, iter((False, True))
    requested = []
    monkeypatch.setattr(type(host.slicer.app), "testingEnabled", lambda self: False)
    monkeypatch.setattr(
        host.slicer.util, "confirmOkCancelDisplay", lambda text: (requested.append(text), next(answers))[1]
    )
    panel.ui.thresholdSlider.value = 0.6
    panel.ui.resetButton.click()
    assert requested == []
    assert panel.ui.thresholdSlider.value == 0.5
    erase(panel.live, 1)
    rows = table_of(panel, 0, 1)
    panel.ui.resetButton.click()
    assert len(requested) == 1
    assert table_of(panel, 0, 1) == rows
    panel.ui.resetButton.click()
    assert not panel.live.edited


def test_a_box_outside_the_scan_is_reported_and_nothing_starts(a_loaded_panel):
    ui, parameters = a_loaded_panel.ui, a_loaded_panel._parameterNode
    ui.useBoxCheckBox.setChecked(True)
    parameters.box.SetCenter((0.0, 0.0, 9000.0))
    ui.applyButton.click()
    assert "The box lies outside the scan" in ui.statusLabel.text
    assert not a_loaded_panel.logic.busy


def test_a_click_that_draws_does_not_select_another_segment_in_the_editor(a_read_panel):
    from SpectBoneMetSegLib.scan.planar import to_ras

    panel, live = a_read_panel, a_read_panel.live
    panel.enter()
    editor = panel.ui.segmentEditor
    panel.ui.lesionTable.selectRow(0)
    place = to_ras(np.argwhere(live.reading.mask > 0)[-1:], live.result.scan.frame)[0]
    editor.setActiveEffectByName("Paint")
    assert editor.observing
    panel.selection.onClickedInView(place)
    assert editor.mrmlSegmentEditorNode().GetSelectedSegmentID() == live.segment_of(1)
    assert panel.ui.lesionTable.currentRow() == 0
    panel.exit()
    assert not editor.observing
    assert not editor.mrmlSegmentEditorNode().GetActiveEffectName()
    panel.selection.onClickedInView(place)
    assert panel.ui.lesionTable.currentRow() > 0


def test_what_looks_like_no_whole_body_is_read_when_the_user_insists(host, panel, until, tmp_path):
    from PIL import Image
    from SpectBoneMetSegLib.loading import read_scan

    counts = read_scan(SAMPLE).anterior.counts
    few = np.digitize(counts, (5, 20, 40, 60, 80)).astype(np.uint8) * 40
    Image.fromarray(few).save(tmp_path / "few_anterior.png")
    ui = panel.ui
    ui.scanPath.currentPath = str(tmp_path / "few_anterior.png")
    ui.loadButton.click()
    ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert "grey steps" in ui.statusLabel.text
    assert ui.statusLabel.text.endswith("or read it anyway (field Read it anyway).")
    assert panel.live is None
    ui.readAnywayCheckBox.checked = True
    ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert panel.live is not None
    assert "it was read anyway" in ui.warningLabel.text
    # Another scan is checked again.
    ui.scanPath.currentPath = str(SAMPLE)
    ui.loadButton.click()
    assert not ui.readAnywayCheckBox.checked


#: Whoever rests the mouse on one of these is told what it does; what depends on the scan is set by the panel.
TOLD = ("QPushButton", "QCheckBox", "QComboBox", "QLineEdit", "QTableWidget", "ctkSliderWidget", "ctkPathLineEdit")
TOLD_BY_PANEL = {"databaseCheckBox"}


@pytest.mark.parametrize(
    "path",
    sorted(Path(__file__).resolve().parents[2].glob("SpectBoneMetSeg*/Resources/UI/*.ui")),
    ids=lambda one: one.stem,
)
def test_every_control_of_a_panel_has_a_help_text(path):
    from xml.etree import ElementTree

    controls = [widget for widget in ElementTree.parse(path).iter("widget") if widget.get("class") in TOLD]
    assert controls
    silent = {one.get("name") for one in controls if one.find("property[@name='toolTip']") is None}
    assert silent - TOLD_BY_PANEL == set()
