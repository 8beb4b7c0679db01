"""NM data sets of every kind met in hospitals, segmentations, and how a refused file is reported; pydicom alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, generate_uid
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.volumes import ijk_to_lps
from SpectBoneMetSegLib.loading import read_scan

SHAPE = (40, 10)
SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
ANTERIOR = np.random.default_rng(1).poisson(20, SHAPE).astype(np.uint16)
POSTERIOR = np.random.default_rng(2).poisson(30, SHAPE).astype(np.uint16)


def code(value: str, meaning: str = "", scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def detector(*view: str) -> Dataset:
    item = Dataset()
    if view:
        item.ViewCodeSequence = [code(*view)]
    return item


def nm(*frames: np.ndarray, detectors: list[Dataset] | None = None, **header: object) -> Dataset:
    """An NM data set; every frame is seen by a detector of its own unless the header says otherwise."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = NuclearMedicineImageStorage, "1.2.3.4", "NM"
    ds.StudyInstanceUID, ds.PatientName, ds.Manufacturer = "1.2.3", "Do^Not^Tell", "Maker"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    ds.PixelSpacing = [2.4, 2.26]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, (ds.Rows, ds.Columns) = len(frames), frames[0].shape
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, int(frames[0].dtype.kind == "i")
    ds.PixelData = np.stack(frames).tobytes()
    ds.EnergyWindowVector, ds.DetectorVector = [1] * len(frames), list(range(1, len(frames) + 1))
    if detectors is not None:
        ds.DetectorInformationSequence = detectors
    for keyword, value in header.items():
        setattr(ds, keyword, value)
    return ds


def saved(ds: Dataset, path: Path) -> Path:
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def coded_pair(**header: object) -> Dataset:
    return nm(ANTERIOR, POSTERIOR, detectors=[detector("399321004"), detector("399001007")], **header)


def refused(path: Path, **options: object) -> UserError:
    with pytest.raises(UserError) as caught:
        read_scan(path, **options)
    return caught.value


def refusal(path: Path, **options: object) -> str:
    sentence = str(refused(path, **options))
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
    return sentence


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
