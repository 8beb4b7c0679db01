"""Synthetic readings of scans in every form of DICOM file, and checks of their results."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions.measurement import measure_lesions
from SpectBoneMetSegLib.lesions.naming import lesion_ids
from SpectBoneMetSegLib.lesions.results import Reading
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.scan.thorax import whole_field
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

#: What the identity of a patient is made of; no output may hold it where it does not belong.
NAMES = {
    "PatientName": "Geheim^Gisela",
    "PatientID": "PID-4711",
    "PatientBirthDate": "19380217",
    "ReferringPhysicianName": "Zuweiser^Zacharias",
    "InstitutionName": "Klinik Nirgendwo",
    "OperatorsName": "Bediener^Berta",
    "AccessionNumber": "ACC-0815",
}
MODEL = {"name": "made-up", "version": "7", "sha256": "ab" * 32}


def with_names(folder: Path) -> None:
    """Give every DICOM file of a folder a patient's identity."""
    import pydicom

    for file in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(file)
        for keyword, value in NAMES.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)


def _regions(view) -> np.ndarray:
    """The left half of the patient: pelvis in the lower half of the body, ribs above; spine next to them."""
    rows, columns = view.shape
    numbers = np.zeros(view.shape, np.uint8)
    numbers[10 : rows // 3, 8:-8] = 57
    numbers[rows // 3 : -10, 8:-8] = 56
    left = slice(columns // 2, None) if view.name == "anterior" else slice(None, columns // 2)
    numbers[:, left] = np.where(numbers[:, left] > 50, numbers[:, left] - 50, 0)
    return numbers


@pytest.fixture(scope="session")
def patient_names() -> dict[str, str]:
    """The identity in the files' headers, by keyword."""
    return dict(NAMES)


@pytest.fixture(scope="session")
def dicom_reading(reading_factory, tmp_path_factory) -> Callable[..., Reading]:
    """A function that gives a made-up reading of a scan in DICOM files of a variant."""

    def make(variant: str = "two-frame") -> Reading:
        views = {"anterior-only": ("anterior",), "posterior-only": ("posterior",)}.get(
            variant, ("anterior", "posterior")
        )
        made = reading_factory(views=views, spacing=(2.4, 2.4))
        rounded = {name: view.with_counts(np.round(view.counts)) for name, view in made.scan.views.items()}
        folder = tmp_path_factory.mktemp("scan")
        target = folder / "scan.dcm" if variant not in ("single-files", "captures") else folder / "scan"
        write_nm_wholebody(
            target,
            dataclasses.replace(made.scan, anterior=rounded.get("anterior"), posterior=rounded.get("posterior")),
            patient_id="P1",
            uid_text=variant,
            variant=variant,
        )
        with_names(folder)
        scan = read_scan(target)
        lesions = measure_lesions(scan, lesion_ids(made), made.view_masks, made.probability)
        known = tuple(dataclasses.replace(each, confidence=0.5 + each.id / 10) for each in lesions)
        receipt = {
            **made.receipt,
            "model": MODEL,
            "threshold": 0.5,
            "inputs": [{"file": file} for file in scan.source.files],
            "warnings": list(scan.warnings),
        }
        regions = {name: _regions(view) for name, view in scan.views.items()}
        return dataclasses.replace(
            made,
            scan=scan,
            lesions=known,
            receipt=receipt,
            confidence=0.9,
            regions=regions,
            crop=whole_field(scan.frame.shape),
        )

    return make


@pytest.fixture(scope="session")
def validate() -> Callable[[Path], list[str]]:
    """What dciodvfy (Debian's dicom3tools) finds wrong with a file; skipped where it is not installed."""

    def run(path: Path) -> list[str]:
        if shutil.which("dciodvfy") is None:
            pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")
        reported = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
        return [
            line for line in (reported.stdout + reported.stderr).splitlines() if line.startswith(("Error", "Abort"))
        ]

    return run


@pytest.fixture(scope="session")
def dcmqi() -> Callable[..., str]:
    """Runs a program of dcmqi; skipped where it is not installed."""

    def run(program: str, *arguments: str) -> str:
        found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
        if found is None:
            pytest.skip("dcmqi is not installed (pip install dcmqi)")
        reported = subprocess.run([found, *arguments], capture_output=True, text=True)
        assert reported.returncode == 0, reported.stdout + reported.stderr
        return reported.stdout + reported.stderr

    return run
