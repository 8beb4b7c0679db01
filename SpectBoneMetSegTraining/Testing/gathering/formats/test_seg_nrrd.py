"""Slicer's segmentations as labels."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.volumes import ijk_to_lps, write_volume
from SpectBoneMetSegTrainingLib.dataset.cases import merge_labels
from SpectBoneMetSegTrainingLib.gathering.labels.marks import instances_of
from support.labels import blob_scan, maps_of, read


def test_a_slicer_segmentation_marks_the_union_of_both_views_pixel_for_pixel(study, tmp_path):
    import slicerio

    path = tmp_path / "reader.seg.nrrd"
    numbers = np.unique(study.union[study.union > 0]).tolist()
    segmentation = {
        # slicerio's arrays run (i, j, k).
        "voxels": study.union.T[:, :, None].astype(np.int16),
        "ijkToLPS": ijk_to_lps(study.scan.frame.ijk_to_ras),
        "encoding": "gzip",
        "segments": [
            {"id": f"Segment_{n}", "name": f"focus {n}", "labelValue": n, "layer": 0, "color": [1, 0, 0]}
            for n in numbers
        ],
        "containedRepresentationNames": ["Binary labelmap"],
        "sourceRepresentation": "Binary labelmap",
    }
    slicerio.write_segmentation(str(path), segmentation)
    labels = read(study.scan, path)
    assert labels.covers == {None}
    maps = maps_of(labels, study.scan)
    np.testing.assert_array_equal(merge_labels(maps.values()) == 1, study.union > 0)


def layered_segmentation(layers, frame, path, names):
    """Overlapping segments lie in layers of one vector image; this is how Slicer stores them."""
    image = sitk.GetImageFromArray(np.stack(layers, axis=-1)[None].astype(np.uint8), isVector=True)
    lps = ijk_to_lps(frame.ijk_to_ras)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    for index, name in enumerate(names):
        for key, value in (("Name", name), ("LabelValue", "1"), ("Layer", str(index)), ("ID", f"s{index}")):
            image.SetMetaData(f"Segment{index}_{key}", value)
    sitk.WriteImage(image, str(path))
    return path


def test_overlapping_segments_stay_two_lesions_and_ignore_counts_neither_way(tmp_path):
    scan = blob_scan()
    one, two, three = (np.zeros(scan.frame.shape, bool) for _ in range(3))
    one[5:9, 5:9] = two[7:12, 7:12] = three[20:23, 5:9] = True
    path = layered_segmentation([one, two, three], scan.frame, tmp_path / "a.seg.nrrd", ["a", "b", "Ignore"])
    found = instances_of(read(scan, path, views=["anterior"]), scan)
    lesions = [item for item in found if item.about["source"] != "not labelled"]
    assert [item.labelled for item in lesions] == [{"anterior": True}, {"anterior": True}, {"anterior": False}]
    for item, mask in zip(lesions, (one, two, three), strict=True):
        np.testing.assert_array_equal(item.masks["anterior"], mask)


def test_a_segmentation_may_be_stored_cropped_to_its_marks(tmp_path):
    scan = blob_scan()
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[:, 3] = matrix @ [6, 10, 0, 1]
    write_volume(np.ones((4, 4), np.uint8), matrix, str(tmp_path / "a.seg.nrrd"), {"Segment0_LabelValue": "1"})
    (mark,) = read(scan, tmp_path / "a.seg.nrrd").marks
    assert mark.mask.sum() == 16
    assert mark.mask[10:14, 6:10].all()
    write_volume(np.ones((4, 4), np.uint8), matrix, str(tmp_path / "a.nrrd"))
    with pytest.raises(UserError):
        read(scan, tmp_path / "a.nrrd")


def test_a_rejected_segment_marks_nothing(tmp_path):
    scan = blob_scan()
    mask = np.zeros(scan.frame.shape, np.uint8)
    mask[5:9, 5:9], mask[20:23, 5:9] = 1, 2
    fields = {"Segment0_LabelValue": "1", "Segment1_LabelValue": "2"}
    fields["Segment1_Tags"] = "Segmentation.Status:flagged|SpectBoneMetSeg.decision:rejected|"
    write_volume(mask, scan.frame.ijk_to_ras, str(tmp_path / "a.seg.nrrd"), fields)
    marks = read(scan, tmp_path / "a.seg.nrrd").marks
    assert len(marks) == 1
    np.testing.assert_array_equal(marks[0].mask, mask == 1)


@pytest.mark.parametrize("shows", [("anterior",), ("posterior",), ("anterior", "posterior")])
def test_a_mark_of_the_union_is_a_label_only_of_the_views_that_show_it(shows, tmp_path):
    scan = blob_scan(anterior="anterior" in shows, posterior="posterior" in shows)
    mask = np.zeros(scan.frame.shape, np.uint8)
    mask[10:14, 6:10] = 1
    write_volume(mask, scan.frame.ijk_to_ras, str(tmp_path / "mask.nrrd"))
    maps = maps_of(read(scan, tmp_path / "mask.nrrd"), scan)
    for name in ("anterior", "posterior"):
        np.testing.assert_array_equal(maps[name], mask * (1 if name in shows else 2))
    np.testing.assert_array_equal(merge_labels(maps.values()), mask)


def test_a_mark_of_the_union_that_no_view_shows_stays_in_the_union(tmp_path):
    scan = blob_scan(anterior=False, posterior=False)
    mask = np.zeros(scan.frame.shape, np.uint8)
    mask[10:14, 6:10] = 1
    write_volume(mask, scan.frame.ijk_to_ras, str(tmp_path / "mask.nrrd"))
    np.testing.assert_array_equal(merge_labels(maps_of(read(scan, tmp_path / "mask.nrrd"), scan).values()), mask)


def test_an_empty_segmentation_needs_no_position(study, tmp_path):
    write_volume(np.zeros((1, 1), np.uint8), np.eye(4), str(tmp_path / "e.seg.nrrd"))
    labels = read(study.scan, tmp_path / "e.seg.nrrd")
    assert (labels.marks, labels.covers) == ((), {None})
