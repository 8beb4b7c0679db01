"""Nodes of a Slicer scene give the same labels as files; on Slicer's own MRML (slicer-core)."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.model_result import ModelResult
from SpectBoneMetSegLib.lesions.review import Review
from SpectBoneMetSegLib.scan.planar import PlanarView, ScanSource, WholeBodyScan
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop
from SpectBoneMetSegTrainingLib.dataset.cases import label_map
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import Found
from SpectBoneMetSegTrainingLib.gathering.formats.read_labels import read_labels
from SpectBoneMetSegTrainingLib.gathering.gather import gather, sources_of
from SpectBoneMetSegTrainingLib.gathering.labels.marks import LabelFile, instances_of
from SpectBoneMetSegTrainingLib.gathering.labels.slices import read_slices
from SpectBoneMetSegTrainingLib.gathering.scene_nodes import NodeLabel, labelled_scan
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

slicer = pytest.importorskip("slicer")

from SpectBoneMetSegLib.mrml.live_reading import LiveReading  # noqa: E402
from SpectBoneMetSegLib.mrml.nodes import add_segmentation, import_lesions, prepare_scene  # noqa: E402
from SpectBoneMetSegLib.mrml.segments import set_review  # noqa: E402
from SpectBoneMetSegLib.mrml.stored_result import add_scan  # noqa: E402

SHAPE = (64, 40)


@pytest.fixture
def scene():
    made = slicer.vtkMRMLScene()
    logics = prepare_scene(made)
    yield made
    made.Clear(1)
    del logics


def a_scan(case="study"):
    rng = np.random.default_rng(len(case))
    counts = [rng.poisson(20, SHAPE).astype(np.float32) for _ in range(2)]
    for image in counts:
        image[20:26, 10:16] += 100
    # The posterior view is stored as acquired.
    counts[1] = counts[1][:, ::-1]
    front, back = (
        PlanarView(image, (4.0, 4.0), name) for image, name in zip(counts, ("anterior", "posterior"), strict=True)
    )
    return WholeBodyScan(case, front, back)


def box(rows, columns, value=1):
    mask = np.zeros(SHAPE, np.uint16)
    mask[slice(*rows), slice(*columns)] = value
    return mask


def segmentation(scene, volume, ids, view, name="Segmentation"):
    node = add_segmentation(name, volume, scene)
    import_lesions(node, ids, view)
    return node


def labelmap(scene, ids, view, name="Labels"):
    import vtk
    from vtkmodules.util.numpy_support import numpy_to_vtk

    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", name)
    image = vtk.vtkImageData()
    image.SetDimensions(ids.shape[1], ids.shape[0], 1)
    image.GetPointData().SetScalars(numpy_to_vtk(ids.astype(np.int16).ravel(), deep=True))
    node.SetAndObserveImageData(image)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(view.ijk_to_ras.ravel().tolist())
    node.SetIJKToRASMatrix(matrix)
    return node


def maps(found):
    instances = instances_of(found.labels[0], found.scan)
    return {name: label_map(instances, name, SHAPE) for name in found.scan.views}


def test_a_segmentation_on_the_anterior_view_marks_the_union_pixel_for_pixel(scene):
    scan, ids = a_scan(), box((20, 26), (10, 16)) + box((40, 44), (3, 9), 2)
    volumes = add_scan(scan, scene)
    node = segmentation(scene, volumes["anterior"], ids, scan.frame)
    found = labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)])
    assert found.labels[0].covers == {None}
    shown = maps(found)
    np.testing.assert_array_equal(np.maximum(shown["anterior"] == 1, shown["posterior"] == 1), ids > 0)
    assert len(found.labels[0].marks) == 2


def test_a_segmentation_on_the_posterior_view_belongs_to_it(scene):
    scan, ids = a_scan(), box((20, 26), (24, 30))
    volumes = add_scan(scan, scene)
    node = segmentation(scene, volumes["posterior"], ids, scan.posterior)
    found = labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)])
    np.testing.assert_array_equal(maps(found)["posterior"], ids[:, ::-1])
    assert (maps(found)["anterior"] == 2).all()


def test_a_segmentation_a_view_is_a_label_per_view(scene):
    scan, front, back = a_scan(), box((20, 26), (10, 16)), box((21, 25), (25, 30))
    volumes = add_scan(scan, scene)
    labels = [
        NodeLabel(segmentation(scene, volumes["anterior"], front, scan.frame), "anna", "anterior"),
        NodeLabel(segmentation(scene, volumes["posterior"], back, scan.posterior), "anna"),
    ]
    found = labelled_scan(volumes["anterior"], volumes["posterior"], labels)
    assert [item.reader for item in found.labels] == ["anna"]
    np.testing.assert_array_equal(maps(found)["anterior"], front)
    np.testing.assert_array_equal(maps(found)["posterior"], back[:, ::-1])


def test_labelmap_volumes_give_the_same_as_segmentations(scene):
    scan, ids = a_scan(), box((20, 26), (10, 16)) + box((40, 44), (3, 9), 2)
    volumes = add_scan(scan, scene)
    pair = volumes["anterior"], volumes["posterior"]
    one = labelled_scan(*pair, [NodeLabel(labelmap(scene, ids, scan.frame), "a", "anterior")])
    two = labelled_scan(*pair, [NodeLabel(segmentation(scene, pair[0], ids, scan.frame), "b", "anterior")])
    for name in scan.views:
        np.testing.assert_array_equal(maps(one)[name], maps(two)[name])


def test_ignored_and_rejected_segments(scene):
    scan, ids = a_scan(), box((20, 26), (10, 16)) + box((40, 44), (3, 9), 2) + box((50, 54), (3, 9), 3)
    volumes = add_scan(scan, scene)
    node = segmentation(scene, volumes["anterior"], ids, scan.frame)
    parts = node.GetSegmentation()
    parts.GetNthSegment(1).SetName("ignore")
    set_review(node, parts.GetNthSegmentID(2), Review("rejected", ""))
    found = labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node, view="anterior")])
    np.testing.assert_array_equal(maps(found)["anterior"], np.where(ids == 3, 0, ids))


def test_a_corrected_result_of_the_reading_module_keeps_its_views(scene):
    scan = a_scan()
    volumes = add_scan(scan, scene)
    maps_of_model = {"anterior": box((20, 26), (10, 16)) * 0.9, "posterior": box((40, 44), (3, 9)) * 0.9}
    result = ModelResult(
        scan,
        ThoraxCrop((0, 64), (0, 40), 1.0),
        {name: values.astype(np.float32) for name, values in maps_of_model.items()},
    )
    node = add_segmentation("Result", volumes["anterior"], scene)
    live = LiveReading.start(result, node, volumes, scene)
    [untouched] = labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)]).labels
    assert "neither edited nor reviewed" in untouched.notes[0]
    # The user adds a row to the posterior lesion in Segment Editor.
    import_lesions(node, box((20, 26), (10, 16)) + box((40, 45), (3, 9), 2), scan.frame)
    found = labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)])
    np.testing.assert_array_equal(maps(found)["anterior"], box((20, 26), (10, 16)))
    np.testing.assert_array_equal(maps(found)["posterior"], box((40, 45), (3, 9)))
    assert found.labels[0].notes == ()
    assert live.node is node


def test_a_label_of_another_scan_is_refused_though_it_would_fit(scene):
    scan, other = a_scan(), a_scan("another")
    volumes, others = add_scan(scan, scene), add_scan(other, scene)
    node = segmentation(scene, others["anterior"], box((20, 26), (10, 16)), other.frame)
    with pytest.raises(UserError, match="was made for another anterior, not for the scan study"):
        labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)])


def test_labels_in_the_wrong_frame_are_refused(scene):
    scan = a_scan()
    volumes = add_scan(scan, scene)
    pair = volumes["anterior"], volumes["posterior"]
    shifted = replace(scan.frame, origin=(0.0, 0.0, 0.0))
    with pytest.raises(UserError, match="Labels does not lie on the scan study"):
        labelled_scan(*pair, [NodeLabel(labelmap(scene, box((1, 2), (1, 2)), shifted))])
    small = PlanarView(np.zeros((8, 8), np.float32), (4.0, 4.0), "anterior")
    with pytest.raises(UserError, match="8 x 8 pixels instead of 40 x 64"):
        labelled_scan(*pair, [NodeLabel(labelmap(scene, np.zeros((8, 8), np.uint16), small))])
    node = labelmap(scene, box((1, 2), (1, 2)), scan.frame)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(UserError, match="lies under a transform"):
        labelled_scan(*pair, [NodeLabel(node)])
    with pytest.raises(UserError, match="has no label yet"):
        labelled_scan(*pair, [])
    with pytest.raises(UserError, match="is no labelmap"):
        labelled_scan(*pair, [NodeLabel(volumes["anterior"])])


def test_scans_of_the_scene_join_a_data_set_with_the_patient_of_their_file(scene, tmp_path):
    scan = a_scan()
    path = tmp_path / "scan.dcm"
    write_nm_wholebody(path, scan, patient_id="ID-Meier", uid_text="labelmaps")
    from SpectBoneMetSegLib.loading import read_scan

    read = read_scan(path)
    volumes = add_scan(read, scene)
    node = segmentation(scene, volumes["anterior"], box((20, 26), (10, 16)), scan.frame)
    found = labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)])
    assert found.patient == "ID-Meier"
    # A patient with a second scan is recognised.
    second = add_scan(replace(a_scan("again"), source=ScanSource(files=(str(path),), sha256=("0" * 64,))), scene)
    node = segmentation(scene, second["anterior"], box((20, 26), (10, 16)), scan.frame)
    again = labelled_scan(second["anterior"], second["posterior"], [NodeLabel(node)])
    gather(tmp_path / "data", Found(), [found, again])
    records = [read_json(tmp_path / "data" / "instances" / f"{case}.json") for case in sources_of(tmp_path / "data")]
    assert len(records) == 2
    assert len({record["patient"] for record in records}) == 1


def test_the_patient_of_the_subject_hierarchy_is_taken_where_there_is_no_file(scene):
    scan = a_scan()
    volumes = add_scan(scan, scene)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    who = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "somebody")
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMPatientIDAttributeName()
    hierarchy.SetItemAttribute(who, name, "ID-7")
    hierarchy.SetItemParent(hierarchy.CreateItem(hierarchy.CreateStudyItem(who, "day"), volumes["anterior"]), who)
    node = segmentation(scene, volumes["anterior"], box((20, 26), (10, 16)), scan.frame)
    assert labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)]).patient == "ID-7"


def save(node, path):
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    # As the application's option "crop to minimum extent" does.
    storage.CropToMinimumExtentOn()
    assert storage.WriteData(node)
    assert np.prod(read_slices(path)[0].shape[:3]) < np.prod(SHAPE)
    return LabelFile(path)


def test_what_slicer_saves_reads_as_it_was_in_the_scene(scene, tmp_path):
    scan, ids = a_scan(), box((20, 26), (10, 16)) + box((40, 44), (3, 9), 2)
    volumes = add_scan(scan, scene)
    for view, volume in volumes.items():
        grid = scan.views[view]
        node = segmentation(scene, volume, ids, grid, f"{view} lesions")
        # A segment in a layer of its own that overlaps another one.
        image = slicer.vtkOrientedImageData()
        segments = node.GetSegmentation()
        assert node.GetBinaryLabelmapRepresentation(segments.GetNthSegmentID(0), image)
        node.AddSegmentFromBinaryLabelmapRepresentation(image, "again", [1, 0, 0])
        labels = read_labels([save(node, tmp_path / f"{view}.seg.nrrd")], scan)
        assert labels.covers == ({None} if view == "anterior" else {"posterior"})
        assert len(labels.marks) == 3
        drawn = np.any([mark.mask for mark in labels.marks], axis=0)
        np.testing.assert_array_equal(drawn, ids > 0 if view == "anterior" else ids[:, ::-1] > 0)


def test_an_empty_segmentation_says_that_there_is_no_lesion(scene, tmp_path):
    scan = a_scan()
    volumes = add_scan(scan, scene)
    node = add_segmentation("nothing", volumes["anterior"], scene)
    found = labelled_scan(volumes["anterior"], volumes["posterior"], [NodeLabel(node)])
    assert instances_of(found.labels[0], scan) == []
    node.GetSegmentation().AddEmptySegment("a")
    labels = read_labels([save(node, tmp_path / "e.seg.nrrd")], scan)
    assert instances_of(labels, scan) == []
