"""DICOM segmentations as labels."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid
from SpectBoneMetSegLib.common.errors import UserError
from support.labels import assert_per_view, maps_of, read
from support.nm_files import write_dicom_seg


def source_frames(scan):
    """(SOP UID, frame number) of each view of a two-frame file, found by its counts."""
    (file,), (uid,) = scan.source.files, scan.source.sop_instance_uids
    frames = pydicom.dcmread(file).pixel_array
    return {
        name: (uid, 1 + next(i for i, frame in enumerate(frames) if np.array_equal(frame, view.counts)))
        for name, view in scan.views.items()
    }


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_a_dicom_segmentation_that_names_its_frames_comes_back_pixel_for_pixel(study, tmp_path, kind):
    frames, sources, where = [], [], source_frames(study.scan)
    for name, ids in study.own.items():
        for number in np.unique(ids[ids > 0]).tolist():
            frames.append((number, ids == number))
            sources.append(where[name])
    assert_per_view(read(study.scan, write_dicom_seg(frames, tmp_path / "seg.dcm", sources=sources, kind=kind)), study)


def test_a_dicom_label_map_comes_back_pixel_for_pixel(study, tmp_path):
    where = source_frames(study.scan)
    path = tmp_path / "seg.dcm"
    write_dicom_seg([(0, ids) for ids in study.own.values()], path, sources=list(where.values()), kind="LABELMAP")
    assert_per_view(read(study.scan, path), study)


def test_a_dicom_segmentation_that_states_its_position_comes_back_pixel_for_pixel(study, tmp_path):
    frames = [(1, ids > 0) for ids in study.own.values()]
    # With a mark on the anterior view's grid alone it would be the union of both.
    planes = [study.scan.views["posterior"]]
    path = write_dicom_seg(frames[1:], tmp_path / "seg.dcm", planes=planes)
    labels = read(study.scan, path)
    assert labels.covers == {"posterior"}
    np.testing.assert_array_equal(maps_of(labels, study.scan)["posterior"], study.ids["posterior"] > 0)


def test_a_dicom_segmentation_of_another_image_is_refused(study, tmp_path):
    ids = study.own["anterior"]
    path = write_dicom_seg([(1, ids > 0)], tmp_path / "seg.dcm", sources=[(generate_uid(), 1)])
    with pytest.raises(UserError, match=r"seg\.dcm .*another image"):
        read(study.scan, path)
