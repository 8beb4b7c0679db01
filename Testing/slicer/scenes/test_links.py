"""Table, slice views, box and Segment Editor in the test host: one shows what is done in the other."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.host import VIEWS
from slicerhost.panel import stands_out

pytest_plugins = ["slicerhost.fixtures"]


def test_selecting_a_row_brings_the_lesion_into_the_views(host, a_read_panel):
    a_read_panel.ui.lesionTable.selectRow(1)
    right, _, superior = a_read_panel.live.reading.lesions[1].centroid
    for name in VIEWS[:2]:
        place = host.slice_logics[name].GetSliceNode().GetSliceToRAS()
        assert place.GetElement(0, 3) == pytest.approx(right)
        assert place.GetElement(2, 3) == pytest.approx(superior)
    editor = a_read_panel.ui.segmentEditor.mrmlSegmentEditorNode()
    assert editor.GetSelectedSegmentID() == a_read_panel.live.segment_of(2)


def test_a_click_on_a_lesion_selects_its_row(a_read_panel):
    from SpectBoneMetSegLib.scan.planar import to_ras

    live, ui = a_read_panel.live, a_read_panel.ui
    ui.lesionTable.selectRow(0)
    second = np.argwhere(live.reading.mask > 0)
    ids = live.lesion_at(to_ras(second[-1:], live.result.scan.frame)[0])
    a_read_panel.selection.onClickedInView(to_ras(second[-1:], live.result.scan.frame)[0])
    assert ui.lesionTable.currentRow() == ids.id - 1 > 0
    a_read_panel.selection.onClickedInView((0.0, 0.0, 5000.0))
    assert ui.lesionTable.currentRow() == ids.id - 1


def test_the_segment_selected_in_the_editor_is_the_row_in_the_table(a_read_panel):
    live, ui = a_read_panel.live, a_read_panel.ui
    editor = ui.segmentEditor.mrmlSegmentEditorNode()
    centers = []
    for lesion in (2, 1):
        editor.SetSelectedSegmentID(live.segment_of(lesion))
        assert ui.lesionTable.currentRow() == lesion - 1
        centers.append(stands_out(live))
    assert centers == [2, 1]


def test_arrow_keys_select_the_lesions_one_after_another(host, a_read_panel):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    table, live = a_read_panel.ui.lesionTable, a_read_panel.live
    table.selectRow(0)
    QTest.keyClick(table, Qt.Key_Down)
    assert table.currentRow() == 1
    assert stands_out(live) == 2
    assert a_read_panel.ui.segmentEditor.mrmlSegmentEditorNode().GetSelectedSegmentID() == live.segment_of(2)
    place = host.slice_logics["SpectAnterior"].GetSliceNode().GetSliceToRAS()
    assert place.GetElement(2, 3) == pytest.approx(live.reading.lesions[1].centroid[2])
    QTest.keyClick(table, Qt.Key_Up)
    assert stands_out(live) == 1
    a_read_panel.ui.thresholdSlider.value = 0.55
    assert stands_out(live) == table.currentRow() + 1


def test_the_box_shows_what_was_read_and_a_moved_box_is_read_instead(a_read_panel, until):
    live, ui = a_read_panel.live, a_read_panel.ui
    box = a_read_panel._parameterNode.box
    bounds = [0.0] * 6
    box.GetRASBounds(bounds)
    rows = live.result.crop.rows
    assert bounds[5] - bounds[4] == pytest.approx((rows[1] - rows[0]) * live.result.scan.frame.spacing[0])
    right, anterior, superior = box.GetCenter()
    box.SetCenter((right, anterior, superior - 10 * live.result.scan.frame.spacing[0]))
    ui.useBoxCheckBox.setChecked(True)
    ui.applyButton.click()
    until(lambda: not a_read_panel.logic.busy)
    assert a_read_panel.live.result.crop.method == "manual"
    assert a_read_panel.live.result.crop.rows == (rows[0] + 10, rows[1] + 10)
    assert a_read_panel._parameterNode.box is box


def test_the_thorax_box_can_be_shown_and_moved_before_the_first_reading(a_loaded_panel, until):
    ui, parameters = a_loaded_panel.ui, a_loaded_panel._parameterNode
    assert parameters.box is None
    ui.useBoxCheckBox.setChecked(True)
    box = parameters.box
    assert not box.GetLocked()
    assert box.GetDisplayNode().GetHandlesInteractive()
    bounds = [0.0] * 6
    box.GetRASBounds(bounds)
    right, anterior, superior = box.GetCenter()
    box.SetCenter((right, anterior, superior - 22.6))
    ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    crop = a_loaded_panel.live.result.crop
    assert crop.method == "manual"
    assert parameters.box is box
    ui.useBoxCheckBox.setChecked(False)
    assert box.GetLocked()
    assert not box.GetDisplayNode().GetHandlesInteractive()
    ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    found = a_loaded_panel.live.result.crop
    assert found.method == "profiles"
    spacing = a_loaded_panel.live.result.scan.frame.spacing[0]
    # What was shown before the first reading is what a reading finds.
    assert bounds[5] - bounds[4] == pytest.approx((found.rows[1] - found.rows[0]) * spacing)
    assert crop.rows == (found.rows[0] + 10, found.rows[1] + 10)


def test_the_posterior_view_can_be_shown_from_the_front(host, a_read_panel):
    place = host.slice_logics["SpectPosterior"].GetSliceNode().GetSliceToRAS()
    assert place.GetElement(0, 0) == 1.0
    a_read_panel.ui.fromFrontCheckBox.setChecked(True)
    assert place.GetElement(0, 0) == -1.0
    a_read_panel.ui.fromFrontCheckBox.setChecked(False)
    assert place.GetElement(0, 0) == 1.0


def test_the_segment_editor_does_not_change_the_picture_of_any_view(host, a_read_panel):
    scene = host.slicer.mrmlScene
    composites = {name: scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in VIEWS}
    own = {name: composite.GetBackgroundVolumeID() for name, composite in composites.items()}
    assert len(set(own.values())) == 3
    a_read_panel.ui.segmentEditor.setActiveEffectByName("Paint")
    # A person opens one view alone and returns.
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    before = layout.GetViewArrangement()
    layout.SetViewArrangement(9569)
    layout.SetViewArrangement(before)
    assert {name: composite.GetBackgroundVolumeID() for name, composite in composites.items()} == own


def test_another_layout_before_the_first_reading_does_no_harm(host, panel):
    panel.enter()
    layout = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    for arrangement in (9568, 9569):
        layout.SetViewArrangement(arrangement)
    assert layout.GetViewArrangement() == 9569
    panel.exit()


def test_a_scene_saved_with_our_layout_finds_it_before_the_panel_was_opened(host, monkeypatch):
    scene, layout = host.slicer.vtkMRMLScene(), host.slicer.vtkMRMLLayoutNode()
    scene.AddNode(layout)
    monkeypatch.setattr(host.slicer, "mrmlScene", scene)
    host.slicer.app.emit("startupCompleted()")
    assert all(layout.IsLayoutDescription(number) for number in (9567, 9568, 9569, 9570, 9571))
    # The letters are to follow the views of the host's own scene again.
    monkeypatch.undo()
    host.slicer.app.emit("startupCompleted()")


def test_letters_follow_a_view_that_came_after_the_panel(host, a_loaded_panel):
    from SpectBoneMetSegLib.mrml.side_marks import marks_of

    views, node = a_loaded_panel.views, host.slice_logics["SpectPosterior"].GetSliceNode()
    views.removeObservers()
    views.show(a_loaded_panel.chosen.views)
    marks = marks_of(node, host.slicer.mrmlScene)
    before = marks.GetNthControlPointPositionWorld(0)
    node.JumpSliceByCentering(*(value + 100 for value in before))
    assert marks.GetNthControlPointPositionWorld(0) != before


def test_clicks_reach_a_view_that_came_after_the_panel_once_and_only_while_it_is_open(host, a_loaded_panel):
    crosshair = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair = crosshair or host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionRAS((1.0, 2.0, 3.0))
    views, heard = a_loaded_panel.views, []
    views.onClicked = heard.append

    def click():
        heard.clear()
        host.layout.sliceWidget("SpectAnterior").sliceView().interactor().InvokeEvent("LeftButtonPressEvent")
        return len(heard)

    a_loaded_panel.enter()
    for _ in range(2):
        views.show(a_loaded_panel.chosen.views)
        assert click() == 1
    a_loaded_panel.exit()
    views.show(a_loaded_panel.chosen.views)
    assert click() == 0


def test_the_segment_editor_edits_nothing_without_a_reading(host, a_read_panel):
    editor = a_read_panel.ui.segmentEditor
    assert editor.segmentationNode() is a_read_panel.live.node
    a_read_panel.ui.segmentationSelector.setCurrentNode(None)
    assert a_read_panel.live is None
    assert editor.segmentationNode() is None


def test_the_third_view_shows_the_aggregate(host, a_read_panel):
    composite = host.slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeSpectSum")
    shown = host.slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID())
    np.testing.assert_allclose(host.slicer.util.arrayFromVolume(shown)[0], a_read_panel.live.reading.aggregate)


def test_the_panels_choices_survive_saving_and_loading_the_scene(host, a_read_panel, tmp_path):
    ui = a_read_panel.ui
    ui.useBoxCheckBox.setChecked(True)
    ui.fromFrontCheckBox.setChecked(True)
    box = a_read_panel._parameterNode.box.GetCenter()
    host.save_scene(tmp_path / "s.mrb")
    host.clear()
    assert not ui.useBoxCheckBox.checked
    assert not ui.fromFrontCheckBox.checked
    host.load_scene(tmp_path / "s.mrb")
    assert ui.useBoxCheckBox.checked
    assert ui.fromFrontCheckBox.checked
    assert not a_read_panel.views.fromBehind
    assert a_read_panel._parameterNode.box.GetCenter() == pytest.approx(box)
    assert ui.deviceSelector.currentData == "cpu"
