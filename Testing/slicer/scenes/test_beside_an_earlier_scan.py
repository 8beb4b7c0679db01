"""A scan next to an earlier one: four views with sides and days, drawn alike, and no outline of one over the other."""

import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.fixtures import SAMPLE
from slicerhost.many import open_many_lesions

pytest_plugins = ["slicerhost.fixtures"]

FOUR = ("SpectAnterior", "SpectEarlierAnterior", "SpectPosterior", "SpectEarlierPosterior")
OTHERS = tuple(f"vtkMRMLSliceNode{name}" for name in FOUR if "Earlier" in name)
COUNT = 6


@pytest.fixture(scope="session")
def earlier_scan(tmp_path_factory):
    """The sample study two years before, with half the counts."""
    dataset = pydicom.dcmread(SAMPLE)
    dataset.decompress()
    dataset.PixelData = (np.roll(dataset.pixel_array, 30, axis=1) // 2).astype(dataset.pixel_array.dtype).tobytes()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.2.1143.78"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        dataset.StudyInstanceUID + ".1",
        "1.2.826.0.1.3680043.2.1143.79",
    )
    dataset.StudyDate = dataset.AcquisitionDate = "20220315"
    path = tmp_path_factory.mktemp("earlier") / "earlier.dcm"
    dataset.save_as(path)
    return path


@pytest.fixture
def two_scans(host, panel, earlier_scan):
    """The panel with the sample study chosen and the earlier one in the scene: (panel, earlier volumes)."""
    earlier = panel.logic.loadScan(earlier_scan)
    volumes = panel.logic.loadScan(SAMPLE)
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    assert panel.chosen.views == volumes
    host.process_events()
    return panel, earlier


def shown(host):
    """The volumes in the four views."""
    scene = host.slicer.mrmlScene
    composites = [scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in FOUR]
    return [scene.GetNodeByID(node.GetBackgroundVolumeID() or "none") for node in composites]


def letters(host, view):
    from SpectBoneMetSegLib.mrml.side_marks import marks_of

    marks = marks_of(host.slice_logics[view].GetSliceNode(), host.slicer.mrmlScene)
    return tuple(marks.GetNthControlPointLabel(index) for index in range(3))


def heights(host, view):
    """How far below the upper edge of a view the letters and the line lie, in pixels."""
    import vtk
    from SpectBoneMetSegLib.mrml.side_marks import marks_of

    node, inverse = host.slice_logics[view].GetSliceNode(), vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), inverse)
    marks = marks_of(node, host.slicer.mrmlScene)
    places = [inverse.MultiplyPoint((*marks.GetNthControlPointPositionWorld(index), 1.0)) for index in range(3)]
    return [node.GetDimensions()[1] - place[1] for place in places]


def limits(node):
    """The views in which a segmentation and its outlines are shown; all where the list is empty."""
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    displays = [part.GetDisplayNode() for part in (node, *outlines_of(node))]
    found = {tuple(each.GetNthViewNodeID(place) for place in range(each.GetNumberOfViewNodeIDs())) for each in displays}
    assert len(found) == 1
    return found.pop()


def test_both_scans_are_seen_view_by_view_with_their_sides_and_days(host, two_scans):
    panel, earlier = two_scans
    today = panel.chosen.views
    panel.ui.earlierSelector.setCurrentNode(earlier["posterior"])
    host.process_events()
    assert host.layout.shown() == list(FOUR)
    assert shown(host) == [today["anterior"], earlier["anterior"], today["posterior"], earlier["posterior"]]
    assert letters(host, "SpectAnterior") == ("R", "L", "2024-01-01: Anterior, from the front")
    assert letters(host, "SpectEarlierAnterior") == ("R", "L", "2022-03-15: Anterior, from the front")
    assert letters(host, "SpectPosterior") == ("L", "R", "2024-01-01: Posterior, from behind")
    assert letters(host, "SpectEarlierPosterior") == ("L", "R", "2022-03-15: Posterior, from behind")
    # Next to the letters it would hide the right one in a view as narrow as a quarter of the window.
    assert heights(host, "SpectAnterior") == pytest.approx([24, 24, 46], abs=0.01)
    panel.ui.fromFrontCheckBox.checked = True
    assert letters(host, "SpectEarlierPosterior") == ("R", "L", "2022-03-15: Posterior, from the front")
    panel.ui.earlierSelector.setCurrentNode(None)
    host.process_events()
    assert host.layout.shown() == ["SpectAnterior", "SpectPosterior"]
    assert letters(host, "SpectAnterior") == ("R", "L", "Anterior, from the front")
    assert shown(host)[1::2] == [None, None]


def test_the_layout_before_comes_back_and_the_next_visit_compares_again(host, two_scans):
    panel, earlier = two_scans
    layout = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    panel.ui.earlierSelector.setCurrentNode(earlier["anterior"])
    panel.exit()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    panel.enter()
    assert host.layout.shown() == list(FOUR)
    panel.ui.layoutButton.click()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView


def test_both_scans_are_drawn_by_one_rule(host, two_scans):
    from SpectBoneMetSegLib.mrml.display_levels import level_of
    from SpectBoneMetSegLib.mrml.stored_result import image_pixels

    panel, earlier = two_scans
    panel.ui.upperLevelSlider.value = 60
    panel.ui.earlierSelector.setCurrentNode(earlier["anterior"])
    for volume in (*panel.chosen.views.values(), *earlier.values()):
        level = level_of(image_pixels(volume.GetImageData()), "automatic")
        assert volume.GetDisplayNode().GetWindowLevelMax() == pytest.approx(0.6 * level)
    panel.ui.inverseCheckBox.checked = False
    assert {volume.GetDisplayNode().GetColorNode().GetName() for volume in earlier.values()} == {"Grey"}


def test_outlines_stay_in_the_views_of_their_own_scan(host, two_scans):
    panel, earlier = two_scans
    open_many_lesions(host, panel, earlier, COUNT)
    before = panel.live.node
    panel._parameterNode.segmentation = None
    volumes = panel.logic.loadScan(SAMPLE)
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    open_many_lesions(host, panel, volumes, COUNT)
    node = panel.live.node
    assert node is not before
    panel.ui.earlierSelector.setCurrentNode(earlier["anterior"])
    assert not set(limits(node)) & set(OTHERS)
    assert "vtkMRMLSliceNodeRed" in limits(node)
    assert limits(before) == OTHERS
    assert before.GetDisplayNode().GetVisibility()
    # New outlines of a slider's move stay there, too.
    panel.ui.thresholdSlider.value = 0.9
    panel.ui.thresholdSlider.value = 0.4
    assert len(panel.live.reading.lesions) == COUNT
    assert not set(limits(node)) & set(OTHERS)
    panel.ui.earlierSelector.setCurrentNode(None)
    assert limits(node) == limits(before) == ()
    assert not before.GetDisplayNode().GetVisibility()


def test_a_reading_next_to_an_earlier_scan_is_not_drawn_over_compared_copies(host, two_scans):
    """The follow-up's views lie at the same position; they exist from the first comparison on."""
    from SpectBoneMetSegLib.mrml.compared_scans import ComparedScans
    from SpectBoneMetSegLib.mrml.slice_views import COMPARED, show_compared

    panel, earlier = two_scans
    scene = host.slicer.mrmlScene
    open_many_lesions(host, panel, panel.chosen.views, COUNT)
    node = panel.live.node
    volumes = {
        f"{when} {name}": volume
        for when, views in (("then", earlier), ("now", panel.chosen.views))
        for name, volume in views.items()
    }
    show_compared(volumes, scene)
    copies = {f"vtkMRMLSliceNode{name}" for name in COMPARED.values()}
    assert all(scene.GetNodeByID(view) is not None for view in copies)
    panel.ui.earlierSelector.setCurrentNode(earlier["anterior"])
    host.process_events()
    ComparedScans(scene, str).hide_others()
    assert limits(node)
    assert not set(limits(node)) & copies


def test_zoom_is_common_to_all_four_and_the_position_is_each_views_own(host, two_scans):
    panel, earlier = two_scans
    panel.ui.earlierSelector.setCurrentNode(earlier["anterior"])
    host.process_events()
    nodes = [host.slice_logics[view].GetSliceNode() for view in FOUR]
    scales = [node.GetFieldOfView()[1] / node.GetDimensions()[1] for node in nodes]
    assert scales == pytest.approx([scales[0]] * 4, rel=2e-3)
    places = [node.GetSliceToRAS().GetElement(2, 3) for node in nodes]
    width, height, depth = nodes[1].GetFieldOfView()
    nodes[1].SetFieldOfView(width / 3, height / 3, depth)
    zoomed = [node.GetFieldOfView()[1] / node.GetDimensions()[1] for node in nodes]
    assert zoomed == pytest.approx([scales[0] / 3] * 4, rel=2e-3)
    assert [node.GetSliceToRAS().GetElement(2, 3) for node in nodes] == pytest.approx(places)
    panel.ui.earlierSelector.setCurrentNode(None)
    host.process_events()
    width, height, depth = nodes[0].GetFieldOfView()
    nodes[0].SetFieldOfView(width / 2, height / 2, depth)
    assert nodes[2].GetFieldOfView()[1] == pytest.approx(height)


def test_the_comparison_is_kept_with_the_scene(host, two_scans, tmp_path):
    panel, earlier = two_scans
    panel.enter()
    panel.ui.earlierSelector.setCurrentNode(earlier["anterior"])
    names = [node.GetName() for node in shown(host)]
    host.save_scene(tmp_path / "beside.mrb")
    host.load_scene(tmp_path / "beside.mrb")
    assert panel.ui.earlierSelector.currentNode().GetName() == names[1]
    assert [node.GetName() for node in shown(host)] == names
    assert host.layout.shown() == list(FOUR)


def test_what_is_no_other_scan_is_not_compared_and_two_patients_are_reported(host, two_scans):
    panel, earlier = two_scans
    ui = panel.ui
    ui.earlierSelector.setCurrentNode(panel.chosen.views["posterior"])
    assert "another scan" in ui.statusLabel.text
    assert host.layout.shown() == ["SpectAnterior", "SpectPosterior"]
    ui.earlierSelector.setCurrentNode(earlier["anterior"])
    assert "of one patient" in ui.statusLabel.text
    hierarchy = host.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.slicer.mrmlScene)
    for volume in (earlier["anterior"], panel.chosen.views["anterior"]):
        patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), volume.GetName())
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), patient)
    ui.earlierSelector.setCurrentNode(earlier["posterior"])
    ui.earlierSelector.setCurrentNode(earlier["anterior"])
    assert "different patients" in ui.statusLabel.text
    host.slicer.mrmlScene.RemoveNode(earlier["anterior"])
    host.process_events()
    assert "SpectEarlierAnterior" not in host.layout.shown()
