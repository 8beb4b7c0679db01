"""Corrected results of the reading pipeline are per-view labels of the corrections."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.result_folder import save_reading
from SpectBoneMetSegLib.export.volumes import write_volume
from SpectBoneMetSegLib.pipeline import Reader
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.dataset.cases import label_map
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from SpectBoneMetSegTrainingLib.gathering.formats.read_labels import read_labels
from SpectBoneMetSegTrainingLib.gathering.labels.marks import LabelFile, instances_of

SHAPE = (64, 40)


@pytest.fixture
def result(tmp_path):
    """A result folder: lesion 1 in both views, lesion 2 in the anterior one, lesion 3 in the posterior one."""
    counts = np.full(SHAPE, 9, np.float32)
    scan = WholeBodyScan("s", PlanarView(counts, (4, 4), "anterior"), PlanarView(counts, (4, 4), "posterior"))
    front, back = np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16)
    front[5:10, 5:10], back[5:10, 7:12] = 1, 1
    front[20:25, 5:10] = 2
    back[40:45, 5:10] = 3
    folder = tmp_path / "case"
    folder.mkdir()
    union = np.maximum(front, back)
    frame = scan.frame.ijk_to_ras
    write_volume(front, frame, str(folder / "mask_anterior.nrrd"))
    write_volume(np.ascontiguousarray(back[:, ::-1]), scan.posterior.ijk_to_ras, str(folder / "mask_posterior.nrrd"))
    write_volume((union > 0).astype(np.uint8), frame, str(folder / "mask.nrrd"))
    write_volume(union, frame, str(folder / "segmentation.seg.nrrd"))
    (folder / "receipt.json").write_text(json.dumps({"inputs": []}))
    return scan, folder, front > 0, back > 0


def correct(folder, change, name="segmentation.seg.nrrd"):
    union = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "segmentation.seg.nrrd")))[0]
    image = sitk.ReadImage(str(folder / "mask.nrrd"))
    change(union)
    corrected = sitk.GetImageFromArray(union[None])
    corrected.CopyInformation(image)
    sitk.WriteImage(corrected, str(folder / name))


def maps_of(scan, folder, name="segmentation.seg.nrrd"):
    found = instances_of(read_labels([LabelFile(folder / name)], scan), scan)
    return [label_map(found, view, SHAPE) for view in ("anterior", "posterior")]


def test_the_models_own_result_is_no_label(result):
    scan, folder, *_ = result
    with pytest.raises(UserError, match="neither corrected nor reviewed"):
        maps_of(scan, folder)


def test_a_reviewed_result_is_a_label_per_view_to_the_pixel(result):
    scan, folder, front, back = result
    (folder / "receipt.json").write_text(json.dumps({"inputs": [], "review": []}))
    found = maps_of(scan, folder)
    np.testing.assert_array_equal(found[0], front)
    np.testing.assert_array_equal(found[1], back)


def test_a_lesion_taken_out_leaves_every_view(result):
    scan, folder, front, back = result
    correct(folder, lambda union: union.__setitem__(union == 1, 0))
    front[5:10, 5:10] = back[5:10, 7:12] = False
    found = maps_of(scan, folder)
    np.testing.assert_array_equal(found[0], front)
    np.testing.assert_array_equal(found[1], back)


def test_pixels_added_to_a_lesion_go_to_the_views_it_lies_in(result):
    scan, folder, front, back = result
    correct(folder, lambda union: union.__setitem__((slice(25, 28), slice(5, 10)), 2))
    front[25:28, 5:10] = True
    found = maps_of(scan, folder)
    np.testing.assert_array_equal(found[0], front)
    np.testing.assert_array_equal(found[1], back)


def test_a_newly_drawn_lesion_is_a_mark_of_the_union(result):
    scan, folder, front, back = result
    hot = scan.anterior.counts.copy()
    hot[50:55, 20:25] = 90
    scan = replace(scan, anterior=scan.anterior.with_counts(hot))
    correct(folder, lambda union: union.__setitem__((slice(50, 55), slice(20, 25)), 9), "anna.seg.nrrd")
    found = maps_of(scan, folder, "anna.seg.nrrd")
    new = np.zeros(SHAPE, np.uint8)
    new[50:55, 20:25] = 1
    np.testing.assert_array_equal(found[0], front | (new > 0))
    np.testing.assert_array_equal(found[1], back + 2 * new)


def test_corrections_of_several_readers_next_to_the_result_count_each(result, tmp_path):
    from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

    scan, folder, *_ = result
    write_nm_wholebody(tmp_path / "scan.dcm", scan, patient_id="P", uid_text="results")
    import pydicom

    uid = str(pydicom.dcmread(tmp_path / "scan.dcm").SOPInstanceUID)
    (folder / "receipt.json").write_text(json.dumps({"inputs": [{"sop_instance_uid": uid, "sha256": "", "file": "x"}]}))
    for name in ("anna.seg.nrrd", "ben.seg.nrrd"):
        correct(folder, lambda union: union.__setitem__(union == 2, 0), name)
    (study,) = find([tmp_path]).labelled
    assert {name: files[0].path.name for name, files in study.readers.items()} == {
        "anna": "anna.seg.nrrd",
        "ben": "ben.seg.nrrd",
    }


def test_a_result_whose_scan_is_nowhere_is_left_out(result, tmp_path):
    _, folder, *_ = result
    (left,) = find([tmp_path]).left_out
    assert left.path == folder
    assert "lies in none of the labelled folders" in left.reason


@pytest.mark.slow
def test_a_result_of_the_shipped_model_comes_back_pixel_for_pixel(patient, tmp_path):
    reading = Reader().read_scan(patient.scan)
    reading.receipt["review"] = []
    save_reading(reading, str(tmp_path / "case"))
    found = instances_of(
        read_labels([LabelFile(tmp_path / "case" / "segmentation.seg.nrrd")], patient.scan), patient.scan
    )
    for name, ids in reading.view_masks.items():
        own = ids if name == "anterior" else ids[:, ::-1]
        np.testing.assert_array_equal(label_map(found, name, patient.scan.frame.shape), own > 0)
