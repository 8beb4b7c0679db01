"""NM data sets of every kind met in hospitals, built with pydicom alone, and how a refused one is reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_scan

SHAPE = (40, 10)
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
