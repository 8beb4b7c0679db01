"""The module in the test host: what a person does with the panel, and what may go wrong meanwhile."""

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "host"))
pytest_plugins = ["slicerhost.fixtures"]

SAMPLE = Path(__file__).resolve().parents[1] / "Resources" / "Sample" / "simulated_scan.dcm"


@pytest.fixture
def a_loaded_panel(panel, load_sample):
    volumes = load_sample().volumes
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    panel.ui.posteriorSelector.setCurrentNode(volumes["posterior"])
    return panel


@pytest.fixture
def a_read_panel(a_loaded_panel, until):
    a_loaded_panel.ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert a_loaded_panel.live is not None, a_loaded_panel.ui.statusLabel.text
    return a_loaded_panel


def table_of(panel, *columns):
    table = panel.ui.lesionTable
    return [tuple(table.item(row, column).text() for column in columns) for row in range(table.rowCount)]


def all_nodes(host):
    """How many nodes of each class the scene has."""
    scene = host.slicer.mrmlScene
    return Counter(scene.GetNthNode(index).GetClassName() for index in range(scene.GetNumberOfNodes()))


def curve_areas(live):
    from SpectBoneMetSegLib.scene_live import outlines_of

    areas = []
    for curve in outlines_of(live.node):
        points = np.array([curve.GetNthControlPointPositionWorld(i) for i in range(curve.GetNumberOfControlPoints())])
        x, z = points[:, 0], points[:, 2]
        areas.append(abs(np.dot(x, np.roll(z, -1)) - np.dot(z, np.roll(x, -1))) / 2)
    return areas


def assert_all_agree(panel):
    """Segments, outlines, table and reading say the same."""
    live = panel.live
    lesions = live.reading.lesions
    assert table_of(panel, 1) == [(f"{lesion.area_mm2 / 100:.2f}",) for lesion in lesions]
    np.testing.assert_allclose(curve_areas(live), [lesion.area_mm2 for lesion in lesions], rtol=1e-6)
    labels, _ = live._labels()
    np.testing.assert_array_equal(labels > 0, live.reading.mask > 0)


def erase(live, lesion):
    """What the eraser of the Segment Editor does: change the shared labelmap and tell."""
    import slicer
    from vtkmodules.util.numpy_support import vtk_to_numpy

    segmentation = live.node.GetSegmentation()
    segment = segmentation.GetSegment(live.segment_of(lesion))
    image = segment.GetRepresentation("Binary labelmap")
    pixels = vtk_to_numpy(image.GetPointData().GetScalars())
    pixels[pixels == segment.GetLabelValue()] = 0
    image.Modified()
    segmentation.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)


def test_a_person_reads_a_scan_from_file_to_saved_results(host, a_read_panel, until, tmp_path):
    panel = a_read_panel
    assert panel.ui.applyButton.text == "Apply"
    assert "Done in" in panel.ui.statusLabel.text
    assert panel.ui.deviceLabel.text == "tensorflow, CPU"
    assert panel.ui.thresholdSlider.value == 0.5
    assert panel.ui.minimumAreaSlider.value == 0.6
    count = panel.ui.lesionTable.rowCount
    assert count >= 2
    assert_all_agree(panel)

    area = panel.live.reading.mask.sum()
    panel.ui.thresholdSlider.value = 0.6
    assert 0 < panel.live.reading.mask.sum() < area
    assert not panel.live.edited
    assert_all_agree(panel)
    panel.ui.thresholdSlider.value = 0.5
    assert panel.ui.lesionTable.rowCount == count
    panel.ui.minimumAreaSlider.value = 5.0
    assert panel.ui.lesionTable.rowCount < count
    panel.ui.minimumAreaSlider.value = 0.6
    assert panel.ui.lesionTable.rowCount == count

    panel.table.table.cellWidget(1, 2).setCurrentIndex(1)
    panel.table.table.cellWidget(1, 3).setCurrentIndex(3)
    panel.table.table.cellWidget(2, 2).setCurrentIndex(2)
    erase(panel.live, 1)
    assert panel.ui.lesionTable.rowCount == count - 1
    assert panel.live.edited
    assert "Edited by hand" in panel.ui.summaryLabel.text
    assert_all_agree(panel)
    decisions = [(review.decision, review.character) for review in panel.live.reviews().values()]
    assert decisions[:2] == [("accepted", "malignant"), ("rejected", "")]

    before = table_of(panel, 0, 1, 4, 5, 6, 7)
    areas = curve_areas(panel.live)
    host.save_scene(tmp_path / "reading.mrb")
    host.clear()
    assert panel.ui.lesionTable.rowCount == 0
    assert panel.live is None
    host.load_scene(tmp_path / "reading.mrb")
    assert table_of(panel, 0, 1, 4, 5, 6, 7) == before
    np.testing.assert_allclose(curve_areas(panel.live), areas, rtol=1e-6)
    assert [(review.decision, review.character) for review in panel.live.reviews().values()] == decisions
    assert panel.live.edited
    assert panel.ui.thresholdSlider.value == 0.5
    assert panel.ui.minimumAreaSlider.value == 0.6
    assert panel.ui.modelSelector.currentText.endswith("tiny")
    assert_all_agree(panel)

    panel.ui.outputPath.currentPath = str(tmp_path / "out")
    panel.ui.saveButton.click()
    saved = tmp_path / "out" / "simulated_scan"
    assert (saved / "overview.png").is_file()
    rows = (saved / "lesions.csv").read_text().splitlines()
    assert len(rows) == 1 + len(before) - 1  # the header, all but the rejected one

    panel.ui.resetButton.click()
    assert panel.ui.lesionTable.rowCount == count
    assert not panel.live.edited
    assert {review.decision for review in panel.live.reviews().values()} == {"open"}
    assert_all_agree(panel)


def test_selecting_a_row_brings_the_lesion_into_the_views(host, a_read_panel):
    a_read_panel.ui.lesionTable.selectRow(1)
    right, _, superior = a_read_panel.live.reading.lesions[1].centroid
    for name in ("Red", "Yellow"):
        place = host.slice_logics[name].GetSliceNode().GetSliceToRAS()
        assert place.GetElement(0, 3) == pytest.approx(right)
        assert place.GetElement(2, 3) == pytest.approx(superior)
    editor = a_read_panel.ui.segmentEditor.mrmlSegmentEditorNode()
    assert editor.GetSelectedSegmentID() == a_read_panel.live.segment_of(2)


def test_a_second_apply_replaces_the_first_result_in_the_same_segmentation(host, a_read_panel, until):
    from slicerhost.fixtures import nodes_of

    first, count = a_read_panel.live.node, a_read_panel.ui.lesionTable.rowCount
    nodes = all_nodes(host)
    erase(a_read_panel.live, 1)
    a_read_panel.ui.applyButton.click()
    until(lambda: not a_read_panel.logic.busy)
    assert a_read_panel.live.node is first
    assert not a_read_panel.live.edited
    assert a_read_panel.ui.lesionTable.rowCount == count
    assert nodes_of(host, "vtkMRMLSegmentationNode") == [first]
    assert all_nodes(host) == nodes
    assert_all_agree(a_read_panel)


def test_apply_becomes_cancel_and_cancel_leaves_a_panel_that_works(a_loaded_panel, until):
    ui = a_loaded_panel.ui
    ui.applyButton.click()
    assert ui.applyButton.text == "Cancel"
    child = a_loaded_panel.logic.worker.pid
    ui.applyButton.click()
    assert ui.applyButton.text == "Apply"
    assert a_loaded_panel.logic.worker.pid != child
    assert ui.statusLabel.text == "Cancelled."
    ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert ui.lesionTable.rowCount >= 2


def test_closing_the_scene_in_the_middle_stops_the_reading(host, a_loaded_panel):
    from slicerhost.fixtures import nodes_of

    a_loaded_panel.ui.applyButton.click()
    child = a_loaded_panel.logic.worker.pid
    host.clear()
    assert not a_loaded_panel.logic.busy
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert a_loaded_panel.ui.applyButton.text == "Apply"
    assert not a_loaded_panel.ui.applyButton.enabled
    assert nodes_of(host, "vtkMRMLSegmentationNode") == []


def test_a_killed_worker_is_told_and_the_next_apply_works(a_loaded_panel, until):
    ui = a_loaded_panel.ui
    ui.applyButton.click()
    os.kill(a_loaded_panel.logic.worker.pid, signal.SIGKILL)
    until(lambda: not a_loaded_panel.logic.busy)
    assert "ended unexpectedly (SIGKILL)" in ui.statusLabel.text
    assert ui.lesionTable.rowCount == 0
    ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert ui.lesionTable.rowCount >= 2


def test_a_removed_volume_is_told_when_the_result_comes(host, a_loaded_panel, until):
    a_loaded_panel.ui.applyButton.click()
    host.slicer.mrmlScene.RemoveNode(a_loaded_panel.ui.posteriorSelector.currentNode())
    until(lambda: not a_loaded_panel.logic.busy)
    assert "was removed while it was read" in a_loaded_panel.ui.statusLabel.text


def test_declined_packages_are_told_and_nothing_starts(host, a_loaded_panel, monkeypatch):
    monkeypatch.setattr(host.slicer.packaging, "pretend_missing", {"tensorflow"})
    a_loaded_panel.ui.applyButton.click()
    assert "Packages are missing" in a_loaded_panel.ui.statusLabel.text
    assert not a_loaded_panel.logic.busy
    a_loaded_panel.logic.worker.close()
    a_loaded_panel.enter()
    assert not a_loaded_panel.logic.worker.running


def test_an_unknown_model_is_told_in_one_sentence(a_loaded_panel, until):
    a_loaded_panel.ui.modelSelector.setCurrentText("unheard-of")
    a_loaded_panel.ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert "There is no model 'unheard-of'" in a_loaded_panel.ui.statusLabel.text


def test_a_view_in_the_wrong_place_is_refused(a_loaded_panel):
    ui = a_loaded_panel.ui
    ui.anteriorSelector.setCurrentNode(ui.posteriorSelector.currentNode())
    ui.applyButton.click()
    assert "does not lie in the patient as the anterior view does" in ui.statusLabel.text


def test_a_file_can_be_loaded_from_the_panel(panel):
    panel.ui.scanPath.currentPath = str(SAMPLE)
    panel.ui.loadButton.click()
    assert panel.ui.anteriorSelector.currentNode().GetName() == "simulated_scan anterior"
    assert panel.ui.posteriorSelector.currentNode().GetName() == "simulated_scan posterior"
    assert panel.ui.applyButton.enabled
    panel.ui.scanPath.currentPath = "nowhere.dcm"
    panel.ui.loadButton.click()
    assert "nowhere.dcm does not exist" in panel.ui.statusLabel.text


def test_a_reading_goes_on_while_another_module_is_open(a_loaded_panel, until):
    a_loaded_panel.ui.applyButton.click()
    a_loaded_panel.exit()
    until(lambda: not a_loaded_panel.logic.busy)
    count = a_loaded_panel.ui.lesionTable.rowCount
    assert count >= 2
    erase(a_loaded_panel.live, 1)
    a_loaded_panel.enter()
    assert a_loaded_panel.ui.lesionTable.rowCount == count - 1
    assert_all_agree(a_loaded_panel)


def test_scripts_read_without_the_panel(logic, tiny_model, tmp_path):
    volumes = logic.loadScan(SAMPLE)
    steps = []
    logic.onProgress = lambda event: steps.append(event.step)
    live = logic.process(volumes["anterior"], volumes["posterior"], model=str(tiny_model), device="cpu")
    assert len(live.reading.lesions) >= 2
    assert live.save(tmp_path).joinpath("receipt.json").is_file()
    assert "network" in steps
    assert live.result.receipt["inputs"][0]["sop_instance_uid"]
    alone = logic.process(None, volumes["posterior"], model=str(tiny_model), device="cpu")
    assert set(alone.result.probabilities) == {"posterior"}


def test_a_folder_is_read_study_by_study_and_the_scene_stays_as_it_is(host, logic, tiny_model, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "one.dcm").write_bytes(SAMPLE.read_bytes())
    (scans / "broken.dcm").write_bytes(b"nothing")
    before = host.slicer.mrmlScene.GetNumberOfNodes()
    outcome = logic.processFolder(scans, tmp_path / "out", model=str(tiny_model), device="cpu")
    assert outcome["one.dcm"] == str(tmp_path / "out" / "one")
    assert (tmp_path / "out" / "one" / "lesions.csv").is_file()
    assert "broken.dcm" in outcome["broken.dcm"]
    assert host.slicer.mrmlScene.GetNumberOfNodes() == before


def test_the_sample_study_is_offered_as_sample_data(host):
    from SampleData import SampleDataLogic

    source = next(entry for entry in SampleDataLogic.sources if entry["sampleName"] == "SimulatedBoneScan")
    volumes = source["customDownloader"](None)
    assert [volume.GetName() for volume in volumes] == ["simulated_scan anterior", "simulated_scan posterior"]


def test_the_modules_own_test_passes_in_the_host(host):
    host.module.SpectBoneMetSegTest().runTest()


def test_a_click_on_a_lesion_selects_its_row(a_read_panel):
    from SpectBoneMetSegLib.outlines import to_ras

    live, ui = a_read_panel.live, a_read_panel.ui
    ui.lesionTable.selectRow(0)
    second = np.argwhere(live.reading.mask > 0)
    ids = live.lesion_at(to_ras(second[-1:], live.result.scan.frame)[0])
    a_read_panel.onViewClicked(to_ras(second[-1:], live.result.scan.frame)[0])
    assert ui.lesionTable.currentRow() == ids.id - 1 > 0
    a_read_panel.onViewClicked((0.0, 0.0, 5000.0))
    assert ui.lesionTable.currentRow() == ids.id - 1


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


def test_the_posterior_view_can_be_looked_at_from_the_front(host, a_read_panel):
    place = host.slice_logics["Yellow"].GetSliceNode().GetSliceToRAS()
    assert place.GetElement(0, 0) == 1.0
    a_read_panel.ui.fromFrontCheckBox.setChecked(True)
    assert place.GetElement(0, 0) == -1.0
    a_read_panel.ui.fromFrontCheckBox.setChecked(False)
    assert place.GetElement(0, 0) == 1.0


def test_the_third_view_shows_the_aggregate(host, a_read_panel):
    composite = host.slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeGreen")
    shown = host.slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID())
    np.testing.assert_allclose(host.slicer.util.arrayFromVolume(shown)[0], a_read_panel.live.reading.aggregate)


def test_a_rejected_lesion_is_drawn_faintly_until_it_is_accepted(a_read_panel):
    from SpectBoneMetSegLib.scene_live import outlines_of

    def opacities():
        return [curve.GetDisplayNode().GetOpacity() for curve in outlines_of(a_read_panel.live.node)]

    choice = a_read_panel.ui.lesionTable.cellWidget(1, 2)
    choice.setCurrentIndex(2)
    assert opacities()[0] == 1.0
    assert opacities()[1] < 0.5
    choice.setCurrentIndex(1)
    assert set(opacities()) == {1.0}


def test_a_gpu_that_is_not_there_is_told(a_loaded_panel, until):
    from SpectBoneMetSegLib.engines import import_tensorflow

    if import_tensorflow().config.list_physical_devices("GPU"):
        pytest.skip("this computer has a GPU")
    selector = a_loaded_panel.ui.deviceSelector
    selector.setCurrentIndex(selector.findData("gpu"))
    a_loaded_panel.ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert "no GPU" in a_loaded_panel.ui.statusLabel.text
    assert a_loaded_panel.live is None


def test_a_slider_moved_by_a_scene_that_is_read_leaves_the_edits_alone(host, a_read_panel):
    erase(a_read_panel.live, 1)
    rows = table_of(a_read_panel, 0, 1)
    host.slicer.mrmlScene.StartState(host.slicer.mrmlScene.ImportState)
    a_read_panel.ui.thresholdSlider.value = 0.8
    host.slicer.mrmlScene.EndState(host.slicer.mrmlScene.ImportState)
    assert table_of(a_read_panel, 0, 1) == rows
    assert a_read_panel.ui.thresholdSlider.value == 0.5
