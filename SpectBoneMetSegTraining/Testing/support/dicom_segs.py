"""DICOM segmentations, built with pydicom alone."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from SpectBoneMetSegLib.export.volumes import ijk_to_lps

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
