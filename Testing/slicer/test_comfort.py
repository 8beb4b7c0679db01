"""What users of large extensions expect: review by keys, windows, a log, what is remembered, areas with their units."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))

pytest_plugins = ["slicerhost.fixtures"]


def test_all_lesions_are_reviewed_by_keys_alone(a_read_panel):
    panel = a_read_panel
    panel.enter()
    keys = {shortcut.key.toString(): shortcut for shortcut in panel.keys._keys}
    assert set(keys) == {"Shift+Down", "Shift+Up", "Shift+A", "Shift+R", "Shift+C", "Shift+Z", "Shift+Y"}
    count = panel.ui.lesionTable.rowCount
    keys["Shift+Down"].activated.emit()
    assert panel.table.current == 1
    keys["Shift+Up"].activated.emit()
    assert panel.table.current == count
    keys["Shift+Down"].activated.emit()
    keys["Shift+A"].activated.emit()
    assert panel.table.current == 2
    for _ in range(count - 1):
        keys["Shift+R"].activated.emit()
    decisions = [panel.live.review(lesion.id).decision for lesion in panel.live.reading.lesions]
    assert decisions == ["accepted", *["rejected"] * (count - 1)]
    panel.exit()
    assert panel.keys._keys == []


def test_the_first_accept_shows_the_lesion_before_it_says_anything(a_read_panel):
    a_read_panel.ui.acceptButton.click()
    assert a_read_panel.table.current == 1
    assert a_read_panel.live.review(1).decision == "open"


def test_nothing_starts_before_apply_unless_the_user_wants_it(host, panel, monkeypatch):
    requested = []
    monkeypatch.setattr(panel.logic, "warmUp", lambda *values: requested.append(values))
    panel.enter()
    assert requested == []
    panel.ui.warmCheckBox.checked = True
    assert len(requested) == 1
    other = host.make_widget(host.module)
    assert other.ui.warmCheckBox.checked
    other.cleanup()


def test_the_folder_of_results_is_remembered(host, a_read_panel, tmp_path):
    a_read_panel.ui.outputPath.currentPath = str(tmp_path)
    a_read_panel.ui.saveButton.click()
    other = host.make_widget(host.module)
    assert other.ui.outputPath.currentPath == str(tmp_path)
    other.cleanup()


@pytest.mark.parametrize("reference", ["automatic", "maximum", "body"])
def test_the_upper_level_is_a_percentage_of_the_scans_own(a_loaded_panel, reference):
    from SpectBoneMetSegLib.mrml.display_levels import level_of
    from SpectBoneMetSegLib.mrml.stored_result import image_pixels

    ui = a_loaded_panel.ui
    ui.windowSelector.setCurrentIndex(ui.windowSelector.findData(reference))
    ui.upperLevelSlider.value = 50
    for volume in a_loaded_panel.shownVolumes():
        display = volume.GetDisplayNode()
        expected = level_of(image_pixels(volume.GetImageData()), reference) / 2
        assert display.GetWindowLevelMax() == pytest.approx(expected)
        assert display.GetWindowLevelMin() == 0.0


def test_a_gamma_below_one_darkens_faint_uptake_and_hot_can_be_light(a_loaded_panel):
    ui = a_loaded_panel.ui
    node = a_loaded_panel.shownVolumes()[0].GetDisplayNode()
    assert node.GetColorNode().GetName() == "InvertedGrey"
    ui.gammaSlider.value = 0.5
    color = [0.0] * 4
    node.GetColorNode().GetColor(64, color)
    assert color[0] == pytest.approx(1 - (64 / 255) ** 0.5, abs=0.01)
    ui.inverseCheckBox.checked = False
    node.GetColorNode().GetColor(64, color)
    assert color[0] == pytest.approx((64 / 255) ** 0.5, abs=0.01)
    ui.gammaSlider.value = 1.0
    assert node.GetColorNode().GetName() == "Grey"


def test_levels_of_an_empty_picture_are_no_numbers_that_divide_by_nothing():
    from SpectBoneMetSegLib.mrml.display_levels import REFERENCES, level_of

    assert [level_of(np.zeros((8, 8), np.float32), reference) for reference in REFERENCES] == [1.0, 1.0, 1.0]


def test_areas_become_a_table_with_their_unit_and_no_volume(host, a_read_panel):
    a_read_panel.ui.areaTableButton.click()
    a_read_panel.ui.areaTableButton.click()
    # The curves of a training lie in singleton tables, which outlive the scene that an earlier test closed.
    tables = host.slicer.util.getNodesByClass("vtkMRMLTableNode")
    [node] = [table for table in tables if table.GetSingletonTag() is None]
    table = node.GetTable()
    areas = [table.GetColumnByName("Area").GetValue(row) for row in range(table.GetNumberOfRows())]
    assert areas == pytest.approx([lesion.area_mm2 / 100 for lesion in a_read_panel.live.reading.lesions])
    assert node.GetColumnUnitLabel("Area") == "cm2"
    assert not any("olume" in table.GetColumnName(index) for index in range(table.GetNumberOfColumns()))
    assert node.GetName() in a_read_panel.ui.statusLabel.text


def test_the_log_can_be_copied_with_versions(host, panel):
    panel.ui.scanPath.currentPath = "nowhere.dcm"
    panel.ui.loadButton.click()
    assert "nowhere.dcm does not exist" in panel.ui.logText.plainText
    panel.ui.copyLogButton.click()
    copied = host.qt.QApplication.clipboard().text()
    assert copied.startswith("Slicer 5.12")
    assert "nowhere.dcm does not exist" in copied


def test_the_training_modules_log_holds_the_messages_of_its_sections_and_can_be_copied(host, training_panel, tmp_path):
    panel = training_panel()
    panel.ui.gatherButton.click()
    message = panel.ui.statusLabel.text
    panel.ui.gatherLabel.text = ""
    panel.gather.call.listener(print).onFailed("The labels cannot be stored.")
    assert panel.ui.gatherLabel.text == "The labels cannot be stored."
    panel.result.importFrom(str(tmp_path / "nowhere.zip"))
    panel.ui.copyLogButton.click()
    copied = host.qt.QApplication.clipboard().text()
    assert copied.startswith("Slicer 5.12")
    for sentence in (message, "The labels cannot be stored.", panel.ui.resultLabel.text):
        assert sentence
        assert sentence in panel.ui.logText.plainText
        assert sentence in copied


def test_the_layout_button_brings_back_the_layout_before(host, a_loaded_panel):
    layout = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    a_loaded_panel.ui.layoutButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    a_loaded_panel.ui.showViewsButton.click()
    assert layout.GetViewArrangement() == 9568


def test_both_modules_link_to_their_documents(host):
    for name, document in (("spectbonemetseg", "slicer.md"), ("spectbonemetsegtraining", "teaching.md")):
        text = getattr(host.slicer.modules, name).helpText
        assert f"docs/{document}" in text
        assert 'href="file:///' in text or 'href="https://' in text


def test_commands_are_named_as_they_are_called_in_slicer(host, training_panel):
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.panel_texts import panelWords

    shown = panelWords(UserError("Give a model.", command="models"))
    assert shown == "Give a model (`PythonSlicer -m SpectBoneMetSegLib models`)."
    panel = training_panel()
    panel.showMessage(UserError("Name a training job.", command="jobs list"))
    shown = "Name a training job (`PythonSlicer -m SpectBoneMetSegTrainingLib.cli jobs list`)."
    assert panel.ui.statusLabel.text == shown


@pytest.mark.parametrize(
    ("library", "command"), [("SpectBoneMetSegLib", "segment"), ("SpectBoneMetSegTrainingLib.cli", "gather")]
)
def test_commands_run_where_none_is_on_the_path(library, command):
    import subprocess

    requested = [sys.executable, "-m", library, command, "--help"]
    reported = subprocess.run(requested, capture_output=True, text=True, check=True)
    assert f"spectbonemetseg {command}" in reported.stdout


def test_how_a_scan_is_drawn_is_kept_with_the_scene(host, a_loaded_panel, tmp_path):
    ui = a_loaded_panel.ui
    ui.windowSelector.setCurrentIndex(ui.windowSelector.findData("body"))
    ui.upperLevelSlider.value = 250
    ui.gammaSlider.value = 0.7
    ui.inverseCheckBox.checked = False
    level = a_loaded_panel.shownVolumes()[0].GetDisplayNode().GetWindowLevelMax()
    host.save_scene(tmp_path / "drawn.mrb")
    host.clear()
    assert (ui.windowSelector.currentData, ui.upperLevelSlider.value) == ("automatic", 100)
    assert (ui.gammaSlider.value, ui.inverseCheckBox.checked) == (1.0, True)
    host.load_scene(tmp_path / "drawn.mrb")
    assert (ui.windowSelector.currentData, ui.upperLevelSlider.value) == ("body", 250)
    assert (ui.gammaSlider.value, ui.inverseCheckBox.checked) == (pytest.approx(0.7), False)
    display = a_loaded_panel.shownVolumes()[0].GetDisplayNode()
    assert display.GetWindowLevelMax() == pytest.approx(level)
    color = [0.0] * 4
    display.GetColorNode().GetColor(0, color)
    assert color[:3] == [0.0, 0.0, 0.0]


def test_the_next_scan_is_drawn_as_the_fields_say(host, a_loaded_panel, load_sample):
    ui = a_loaded_panel.ui
    ui.upperLevelSlider.value = 40
    ui.inverseCheckBox.checked = False
    before = a_loaded_panel.shownVolumes()[0]
    level = before.GetDisplayNode().GetWindowLevelMax()
    volumes = load_sample().volumes
    ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    assert a_loaded_panel.shownVolumes()[0] is not before
    for volume in a_loaded_panel.shownVolumes():
        assert volume.GetDisplayNode().GetColorNode().GetName() == "Grey"
    assert a_loaded_panel.shownVolumes()[0].GetDisplayNode().GetWindowLevelMax() == pytest.approx(level)


def test_the_background_of_our_views_is_that_of_a_pixel_without_counts(host, a_loaded_panel):
    view = host.layout.sliceWidget("SpectAnterior").sliceView()
    assert view.backgroundColor.getRgb()[:3] == (255, 255, 255)
    a_loaded_panel.ui.inverseCheckBox.checked = False
    assert view.backgroundColor.getRgb()[:3] == (0, 0, 0)
    a_loaded_panel.ui.gammaSlider.value = 0.5
    assert view.backgroundColor.getRgb()[:3] == (0, 0, 0)
    a_loaded_panel.ui.inverseCheckBox.checked = True
    assert view.backgroundColor.getRgb()[:3] == (255, 255, 255)


def test_both_panels_fit_into_slicers_panel_unfolded_too(host, panel, training_panel):
    from PySide6.QtWidgets import QWidget

    for widget in (panel, training_panel()):
        for part in QWidget.findChildren(widget.parent, QWidget):
            if hasattr(part, "setCollapsed"):
                part.setCollapsed(False)
        widget.parent.show()
        for _ in range(3):
            host.process_events()
        assert QWidget.minimumSizeHint(widget.parent).width() <= 500


def places_without_text(widget):
    """Names of the labels that say nothing and still take a line of the panel."""
    from PySide6.QtWidgets import QLabel

    # A value that stands beside its own label has a line anyway; places of pictures lie in folds of their own.
    known = {"deviceLabel", "readersPicture", "previewPicture"}
    labels = [label for label in widget.parent.findChildren(QLabel) if label.objectName not in {"", *known}]
    return [label.objectName for label in labels if not label.text and label.isVisibleTo(widget.parent)]


def test_a_line_that_says_nothing_takes_no_place_in_the_panels(host, a_loaded_panel, training_panel, until):
    from PySide6.QtWidgets import QWidget

    panel, training = a_loaded_panel, training_panel()
    for widget in (panel, training):
        for part in QWidget.findChildren(widget.parent, QWidget):
            if hasattr(part, "setCollapsed"):
                part.setCollapsed(False)
        assert places_without_text(widget) == []
    # And is there as soon as it says something.
    panel.ui.saveButton.enabled = True
    panel.ui.saveButton.click()
    assert panel.ui.statusLabel.text
    assert panel.ui.statusLabel.isVisibleTo(panel.parent)
    panel.messages.say("")
    assert not panel.ui.statusLabel.isVisibleTo(panel.parent)
    panel.ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert panel.ui.summaryLabel.isVisibleTo(panel.parent)
    training.ui.gatherButton.click()
    assert training.ui.statusLabel.text
    assert training.ui.statusLabel.isVisibleTo(training.parent)
    training.showMessage("")
    assert places_without_text(training) == []
