"""Studies for tests of training: the sample study several times, each time with other noise and another patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..fixtures import ROOT, SAMPLE

__all__ = ["write_labelled", "write_scan"]

TRUTH = ROOT / "Resources" / "Sample" / "truth.nii.gz"


def write_scan(path: Path, seed: int) -> Path:
    """The sample study with new noise, as the DICOM file of another patient."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset = pydicom.dcmread(SAMPLE)
    counts = np.random.default_rng(seed).poisson(dataset.pixel_array.astype(np.float64)).clip(0, 65535)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = counts.astype(np.uint16).tobytes()
    dataset["PixelData"].is_undefined_length = False
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"scan {seed}"])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {seed}"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {seed}"])
    dataset.PatientID = f"patient {seed}"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path)
    return path


def write_labelled(folder: Path, seed: int, readers: tuple[str, ...] = ("anna",)) -> Path:
    """A study folder with such a scan and each reader's labelmap; every reader after the first draws wider."""
    import SimpleITK

    write_scan(folder / f"scan{seed}.dcm", seed)
    mask = SimpleITK.ReadImage(str(TRUTH)) == 1
    for reader in readers:
        SimpleITK.WriteImage(mask, str(folder / f"{reader}.nii.gz"))
        mask = SimpleITK.BinaryDilate(mask, (3, 3, 0))
    return folder
