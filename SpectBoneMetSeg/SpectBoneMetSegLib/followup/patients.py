"""Check by their headers whether scans are of one patient; identifying data is compared, never stored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..common.errors import UserError
from ..loading.dicom import texts_of
from ..scan.planar import WholeBodyScan

__all__ = ["Patient", "differ", "patient_in", "patient_of", "share_information"]

#: (identifier, date of birth) in a header; "" for what is missing.
Patient = tuple[str, str]
UNKNOWN: Patient = ("", "")


def patient_of(scan: WholeBodyScan) -> Patient:
    """Return identifier and date of birth from the headers of the files that a scan was read from."""
    return patient_in(map(Path, scan.source.files))


def patient_in(files: Iterable[Path]) -> Patient:
    """Return identifier and date of birth from the first file that has either; files that are no DICOM are skipped."""
    for file in files:
        try:
            identifier, born = texts_of(file, "PatientID", "PatientBirthDate")
        except (UserError, OSError):
            continue
        if identifier or born:
            return identifier.casefold(), born
    return UNKNOWN


def differ(one: Patient, two: Patient) -> bool:
    """Return whether a field that both headers have differs: they are of two patients."""
    return any(first and second and first != second for first, second in zip(one, two, strict=True))


def share_information(one: Patient, two: Patient) -> bool:
    """Return whether two headers have a field in common that identifies the patient."""
    return any(first and second for first, second in zip(one, two, strict=True))
