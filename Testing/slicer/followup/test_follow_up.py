"""The section Follow-up in the test host: both scans in views of their own, and the open reading as it was."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.fixtures import SAMPLE, nodes_of
from slicerhost.many import earlier_study
from slicerhost.panel import all_nodes, table_of

pytest_plugins = ["slicerhost.fixtures", "slicerhost.many"]

FOUR = ["SpectThenAnterior", "SpectNowAnterior", "SpectThenPosterior", "SpectNowPosterior"]
OURS = {f"vtkMRMLSliceNode{name}" for name in FOUR}


def compared(section, until, path=None):
    section.ui.followupSection.setCollapsed(False)
    section.ui.earlierPath.currentPath = str(path or section.panel.result)
    section.ui.addEarlierButton.click()
    section.ui.compareButton.click()
    assert section.ui.compareButton.text == "Cancel"
    until(lambda: not section.busy)
    assert section.shown is not None, section.ui.followupStatus.text
    return section


def cells(table, *columns):
    return [tuple(table.item(row, column).text() for column in columns) for row in range(table.rowCount)]


def limits(display):
    return {display.GetNthViewNodeID(place) for place in range(display.GetNumberOfViewNodeIDs())}


def text_of(live):
    """All that a scene file would hold of a reading's nodes, with what is drawn of them."""
    from SpectBoneMetSegLib.mrml.stored_result import counts_of, outlines_of

    parts = [live.node, *outlines_of(live.node), *counts_of(live.node).values()]
    return [str(part.GetDisplayNode()).split("Debug")[0] for part in parts], [
        (part.GetName(), part.GetAttribute("SpectBoneMetSeg.state")) for part in parts
    ]


def windows(live):
    from SpectBoneMetSegLib.mrml.stored_result import counts_of

    displays = [volume.GetDisplayNode() for volume in counts_of(live.node).values()]
    return [
        (display.GetWindowLevelMin(), display.GetWindowLevelMax(), display.GetColorNodeID()) for display in displays
    ]


def place(host, view):
    matrix = host.slice_logics[view].GetSliceNode().GetSliceToRAS()
    return matrix.GetElement(0, 3), matrix.GetElement(2, 3)


def test_a_comparison_states_the_change_of_every_area_after_the_reviews(host, section, until):
    ui = compared(section, until).ui
    # Rejected in the earlier scan and present today: new. Erased today: gone.
    assert cells(ui.changeTable, 0, 1) == [
        ("1", "stable"), ("2", "gone"), ("3", "stable"), ("4", "stable"), ("5", "new"), ("6", "stable"),
    ]  # fmt: skip
    assert cells(ui.changeTable, 2)[4] == cells(ui.changeTable, 3)[1] == ("",)
    assert "1 new" in ui.legendLabel.text
    assert "1 gone" in ui.legendLabel.text
    # Erasing an area is a review, too.
    assert cells(ui.burdenTable, 0, 2, 4, 5) == [
        ("2022-03-15", "5", "not computable", "partly reviewed"),
        ("2024-01-01", "5", "not computable", "partly reviewed"),
    ]
    # Made-up readings have no bones, which is reported.
    assert "by the body alone" in ui.doubtLabel.text
    assert "physician must confirm" in ui.followupStatus.text


def test_both_scans_are_side_by_side_with_their_days_and_sides_drawn_by_one_rule(host, section, until):
    from SpectBoneMetSegLib.mrml.display_levels import level_of
    from SpectBoneMetSegLib.mrml.side_marks import marks_of
    from SpectBoneMetSegLib.mrml.stored_result import image_pixels

    compared(section, until)
    host.process_events()
    assert host.layout.shown() == FOUR
    words = []
    for view in FOUR:
        marks = marks_of(host.slice_logics[view].GetSliceNode(), host.slicer.mrmlScene)
        words.append(tuple(marks.GetNthControlPointLabel(index) for index in range(3)))
        composite = host.slice_logics[view].GetSliceCompositeNode()
        volume = host.slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID())
        level = level_of(image_pixels(volume.GetImageData()), "body")
        assert volume.GetDisplayNode().GetWindowLevelMax() == pytest.approx(4 * level)
    assert words == [
        ("R", "L", "2022-03-15: Anterior, from the front"),
        ("R", "L", "2024-01-01: Anterior, from the front"),
        ("L", "R", "2022-03-15: Posterior, from behind"),
        ("L", "R", "2024-01-01: Posterior, from behind"),
    ]
    section.ui.bodyLevelSlider.value = 200
    assert volume.GetDisplayNode().GetWindowLevelMax() == pytest.approx(2 * level)


def test_outlines_have_the_colour_and_the_name_of_their_state(host, section, until):
    from SpectBoneMetSegLib.followup.picture import COLORS

    compared(section, until)
    seen = {}
    for node in nodes_of(host, "vtkMRMLSegmentationNode"):
        (view, *others) = limits(node.GetDisplayNode())
        if others:
            continue
        segmentation = node.GetSegmentation()
        for index in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(index)
            number, word = segment.GetName().split()[:2]
            seen.setdefault(view.removeprefix("vtkMRMLSliceNode"), []).append((number, word))
            assert segment.GetColor() == pytest.approx([part / 255 for part in COLORS[word]], abs=1e-6)
    assert ("2", "gone") in seen["SpectThenAnterior"]
    # Where it was, in the later scan, too.
    assert ("2", "gone") in seen["SpectNowPosterior"]
    assert ("5", "new") in seen["SpectNowAnterior"]
    assert ("5", "new") not in seen["SpectThenAnterior"]
    assert len(seen["SpectNowAnterior"]) == 6


def test_the_open_reading_its_nodes_and_its_edits_stay_as_they_were(host, section, until):
    panel = section.panel
    reading, rows, drawn = panel.live.reading, table_of(panel, 0, 1), text_of(panel.live)
    levels, nodes, selected = windows(panel.live), all_nodes(host), panel._parameterNode.segmentation
    compared(section, until)
    assert windows(panel.live) == levels
    assert not limits(panel.live.node.GetDisplayNode()) & OURS
    assert limits(panel.live.node.GetDisplayNode())
    section.ui.backButton.click()
    host.process_events()
    assert host.layout.shown() == ["SpectAnterior", "SpectPosterior", "SpectSum"]
    assert text_of(panel.live) == drawn
    assert panel.live.reading is reading
    assert table_of(panel, 0, 1) == rows
    assert panel._parameterNode.segmentation is selected
    section.forget()
    left = all_nodes(host)
    for kind in ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLSegmentationDisplayNode"):
        assert left[kind] == nodes[kind]
    # The letters of the views stay with their views.
    assert not [each for each in nodes_of(host, "vtkMRMLMarkupsFiducialNode") if each.GetName().startswith("Numbers")]


def test_copies_are_in_no_list_and_in_no_scene_file(host, section, until, tmp_path):
    panel = section.panel
    before = [panel.ui.anteriorSelector.itemText(row) for row in range(panel.ui.anteriorSelector.count)]
    compared(section, until)
    assert [panel.ui.anteriorSelector.itemText(row) for row in range(panel.ui.anteriorSelector.count)] == before
    hierarchy = host.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.slicer.mrmlScene)
    for node in map(host.slicer.mrmlScene.GetNodeByID, section.scans._nodes):
        assert node.GetHideFromEditors()
        assert not hierarchy.GetItemByDataNode(node)
    host.save_scene(tmp_path / "compared.mrb")
    host.load_scene(tmp_path / "compared.mrb")
    assert section.shown is None
    assert not [node for node in nodes_of(host, "vtkMRMLSegmentationNode") if node.GetHideFromEditors()]
    assert panel.live is not None


def test_a_row_centres_its_area_in_both_scans_and_from_there_they_move_together(host, section, until):
    compared(section, until)
    host.process_events()
    row = section.shown.rows[1]
    section.ui.changeTable.selectRow(1)
    for view in FOUR:
        wanted = row.earlier_position if "Then" in view else row.later_position
        assert place(host, view) == pytest.approx(wanted, abs=0.1)
    node = host.slice_logics["SpectThenPosterior"].GetSliceNode()
    node.GetSliceToRAS().SetElement(0, 3, row.earlier_position[0] + 30)
    node.GetSliceToRAS().SetElement(2, 3, row.earlier_position[1] - 50)
    node.UpdateMatrices()
    shifted = (row.earlier_position[0] + 30, row.earlier_position[1] - 50)
    assert place(host, "SpectThenAnterior") == pytest.approx(shifted, abs=0.1)
    carried = section.shown.body(np.array([[30.0, -50.0]])) - section.shown.body(np.zeros((1, 2)))
    assert place(host, "SpectNowAnterior") == pytest.approx(np.asarray(row.later_position) + carried[0], abs=0.2)
    width, height, depth = node.GetFieldOfView()
    node.SetFieldOfView(width / 3, height / 3, depth)
    nodes = [host.slice_logics[view].GetSliceNode() for view in FOUR]
    scales = [each.GetFieldOfView()[1] / each.GetDimensions()[1] for each in nodes]
    assert scales == pytest.approx([scales[2]] * 4, rel=2e-3)


def test_the_same_files_as_the_command_are_saved_and_the_page_opens(host, section, until, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(host.qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    ui = compared(section, until).ui
    ui.saveComparisonButton.click()
    assert "Choose a folder" in ui.followupStatus.text
    ui.comparisonPath.currentPath = str(tmp_path / "kept")
    ui.saveComparisonButton.click()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "comparison.csv", "comparison.html", "comparison.json",
    ]  # fmt: skip
    reported = json.loads((tmp_path / "kept" / "comparison.json").read_text(encoding="utf-8"))
    assert (reported["steps"][0]["from"], reported["steps"][0]["to"]) == ("earlier", "simulated_scan")
    assert [reported["steps"][0][name] for name in ("new", "grown", "stable", "smaller", "gone")] == [1, 0, 4, 0, 1]
    ui.openPageButton.click()
    assert Path(opened[0]).name == "comparison.html"
    assert Path(opened[0]).is_file()
    ui.comparisonPath.currentPath = str(SAMPLE.parent)
    ui.saveComparisonButton.click()
    assert "not an earlier comparison" in ui.followupStatus.text
    folder = Path(opened[0]).parents[1]
    assert not list(folder.glob("*.npz"))
    section.forget()
    assert not folder.exists()


def test_what_is_remembered_of_the_patient_is_offered_and_of_others_is_not(host, section, tmp_path):
    ui = section.ui
    ui.followupSection.setCollapsed(False)
    offered = [ui.knownSelector.itemText(row) for row in range(ui.knownSelector.count)]
    assert offered == ["Choose to add...", "2022-03-15 earlier"]
    ui.knownSelector.setCurrentIndex(1)
    ui.knownSelector.activated.emit(1)
    assert section.earlier.paths == [str(section.panel.result)]
    # Another patient's scan replaced the one that was read.
    earlier_study(tmp_path, patient="somebody else")
    ui.followupSection.setCollapsed(True)
    ui.followupSection.setCollapsed(False)
    assert ui.knownSelector.itemText(0) == "No saved results of this patient"


def test_a_scan_of_another_patient_is_reported(host, section, until, tmp_path):
    from SpectBoneMetSegLib.common.files import sha256_of

    path = earlier_study(tmp_path, patient="somebody else")
    receipt = json.loads((section.panel.result / "receipt.json").read_text())
    receipt["inputs"][0]["sha256"] = sha256_of(path)
    (section.panel.result / "receipt.json").write_text(json.dumps(receipt))
    ui = compared(section, until).ui
    assert "different patients" in ui.doubtLabel.text
    assert "somebody" not in ui.doubtLabel.text


def test_an_earlier_scan_that_was_not_read_is_read_with_the_model_of_the_panel(host, section, until, tmp_path):
    compared(section, until, tmp_path / "earlier.dcm")
    assert len(section.shown.burdens) == 2
    assert section.shown.burdens[0].review == "not reviewed"
    assert "Different models" in section.ui.doubtLabel.text


def test_what_cannot_be_compared_is_reported_in_the_section_and_everything_continues(host, section, until, tmp_path):
    ui = section.ui
    ui.addEarlierButton.click()
    assert "Choose a result folder" in ui.followupStatus.text
    ui.earlierPath.currentPath = str(tmp_path / "nowhere")
    ui.addEarlierButton.click()
    assert "is not there" in ui.followupStatus.text
    assert not ui.compareButton.enabled
    (tmp_path / "earlier.dcm").unlink()
    section.earlier.add(section.panel.result)
    ui.compareButton.click()
    until(lambda: not section.busy)
    assert "no longer there" in ui.followupStatus.text
    assert "#d13438" in ui.followupStatus.styleSheet
    assert ui.compareButton.text == "Compare"
    assert section.shown is None
    assert "SpectThenAnterior" not in host.layout.shown()


def test_any_file_of_a_result_folder_selects_the_folder(section):
    section.ui.earlierPath.currentPath = str(section.panel.result / "lesions.csv")
    section.ui.addEarlierButton.click()
    assert section.earlier.paths == [str(section.panel.result)]
    section.ui.removeEarlierButton.click()
    assert section.earlier.paths == []


def test_a_part_is_not_compared_with_a_whole_body_and_the_remedy_is_named(host, section, until):
    receipt = json.loads((section.panel.result / "receipt.json").read_text())
    receipt["crop"] |= {"method": "profiles", "rows": [100, 500]}
    (section.panel.result / "receipt.json").write_text(json.dumps(receipt))
    section.earlier.add(section.panel.result)
    section.ui.compareButton.click()
    until(lambda: not section.busy)
    assert section.ui.followupStatus.text.endswith("it is then read in the same way as the open scan.")


def test_a_click_in_a_picture_of_another_scan_takes_no_area_of_the_reading(host, section, until):
    panel = compared(section, until).panel
    panel.enter()
    section.ui.sideBySideButton.click()
    heard = [interactor for interactor, tag in panel.views._clicks]
    views = {name: host.layout.sliceWidget(name).sliceView().interactor() for name in host.layout.sliceViewNames()}
    assert views["SpectAnterior"] in heard
    assert not [name for name in FOUR if views[name] in heard]
    panel.exit()


def test_a_scan_is_not_compared_with_itself(host, section, until, tmp_path):
    section.panel.ui.saveButton.click()
    section.earlier.add(tmp_path / "results" / "simulated_scan")
    section.ui.compareButton.click()
    until(lambda: not section.busy)
    assert "same study" in section.ui.followupStatus.text


def test_cancel_ends_the_process_and_leaves_nothing(host, section, until):
    section.earlier.add(section.panel.result)
    section.ui.compareButton.click()
    pid, folder = section._call.pid, section._folder
    section.ui.compareButton.click()
    assert section.ui.followupStatus.text == "Cancelled."
    assert not folder.exists()
    assert not Path(f"/proc/{pid}").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_process_that_cannot_start_leaves_nothing(host, section, monkeypatch, tmp_path):
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegLib.worker import comparing

    def fails(*_):
        raise UserError("PythonSlicer cannot be started (Permission denied); check the installation.")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(comparing, "start_comparison", fails)
    section.earlier.add(section.panel.result)
    with pytest.raises(UserError, match="cannot be started"):
        section.compare()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not section.busy


def test_an_edit_after_the_comparison_is_reported_and_a_tool_works_in_the_readings_own_views(host, section, until):
    panel = compared(section, until).panel
    panel.ui.segmentEditor.setActiveEffectByName("Paint")
    host.process_events()
    assert host.layout.shown() == ["SpectAnterior", "SpectPosterior", "SpectSum"]
    assert not limits(panel.live.node.GetDisplayNode())
    panel.ui.segmentEditor.setActiveEffect(None)
    panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)
    assert "changed since" in section.ui.followupStatus.text
    section.ui.sideBySideButton.click()
    assert host.layout.shown() == FOUR
    # What is drawn anew meanwhile stays out of the compared scans, too.
    panel.ui.thresholdSlider.value = 0.6
    host.process_events()
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    assert not any(limits(curve.GetDisplayNode()) & OURS for curve in outlines_of(panel.live.node))
    assert all(limits(curve.GetDisplayNode()) for curve in outlines_of(panel.live.node))


def test_another_reading_the_end_of_the_scene_and_leaving_the_module_clean_up(host, section, until):
    panel = compared(section, until).panel
    layout = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    panel.enter()
    section.ui.sideBySideButton.click()
    panel.exit()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    assert not limits(panel.live.node.GetDisplayNode())
    panel.enter()
    assert "SpectThenAnterior" not in host.layout.shown()
    section.ui.sideBySideButton.click()
    folder = section._folder
    panel._parameterNode.segmentation = None
    host.process_events()
    assert section.shown is None
    assert section.earlier.paths == []
    assert not folder.exists()
    assert "SpectThenAnterior" not in host.layout.shown()
    assert section.ui.changeTable.rowCount == 0


def test_closing_the_scene_ends_a_comparison_under_way(host, section, until):
    section.earlier.add(section.panel.result)
    section.ui.compareButton.click()
    folder = section._folder
    host.clear()
    assert not section.busy
    assert not folder.exists()
