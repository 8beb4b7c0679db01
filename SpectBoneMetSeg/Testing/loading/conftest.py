"""A simulated body in counts, and planar NM files of it, for tests of real-world header variants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, generate_uid

#: Where the person's lesion lies: (row, column) in the anterior view of 512 x 128 pixels of 4.52 mm.
LESION = (140, 88)
VIEW_CODES = {"anterior": "399321004", "posterior": "399001007"}


def make_person(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(anterior, posterior as acquired) uint16 counts; one hot rib on the patient's left."""
    y, x = np.mgrid[:512, :128].astype(float)
    across = np.abs(x - 63.5)
    body = 8.0 * (((y - 65) / 26) ** 2 + (across / 17) ** 2 < 1)
    body += 8.0 * ((across < 36 - (y - 100) / 30) & (y > 85) & (y < 250))
    body += 8.0 * (np.abs(across - 19) < 14 - (y - 250) / 25) * ((y >= 250) & (y < 440))
    body += 8.0 * ((np.abs(across - 46) < 6) & (y > 105) & (y < 260))
    body += 30 * np.exp(-((across / 4) ** 2)) * ((y > 90) & (y < 240))
    spot = np.exp(-(((y - LESION[0]) / 3) ** 2) - ((x - LESION[1]) / 3) ** 2)
    draw = np.random.default_rng(seed).poisson
    anterior = draw(body + 200 * spot + 0.05)
    posterior = draw((1.1 * body + 250 * spot + 0.05)[:, ::-1])
    return anterior.astype(np.uint16), posterior.astype(np.uint16)


def make_file(path: Path, frames: list[np.ndarray], views: tuple[str, ...] = (), **header: object) -> Path:
    """Write a planar NM file; a header value of None leaves the element out."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = NuclearMedicineImageStorage, generate_uid(), "NM"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", generate_uid()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    ds.AcquisitionDate, ds.AcquisitionTime, ds.SeriesDescription = "20240102", "101500", "WB BONE"
    ds.PixelSpacing = [4.52, 4.52]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, (ds.Rows, ds.Columns) = len(frames), frames[0].shape[:2]
    ds.BitsAllocated = ds.BitsStored = 8 * frames[0].dtype.itemsize
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    ds.PixelData = np.stack(frames).tobytes()
    ds.DetectorVector = list(range(1, len(frames) + 1))
    detectors = []
    for view in views:
        detector, code = Dataset(), Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = VIEW_CODES[view], "SCT", view
        detector.ViewCodeSequence = [code]
        detectors.append(detector)
    if detectors:
        ds.DetectorInformationSequence = detectors
    for keyword, value in header.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture(scope="session")
def person() -> tuple[np.ndarray, np.ndarray]:
    return make_person()


@pytest.fixture(scope="session")
def nm_file() -> Callable[..., Path]:
    return make_file


@pytest.fixture
def both_views(person, tmp_path) -> Callable[..., Path]:
    """Writes the person's scan with both views coded; further header values as keywords."""

    def write(name: str = "scan.dcm", **header: object) -> Path:
        return make_file(tmp_path / name, list(person), ("anterior", "posterior"), **header)

    return write
