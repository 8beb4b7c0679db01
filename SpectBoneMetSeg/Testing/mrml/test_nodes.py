import dataclasses
import os
import sys
import zipfile

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.result_folder import save_reading
from SpectBoneMetSegLib.export.seg_nrrd import TERMINOLOGY
from SpectBoneMetSegLib.lesions.naming import lesion_ids
from SpectBoneMetSegLib.mrml.nodes import add_outline, fill_scene, shape_outline
from SpectBoneMetSegLib.mrml.scene_file import save_scene

slicer = pytest.importorskip("slicer")

FIDUCIALS, COMPOSITES = "vtkMRMLMarkupsFiducialNode", "vtkMRMLSliceCompositeNode"


@pytest.fixture(scope="module")
def a_bundle(a_reading, tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "case one.mrb"
    save_scene(of_file(a_reading, "a"), str(path))
    return path


@pytest.fixture
def a_loaded_scene(a_scene, a_bundle, tmp_path):
    # Outside the application the scene has no folder to unpack bundles to.
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(tmp_path))
    manager = slicer.vtkDataIOManager()
    manager.SetCacheManager(cache)
    a_scene.SetDataIOManager(manager)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(a_scene)
    assert a_scene.ReadFromMRB(str(a_bundle))
    yield a_scene
    a_scene.SetDataIOManager(None)


def nodes_of(scene, class_name):
    collection = scene.GetNodesByClass(class_name)
    found = [collection.GetItemAsObject(index) for index in range(collection.GetNumberOfItems())]
    collection.UnRegister(None)
    return found


def matrix_of(volume):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def ras_points(curve):
    return np.array([curve.GetNthControlPointPositionWorld(i) for i in range(curve.GetNumberOfControlPoints())])


def curve_area(curve):
    line = curve.GetCurvePointsWorld()
    points = np.array([line.GetPoint(i) for i in range(line.GetNumberOfPoints())])
    x, z = points[:, 0], points[:, 2]
    return abs(np.dot(x, np.roll(z, -1)) - np.dot(z, np.roll(x, -1))) / 2


def segment_pixels(node, index):
    """RAS of a segment's pixel centres."""
    import vtk

    segmentation = node.GetSegmentation()
    image = slicer.vtkOrientedImageData()
    assert node.GetBinaryLabelmapRepresentation(segmentation.GetNthSegmentID(index), image)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    first, last, top, bottom, _, _ = image.GetExtent()
    found = [
        matrix.MultiplyPoint((i, j, 0, 1))[:3]
        for j in range(top, bottom + 1)
        for i in range(first, last + 1)
        if image.GetScalarComponentAsDouble(i, j, 0, 0)
    ]
    return np.array(sorted(np.round(found, 4).tolist()))


def expected_pixels(reading, number):
    rows, columns = np.nonzero(lesion_ids(reading) == number)
    ijk = np.stack((columns, rows, np.zeros_like(rows), np.ones_like(rows)))
    return np.array(sorted(np.round((reading.scan.frame.ijk_to_ras @ ijk)[:3].T + 0.0, 4).tolist()))


def test_views_keep_their_own_directions_and_counts(a_scene, a_reading):
    from vtkmodules.util.numpy_support import vtk_to_numpy

    nodes = fill_scene(a_reading, a_scene)
    for name, view in a_reading.scan.views.items():
        np.testing.assert_allclose(matrix_of(nodes.volumes[name]), view.ijk_to_ras)
        image = nodes.volumes[name].GetImageData()
        stored = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(view.shape)
        assert image.GetDimensions() == (view.shape[1], view.shape[0], 1)
        np.testing.assert_array_equal(stored, view.counts)


def test_volumes_are_shown_in_inverted_grey(a_scene, a_reading):
    for volume in fill_scene(a_reading, a_scene).volumes.values():
        display = volume.GetDisplayNode()
        assert display.GetColorNode().GetName() == "InvertedGrey"
        assert display.GetAutoWindowLevel() == 0
        assert display.GetWindowLevelMin() == 0


def test_segments_share_one_layer_and_lie_where_the_lesions_are(a_scene, a_reading):
    node = fill_scene(a_reading, a_scene).segmentation
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfLayers("Binary labelmap") == 1
    names = [segmentation.GetNthSegment(i).GetName() for i in range(segmentation.GetNumberOfSegments())]
    assert names == ["Abnormal uptake 1", "Abnormal uptake 2", "Abnormal uptake 3"]
    for index, lesion in enumerate(a_reading.lesions):
        np.testing.assert_allclose(segment_pixels(node, index), expected_pixels(a_reading, lesion.id), atol=1e-3)
        assert segmentation.GetNthSegment(index).GetTerminology() == TERMINOLOGY


def test_no_lesion_vanishes_from_the_closed_surface(a_scene, a_reading):
    segmentation = fill_scene(a_reading, a_scene).segmentation.GetSegmentation()
    assert float(segmentation.GetConversionParameter("Smoothing factor")) == 0
    for index in range(segmentation.GetNumberOfSegments()):
        surface = segmentation.GetNthSegment(index).GetRepresentation("Closed surface")
        assert surface.GetNumberOfPolys() > 0


def test_curves_enclose_exactly_each_lesion(a_scene, a_reading):
    curves = fill_scene(a_reading, a_scene).curves
    assert len(curves) == 3
    for curve, lesion in zip(curves, a_reading.lesions, strict=True):
        np.testing.assert_allclose(ras_points(curve), lesion.curve)
        assert curve_area(curve) == pytest.approx(lesion.area_mm2, rel=1e-4)


def test_an_outline_that_stays_as_it_is_is_not_written_again(a_scene, a_reading):
    one, other = a_reading.lesions[:2]
    curve = add_outline(one, a_scene)
    changes = []
    curve.AddObserver("AnyEvent", lambda *_: changes.append(1))
    shape_outline(curve, one)
    assert not changes
    shape_outline(curve, other)
    assert changes
    np.testing.assert_allclose(ras_points(curve), other.curve)


def test_all_nodes_lie_under_one_study(a_scene, a_reading):
    nodes = fill_scene(a_reading, a_scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    assert hierarchy.GetItemName(nodes.study) == "case one"
    for node in (*nodes.volumes.values(), nodes.segmentation, *nodes.curves):
        assert hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(node), "Study") == nodes.study


def test_two_readings_share_a_scene_without_mixing(a_scene, a_reading, reading_factory):
    one, two = fill_scene(a_reading, a_scene), fill_scene(reading_factory(spots=()), a_scene)
    assert one.study != two.study
    assert one.segmentation.GetSegmentation().GetNumberOfSegments() == 3
    assert two.segmentation.GetSegmentation().GetNumberOfSegments() == 0


def test_an_empty_folder_is_removed_whoever_else_has_its_name(a_scene):
    import vtk
    from SpectBoneMetSegLib.mrml.subject_hierarchy import remove_folder

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)
    studies = [hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name) for name in ("first", "second")]
    full, _empty = (hierarchy.CreateFolderItem(study, "case (outlines)") for study in studies)
    hierarchy.CreateItem(full, a_scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "L1"))
    volume = a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "case (outlines)")
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), volume)
    remove_folder("case (outlines)", a_scene)
    left = vtk.vtkIdList()
    hierarchy.GetItemsByName("case (outlines)", left)
    assert {left.GetId(index) for index in range(left.GetNumberOfIds())} == {full, hierarchy.GetItemByDataNode(volume)}


def test_a_lone_posterior_view_has_its_lesions_in_the_anterior_frame(a_scene, reading_factory):
    reading = reading_factory(views=("posterior",))
    nodes = fill_scene(reading, a_scene)
    assert matrix_of(nodes.volumes["posterior"])[0, 0] > 0
    np.testing.assert_allclose(segment_pixels(nodes.segmentation, 0), expected_pixels(reading, 1), atol=1e-3)
    geometry = nodes.segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    assert geometry.startswith("-2.2;")


def test_saved_scene_opens_with_views_segments_and_straight_curves(a_loaded_scene, a_reading):
    volumes = {volume.GetName(): volume for volume in nodes_of(a_loaded_scene, "vtkMRMLScalarVolumeNode")}
    assert set(volumes) == {"case one anterior", "case one posterior"}
    for name, view in a_reading.scan.views.items():
        np.testing.assert_allclose(matrix_of(volumes[f"case one {name}"]), view.ijk_to_ras, atol=1e-6)
    (segmentation,) = nodes_of(a_loaded_scene, "vtkMRMLSegmentationNode")
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 3
    assert segmentation.GetSegmentation().GetNumberOfLayers("Binary labelmap") == 1
    for index in range(3):
        np.testing.assert_allclose(
            segment_pixels(segmentation, index), expected_pixels(a_reading, index + 1), atol=1e-3
        )
    curves = nodes_of(a_loaded_scene, "vtkMRMLMarkupsClosedCurveNode")
    assert len(curves) == 3
    for curve, lesion in zip(curves, a_reading.lesions, strict=True):
        np.testing.assert_allclose(ras_points(curve), lesion.curve, atol=1e-4)
        assert curve_area(curve) == pytest.approx(lesion.area_mm2, rel=1e-4)


def test_saved_scene_shows_anterior_from_the_front_and_posterior_from_behind(a_loaded_scene):
    for color, name, right in (("Red", "anterior", -1), ("Yellow", "posterior", 1)):
        slice_node = a_loaded_scene.GetNodeByID(f"vtkMRMLSliceNode{color}")
        matrix = slice_node.GetSliceToRAS()
        # Screen right is the patient's left from the front and the patient's right from behind; up is the head.
        assert [matrix.GetElement(i, 0) for i in range(3)] == [right, 0, 0]
        assert [matrix.GetElement(i, 1) for i in range(3)] == [0, 0, 1]
        assert matrix.Determinant() == pytest.approx(1)
        assert matrix.GetElement(1, 3) == 0
        composite = next(
            node for node in nodes_of(a_loaded_scene, "vtkMRMLSliceCompositeNode") if node.GetLayoutName() == color
        )
        shown = a_loaded_scene.GetNodeByID(composite.GetBackgroundVolumeID())
        assert shown.GetName() == f"case one {name}"
    layout = a_loaded_scene.GetNodeByID("vtkMRMLLayoutNodevtkMRMLLayoutNode")
    assert layout.GetViewArrangement() == layout.SlicerLayoutSideBySideView


def test_saved_scene_names_the_patients_sides_in_both_views(a_loaded_scene):
    marks = {node.GetAttribute("SpectBoneMetSeg.sides"): node for node in nodes_of(a_loaded_scene, FIDUCIALS)}
    assert set(marks) == {"Red", "Yellow"}
    for view, words in (("Red", "Anterior, from the front"), ("Yellow", "Posterior, from behind")):
        node = marks[view]
        assert [node.GetNthControlPointLabel(i) for i in range(3)] == [*("RL" if view == "Red" else "LR"), words]
        places = {node.GetNthControlPointLabel(i): node.GetNthControlPointPositionWorld(i)[0] for i in range(2)}
        assert places["R"] > places["L"]
        assert node.GetDisplayNode().IsDisplayableInView(f"vtkMRMLSliceNode{view}")
        assert not node.GetDisplayNode().IsDisplayableInView(f"vtkMRMLSliceNode{'Yellow' if view == 'Red' else 'Red'}")


def test_a_lone_view_is_not_shown_under_the_other_views_name(a_scene, reading_factory, tmp_path):
    from SpectBoneMetSegLib.mrml.scene_file import _show_views

    reading = reading_factory(views=("posterior",))
    marks = _show_views(reading, fill_scene(reading, a_scene), a_scene)
    assert [node.GetAttribute("SpectBoneMetSeg.sides") for node in marks] == ["Yellow"]
    shown = {node.GetLayoutName(): node.GetBackgroundVolumeID() for node in nodes_of(a_scene, COMPOSITES)}
    assert shown["Red"] is None
    assert shown["Yellow"] is not None
    (layout,) = nodes_of(a_scene, "vtkMRMLLayoutNode")
    assert layout.GetViewArrangement() == layout.SlicerLayoutOneUpYellowSliceView


def test_saved_scene_carries_its_data(a_bundle):
    names = [os.path.basename(name) for name in zipfile.ZipFile(a_bundle).namelist()]
    assert {"case one anterior.nrrd", "case one posterior.nrrd", "case one abnormal uptake.seg.nrrd"} <= set(names)
    assert os.listdir(a_bundle.parent) == ["case one.mrb"]


def test_exported_segmentation_and_contours_open_in_slicer(a_scene, a_reading, tmp_path):
    save_reading(a_reading, str(tmp_path / "case"))
    node = a_scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(str(tmp_path / "case" / "segmentation.seg.nrrd"))
    assert node.GetStorageNode().ReadData(node)
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfLayers() == 1
    assert segmentation.GetNthSegment(2).GetName() == "Abnormal uptake 3"
    assert float(segmentation.GetConversionParameter("Smoothing factor")) == 0
    for index in range(3):
        np.testing.assert_allclose(segment_pixels(node, index), expected_pixels(a_reading, index + 1), atol=1e-3)
    logic = slicer.vtkSlicerMarkupsLogic()
    logic.SetMRMLScene(a_scene)
    assert logic.LoadMarkups(str(tmp_path / "case" / "contours.mrk.json"))
    curves = nodes_of(a_scene, "vtkMRMLMarkupsClosedCurveNode")
    assert [curve.GetName() for curve in curves] == ["Abnormal uptake 1", "Abnormal uptake 2", "Abnormal uptake 3"]
    for curve, lesion in zip(curves, a_reading.lesions, strict=True):
        # The format cannot say "straight": Slicer draws a spline, which must stay within one percent.
        assert curve_area(curve) == pytest.approx(lesion.area_mm2, rel=0.01)


def test_scene_name_must_end_in_mrb(a_reading, tmp_path):
    with pytest.raises(UserError, match=r"\.mrb"):
        save_scene(a_reading, str(tmp_path / "scene.zip"))


def of_file(reading, digest):
    inputs = [{"file": "scan.dcm", "sha256": digest * 64, "sop_instance_uid": ""}]
    return dataclasses.replace(reading, receipt={**reading.receipt, "inputs": inputs})


def test_scene_of_the_same_scan_is_replaced(a_reading, reading_factory, tmp_path):
    path = tmp_path / "scene.mrb"
    save_scene(of_file(a_reading, "a"), str(path))
    save_scene(of_file(reading_factory(spots=()), "a"), str(path))
    names = zipfile.ZipFile(path).namelist()
    assert any(name.endswith("anterior.nrrd") for name in names)
    assert not any("Abnormal uptake" in name for name in names)


@pytest.mark.parametrize("kind", ["unrelated", "other scan", "saved in Slicer", "no input files"])
def test_another_file_is_not_overwritten_by_a_scene(a_reading, tmp_path, kind):
    path = tmp_path / "scene.mrb"
    reading = a_reading if kind == "no input files" else of_file(a_reading, "a")
    if kind == "unrelated":
        path.write_text("notes")
    else:
        save_scene(of_file(a_reading, "b") if kind == "other scan" else reading, str(path))
    if kind == "saved in Slicer":
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = b""
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"scene\.mrb is another scene, or one that .*: move it or choose another"):
        save_scene(reading, str(path))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["scene.mrb"]


def test_scene_that_cannot_be_written_is_one_sentence(a_reading, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="choose another file"):
        save_scene(a_reading, str(tmp_path / "file" / "scene.mrb"))
    assert os.listdir(tmp_path) == ["file"]


def test_missing_slicer_core_is_reported_with_the_remedy(a_reading, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer", None)
    with pytest.raises(UserError, match=r"spectbonemetseg\[slicer\]"):
        fill_scene(a_reading, None)
