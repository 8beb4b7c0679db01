"""Two scans in one scene of the test host: nothing of one may be taken for the other's."""

import json
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.fixtures import SAMPLE, nodes_of
from slicerhost.panel import all_nodes, assert_all_agree, erase, table_of

pytest_plugins = ["slicerhost.fixtures"]


@pytest.fixture(scope="session")
def other_scan(tmp_path_factory):
    """The sample study moved by 30 rows, as another patient's."""
    dataset = pydicom.dcmread(SAMPLE)
    dataset.decompress()
    dataset.PixelData = np.roll(dataset.pixel_array, 30, axis=1).tobytes()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.2.1143.77"
    path = tmp_path_factory.mktemp("other") / "other.dcm"
    dataset.save_as(path)
    return path


def load(panel, path):
    panel.ui.scanPath.currentPath = str(path)
    panel.ui.loadButton.click()
    return panel._parameterNode.anteriorVolume, panel._parameterNode.posteriorVolume


def read(panel, until):
    panel.ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert panel.live is not None, panel.ui.statusLabel.text
    return panel.live.node


def chosen(panel):
    parameters = panel._parameterNode
    return parameters.anteriorVolume, parameters.posteriorVolume, parameters.segmentation


def shown(host):
    scene = host.slicer.mrmlScene
    composites = [scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in ("SpectAnterior", "SpectPosterior")]
    return [scene.GetNodeByID(node.GetBackgroundVolumeID() or "none") for node in composites]


def seen(node):
    """Whether a segmentation and its outlines are visible."""
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    found = {bool(part.GetDisplayNode().GetVisibility()) for part in (node, *outlines_of(node))}
    assert len(found) == 1
    return found.pop()


@pytest.fixture
def two_readings(host, panel, until, other_scan):
    """The panel with both scans read: ((anterior, posterior, segmentation) of the sample, of the other one)."""
    first = (*load(panel, SAMPLE), read(panel, until))
    second = (*load(panel, other_scan), read(panel, until))
    return panel, first, second


def test_another_scan_gets_a_reading_of_its_own_and_the_first_one_stays(host, panel, until, other_scan):
    first = (*load(panel, SAMPLE), read(panel, until))
    rows, mask = table_of(panel, 0, 1), panel.live.reading.mask.copy()
    panel.ui.useBoxCheckBox.setChecked(True)
    volumes = load(panel, other_scan)
    assert chosen(panel) == (*volumes, None)
    assert volumes != first[:2]
    assert panel.live is None
    assert panel.ui.lesionTable.rowCount == 0
    assert shown(host) == list(volumes)
    # The box was round the thorax of another patient.
    assert panel._parameterNode.box is None
    assert not panel.ui.useBoxCheckBox.checked
    assert not seen(first[2])
    second = read(panel, until)
    assert second is not first[2]
    assert not np.array_equal(panel.live.reading.mask, mask)
    panel.ui.segmentationSelector.setCurrentNode(first[2])
    assert chosen(panel) == first
    assert shown(host) == list(first[:2])
    assert table_of(panel, 0, 1) == rows
    assert (seen(first[2]), seen(second)) == (True, False)
    assert_all_agree(panel)


def test_a_view_brings_the_other_view_and_the_reading_of_its_scan(host, two_readings):
    panel, first, second = two_readings
    panel.ui.anteriorSelector.setCurrentNode(first[0])
    assert chosen(panel) == first
    assert shown(host) == list(first[:2])
    panel.ui.posteriorSelector.setCurrentNode(second[1])
    assert chosen(panel) == second
    assert panel.live.node is second[2]


def test_one_view_alone_can_be_chosen_and_is_another_scan(host, two_readings, until):
    panel, first, _second = two_readings
    panel.ui.segmentationSelector.setCurrentNode(first[2])
    panel.ui.anteriorSelector.setCurrentNode(None)
    assert chosen(panel) == (None, first[1], None)
    assert shown(host) == [None, first[1]]
    alone = read(panel, until)
    assert set(panel.live.result.probabilities) == {"posterior"}
    assert panel.live.result.scan.anterior is None
    panel.ui.segmentationSelector.setCurrentNode(first[2])
    assert chosen(panel) == first
    panel.ui.segmentationSelector.setCurrentNode(alone)
    assert chosen(panel) == (None, first[1], alone)


def test_a_view_whose_own_partner_exists_is_never_added_to_another_one(host, panel, other_scan):
    one = load(panel, SAMPLE)
    panel.ui.sidesSelector.setCurrentIndex(0)
    other = load(panel, other_scan)
    panel._parameterNode.anteriorVolume = one[0]
    assert chosen(panel)[:2] == one
    panel._parameterNode.posteriorVolume = other[1]
    assert chosen(panel)[:2] == other


def test_views_that_were_loaded_one_by_one_may_be_added_with_a_warning(host, panel, tmp_path, until):
    from SpectBoneMetSegLib.loading import read_scan
    from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

    files = write_nm_wholebody(
        tmp_path / "study", read_scan(SAMPLE), patient_id="P", uid_text="apart", variant="single-files"
    )
    loaded = [load(panel, file) for file in files]
    anterior = next(pair[0] for pair in loaded if pair[0] is not None)
    posterior = next(pair[1] for pair in loaded if pair[1] is not None)
    panel.ui.anteriorSelector.setCurrentNode(anterior)
    panel.ui.posteriorSelector.setCurrentNode(posterior)
    assert chosen(panel)[:2] == (anterior, posterior)
    read(panel, until)
    assert "loaded separately" in panel.ui.warningLabel.text
    assert len(panel.live.result.receipt["inputs"]) == 2


def test_a_scene_with_two_readings_opens_with_the_one_that_was_shown(host, two_readings, tmp_path):
    panel, first, second = two_readings
    panel.ui.segmentationSelector.setCurrentNode(first[2])
    rows = table_of(panel, 0, 1, 7)
    names = [first[2].GetName(), second[2].GetName()]
    host.save_scene(tmp_path / "two.mrb")
    host.load_scene(tmp_path / "two.mrb")
    readings = {node.GetName(): node for node in nodes_of(host, "vtkMRMLSegmentationNode")}
    assert set(readings) == set(names)
    assert panel.live.node is readings[names[0]]
    assert table_of(panel, 0, 1, 7) == rows
    assert [seen(readings[name]) for name in names] == [True, False]
    assert shown(host) == [panel._parameterNode.anteriorVolume, panel._parameterNode.posteriorVolume]
    panel.ui.segmentationSelector.setCurrentNode(readings[names[1]])
    assert_all_agree(panel)
    assert [seen(readings[name]) for name in names] == [False, True]


def items_of(host):
    """The names of all items of the subject hierarchy, in their order."""
    import vtk

    hierarchy = host.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.slicer.mrmlScene)
    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), children, True)
    return [hierarchy.GetItemName(children.GetId(index)) for index in range(children.GetNumberOfIds())]


def test_the_data_tree_holds_what_a_person_looks_for_and_nothing_else(host, panel, load_sample, until):
    volumes = load_sample().volumes
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    before = items_of(host)
    assert not any(name.startswith("Sides") for name in before)
    node = read(panel, until)
    assert f"{node.GetName()} (outlines)" in items_of(host)
    host.slicer.mrmlScene.RemoveNode(node)
    assert set(items_of(host)) - set(before) == {"Region to read"}


def test_a_removed_segmentation_takes_all_that_belongs_to_it_along(host, panel, until):
    load(panel, SAMPLE)
    before = all_nodes(host)
    node = read(panel, until)
    host.slicer.mrmlScene.RemoveNode(node)
    assert panel.live is None
    assert panel.ui.lesionTable.rowCount == 0
    kept = {
        "vtkMRMLSegmentEditorNode",
        "vtkMRMLSubjectHierarchyNode",
        "vtkMRMLMarkupsROINode",
        "vtkMRMLMarkupsROIDisplayNode",
    }
    left = all_nodes(host) - before
    assert {name: count for name, count in left.items() if name not in kept and "Sides" not in name} == {
        # The letters of the third view.
        "vtkMRMLMarkupsFiducialNode": 1,
        "vtkMRMLMarkupsFiducialDisplayNode": 1,
        # The segmentation's own display node, which Slicer leaves in the scene.
        "vtkMRMLSegmentationDisplayNode": 1,
    }
    read(panel, until)
    assert_all_agree(panel)


def test_a_cancelled_reading_leaves_nothing_behind(host, panel):
    load(panel, SAMPLE)
    before = all_nodes(host)
    for _ in range(2):
        panel.ui.applyButton.click()
        panel.ui.applyButton.click()
    assert all_nodes(host) == before


def test_results_lie_in_the_study_of_the_scan(host, panel, load_sample, until):
    volumes = load_sample().volumes
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    node = read(panel, until)
    hierarchy = host.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.slicer.mrmlScene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volumes["anterior"]))
    assert hierarchy.GetItemLevel(study) == "Study"
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    for part in (node, node.GetNodeReference("aggregateCounts"), volumes["posterior"]):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(part)) == study
    folders = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(curve)) for curve in outlines_of(node)}
    assert len(folders) == 1
    assert hierarchy.GetItemParent(folders.pop()) == study


def test_outlines_have_names_and_colours_of_their_segments_whatever_is_edited(host, panel, until):
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    load(panel, SAMPLE)
    read(panel, until)

    def appearances():
        curves = outlines_of(panel.live.node)
        live = panel.live
        for lesion, curve in enumerate(curves, start=1):
            assert curve.GetName() == live.name_of(lesion)
            assert curve.GetDisplayNode().GetSelectedColor() == pytest.approx(live.color_of(lesion))
        return [curve.GetName() for curve in curves]

    names = appearances()
    erase(panel.live, 1)
    assert appearances() == names[1:]
    panel.live.node.GetSegmentation().GetSegment(panel.live.segment_of(1)).SetName("Rib")
    panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)
    assert appearances()[0] == "Rib"
    panel.ui.thresholdSlider.value = 0.6
    appearances()


def test_results_of_another_scan_of_the_same_name_are_not_overwritten(host, panel, until, other_scan, tmp_path):
    twin = tmp_path / "twin" / SAMPLE.name
    twin.parent.mkdir()
    twin.write_bytes(other_scan.read_bytes())
    load(panel, SAMPLE)
    read(panel, until)
    panel.ui.outputPath.currentPath = str(tmp_path / "out")
    panel.ui.saveButton.click()
    receipt = tmp_path / "out" / SAMPLE.stem / "receipt.json"
    before = receipt.read_bytes()
    panel.ui.saveButton.click()
    assert "Saved in" in panel.ui.statusLabel.text
    load(panel, twin)
    read(panel, until)
    panel.ui.saveButton.click()
    assert "holds the results of another scan" in panel.ui.statusLabel.text
    assert json.loads(receipt.read_bytes())["inputs"] == json.loads(before)["inputs"]


def test_the_panel_begins_with_the_scan_that_was_loaded_last(host, load_sample, panel):
    panel.setParameterNode(None)
    volumes = load_sample().volumes
    panel.enter()
    assert chosen(panel) == (volumes["anterior"], volumes["posterior"], None)
    panel.exit()
