"""The DICOM plugin in the test host: planar scans load as two views in patient coordinates."""

import logging
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.host import VIEWS

pytest_plugins = ["slicerhost.fixtures"]

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "Sample" / "simulated_scan.dcm"


def changed(tmp_path, change):
    dataset = pydicom.dcmread(SAMPLE)
    change(dataset)
    dataset.save_as(tmp_path / "changed.dcm")
    return tmp_path / "changed.dcm"


def matrix_of(volume):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def test_the_plugin_outbids_the_scalar_volume_plugin(load_sample):
    loadable = load_sample().loadables[0]
    assert loadable.confidence > 0.5
    assert loadable.selected
    assert loadable.files == [str(SAMPLE)]


def test_a_file_keeps_the_name_that_it_has_in_the_database(host):
    plugin = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"]()
    known = f"{SAMPLE.parent}//{SAMPLE.name}"
    (loadable,) = plugin.examine([(known,)])
    assert loadable.files == [known]


def test_both_views_become_one_slice_volumes_with_true_directions(host, load_sample):
    from SpectBoneMetSegLib.loading import read_scan

    loaded = load_sample()
    scan = read_scan(SAMPLE)
    assert set(loaded.volumes) == {"anterior", "posterior"}
    for name, view in scan.views.items():
        volume = loaded.volumes[name]
        assert volume.GetImageData().GetDimensions() == (256, 1024, 1)
        np.testing.assert_allclose(matrix_of(volume), view.ijk_to_ras)
        np.testing.assert_array_equal(host.slicer.util.arrayFromVolume(volume)[0], view.counts)
    # Column 0 of the anterior view is the patient's right, of the posterior view the left.
    assert matrix_of(loaded.volumes["anterior"])[0, 3] > 0 > matrix_of(loaded.volumes["posterior"])[0, 3]


def test_views_are_shown_in_inverted_grey_within_a_percentile_window(host, load_sample):
    for volume in load_sample().volumes.values():
        display, counts = volume.GetDisplayNode(), host.slicer.util.arrayFromVolume(volume)
        assert display.GetColorNode().GetName() == "InvertedGrey"
        assert 0 < display.GetWindowLevelMax() < counts.max()


def test_both_views_lie_below_one_study(host, load_sample):
    loaded = load_sample()
    hierarchy = host.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.slicer.mrmlScene)
    studies = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in loaded.volumes.values()}
    assert len(studies) == 1
    study = studies.pop()
    dataset = pydicom.dcmread(SAMPLE)
    assert hierarchy.GetItemName(study) == f"{dataset.StudyDescription} ({dataset.StudyDate})"
    assert hierarchy.GetItemLevel(study) == "Study"


def test_the_posterior_view_is_shown_from_behind(host, load_sample):
    load_sample()
    red, yellow = (host.slice_logics[name].GetSliceNode().GetSliceToRAS() for name in VIEWS[:2])
    assert red.GetElement(0, 0) == -1.0
    assert yellow.GetElement(0, 0) == 1.0
    assert red.GetElement(2, 1) == yellow.GetElement(2, 1) == 1.0


@pytest.mark.parametrize(
    "image_type",
    [
        ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"],
        ["DERIVED", "PRIMARY", "RECON TOMO"],
        ["ORIGINAL", "PRIMARY", "DYNAMIC"],
    ],
)
def test_tomographic_and_dynamic_images_are_left_to_others(load_sample, tmp_path, image_type):
    path = changed(tmp_path, lambda dataset: setattr(dataset, "ImageType", image_type))
    assert load_sample(path).loadables == []


def test_another_modality_is_left_to_others(load_sample, tmp_path):
    path = changed(tmp_path, lambda dataset: setattr(dataset, "Modality", "CT"))
    assert load_sample(path).loadables == []


def test_a_scan_that_does_not_state_its_sides_is_refused_in_one_sentence(host, load_sample, tmp_path, caplog):
    def forget_sides(dataset):
        for item in dataset.DetectorInformationSequence:
            del item.ViewCodeSequence
        for keyword in ("ImageID", "SeriesDescription", "StudyDescription", "ImageComments"):
            if keyword in dataset:
                delattr(dataset, keyword)

    with caplog.at_level(logging.ERROR):
        loaded = load_sample(changed(tmp_path, forget_sides))
    assert loaded.loadables
    assert loaded.first is None
    assert loaded.volumes == {}
    assert "changed.dcm" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_file_is_examined_once(host):
    plugin = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"]()
    first = plugin.examine([[str(SAMPLE)]])
    assert plugin.examine([[str(SAMPLE)]])[0] is first[0]


@pytest.fixture
def views_apart(tmp_path):
    """The sample study's views as files of their own, each in a series of its own on request."""
    from SpectBoneMetSegLib.loading import read_scan
    from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

    def write(variant, *, two_series=False):
        scan = read_scan(SAMPLE)
        files = write_nm_wholebody(tmp_path / "study", scan, patient_id="P", uid_text="apart", variant=variant)
        if two_series:
            dataset = pydicom.dcmread(files[1])
            dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.2.1143.1"
            dataset.save_as(files[1])
        return scan, [str(file) for file in files]

    return write


@pytest.mark.parametrize("variant", ["single-files", "image-id"])
@pytest.mark.parametrize("two_series", [False, True])
def test_views_stored_apart_load_together(host, views_apart, variant, two_series):
    scan, files = views_apart(variant, two_series=two_series)
    plugin = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"]()
    # The DICOM browser passes one list of files per series.
    loadables = plugin.examine([[file] for file in files] if two_series else [files[::-1]])
    # Each series has a loadable of ours, lest the scalar volume plugin load it, too; the scan is loaded once.
    assert [sorted(loadable.files) for loadable in loadables] == [sorted(files)] * (2 if two_series else 1)
    assert {loadable.files[0] for loadable in loadables} == set(files if two_series else files[:1])
    assert len({plugin.load(loadable) for loadable in loadables}) == 1
    volumes = host.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert [volume.GetName().split()[-1] for volume in volumes] == ["anterior", "posterior"]
    for volume, view in zip(volumes, scan.views.values(), strict=True):
        np.testing.assert_allclose(matrix_of(volume), view.ijk_to_ras)
        np.testing.assert_array_equal(host.slicer.util.arrayFromVolume(volume)[0], view.counts)
    hierarchy = host.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.slicer.mrmlScene)
    assert len({hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volume)) for volume in volumes}) == 1
    composites = [host.slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in VIEWS[:2]]
    assert [node.GetBackgroundVolumeID() for node in composites] == [volume.GetID() for volume in volumes]


def test_a_scan_of_two_series_is_loaded_again_on_another_request(host, views_apart):
    _scan, files = views_apart("single-files", two_series=True)
    plugin = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"]()
    loadables = plugin.examine([[file] for file in files])
    for loadable in loadables:
        plugin.load(loadable)
    host.clear()
    nodes = {plugin.load(loadable).GetID() for loadable in loadables}
    assert len(nodes) == 1
    assert len(host.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2


@pytest.mark.parametrize("gone", [["anterior", "posterior"], ["posterior"]])
def test_the_other_series_loads_a_scan_again_that_is_no_longer_complete_in_the_scene(host, views_apart, gone):
    _scan, files = views_apart("single-files", two_series=True)
    plugin = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"]()
    one, other = plugin.examine([[file] for file in files])
    plugin.load(one)
    for volume in host.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if volume.GetName().split()[-1] in gone:
            host.slicer.mrmlScene.RemoveNode(volume)
    assert plugin.load(other).GetScene() is not None
    names = [volume.GetName().split()[-1] for volume in host.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    assert names[-2:] == ["anterior", "posterior"]


def test_one_of_two_series_loads_as_the_view_it_is(host, views_apart):
    _scan, files = views_apart("single-files", two_series=True)
    plugin = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"]()
    loadables = plugin.examine([[files[1]]])
    plugin.load(loadables[0])
    (volume,) = host.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert volume.GetName().endswith("posterior")


def test_a_file_without_a_patient_lies_under_one_of_its_study_with_its_instances(host, load_sample, tmp_path):
    path = changed(tmp_path, lambda dataset: setattr(dataset, "PatientID", ""))
    volumes, dataset = load_sample(path).volumes, pydicom.dcmread(path, stop_before_pixels=True)
    hierarchy = host.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.slicer.mrmlScene)
    names = host.slicer.vtkMRMLSubjectHierarchyConstants
    items = {name: hierarchy.GetItemByDataNode(volume) for name, volume in volumes.items()}
    studies = {hierarchy.GetItemParent(item) for item in items.values()}
    assert len(studies) == 1
    [study] = studies
    assert hierarchy.GetItemUID(study, names.GetDICOMUIDName()) == dataset.StudyInstanceUID
    patient = hierarchy.GetItemParent(study)
    assert hierarchy.GetItemUID(patient, names.GetDICOMUIDName()) == f"Patient-{dataset.StudyInstanceUID}"
    assert hierarchy.GetItemUID(items["anterior"], names.GetDICOMInstanceUIDName()) == dataset.SOPInstanceUID


def test_the_plugin_uses_slicers_own_base_classes_where_its_source_is(host):
    import os

    base = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"].__mro__[1]
    if "SLICER_SOURCE" not in os.environ:
        pytest.skip("SLICER_SOURCE names no source tree of Slicer")
    assert hasattr(base, "addReferences")
