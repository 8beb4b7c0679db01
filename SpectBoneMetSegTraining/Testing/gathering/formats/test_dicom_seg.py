"""DICOM segmentations as labels."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.volumes import ijk_to_lps
from support.labels import assert_per_view, maps_of, read

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"


def write_dicom_seg(frames, path, *, sources=None, planes=None, kind="BINARY"):
    """A DICOM segmentation.

    Args:
        frames: [(segment number, (rows, columns) mask)]; of a label map [(0, segment numbers)].
        sources: per frame (SOP UID, frame number).
        planes: per frame a view whose place is stated.
    """
    rows, columns = frames[0][1].shape
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, SEG_CLASS
    meta.MediaStorageSOPInstanceUID = generate_uid()
    seg = Dataset()
    seg.file_meta = meta
    seg.SOPClassUID, seg.SOPInstanceUID, seg.Modality = SEG_CLASS, meta.MediaStorageSOPInstanceUID, "SEG"
    seg.SegmentationType, seg.NumberOfFrames, seg.Rows, seg.Columns = kind, len(frames), rows, columns
    seg.SamplesPerPixel, seg.PhotometricInterpretation, seg.PixelRepresentation = 1, "MONOCHROME2", 0
    seg.SegmentSequence = []
    for number in sorted({number for number, _ in frames}):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, "ignore" if number == 99 else "lesion"
        seg.SegmentSequence.append(segment)
    seg.PerFrameFunctionalGroupsSequence = []
    for index, (number, _) in enumerate(frames):
        group, which = Dataset(), Dataset()
        which.ReferencedSegmentNumber = number
        if number:
            group.SegmentIdentificationSequence = [which]
        if sources:
            image, derivation = Dataset(), Dataset()
            image.ReferencedSOPInstanceUID, image.ReferencedFrameNumber = sources[index]
            derivation.SourceImageSequence = [image]
            group.DerivationImageSequence = [derivation]
        if planes:
            lps = ijk_to_lps(planes[index].ijk_to_ras)
            position, orientation, measures = Dataset(), Dataset(), Dataset()
            spacing = np.linalg.norm(lps[:3, :2], axis=0)
            position.ImagePositionPatient = lps[:3, 3].tolist()
            orientation.ImageOrientationPatient = (lps[:3, :2] / spacing).T.ravel().tolist()
            measures.PixelSpacing = [float(spacing[1]), float(spacing[0])]
            group.PlanePositionSequence, group.PlaneOrientationSequence = [position], [orientation]
            group.PixelMeasuresSequence = [measures]
        seg.PerFrameFunctionalGroupsSequence.append(group)
    stack = np.stack([mask for _, mask in frames])
    if kind == "BINARY":
        seg.BitsAllocated = seg.BitsStored = 1
        seg.HighBit, seg.PixelData = 0, pack_bits(stack.astype(np.uint8).ravel())
    else:
        seg.BitsAllocated = seg.BitsStored = 8
        seg.HighBit, seg.MaximumFractionalValue = 7, 200
        seg.PixelData = (stack * (150 if kind == "FRACTIONAL" else 1)).astype(np.uint8).tobytes()
    seg.save_as(path, enforce_file_format=True)
    return path


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
