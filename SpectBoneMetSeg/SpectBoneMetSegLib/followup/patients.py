"""Whether scans say that they are of one patient; what names a patient is compared and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..common.errors import UserError
from ..loading.dicom import texts_of
from ..scan.planar import WholeBodyScan

__all__ = ["Patient", "differ", "patient_in", "patient_of", "share_information"]

#: What a header says of a patient; "" for what it does not.
Patient = tuple[str, str]
UNKNOWN: Patient = ("", "")


def patient_of(scan: WholeBodyScan) -> Patient:
    """Identifier and day of birth in the headers of the files that a scan was read from."""
    return patient_in(map(Path, scan.source.files))


def patient_in(files: Iterable[Path]) -> Patient:
    """Identifier and day of birth in the first of some files that says any; a file that is no DICOM says none."""
    for file in files:
        try:
            identifier, born = texts_of(file, "PatientID", "PatientBirthDate")
        except (UserError, OSError):
            continue
        if identifier or born:
            return identifier.casefold(), born
    return UNKNOWN


def differ(one: Patient, two: Patient) -> bool:
    """Whether two headers are surely of two patients: what both say is not the same."""
    return any(first and second and first != second for first, second in zip(one, two, strict=True))


def share_information(one: Patient, two: Patient) -> bool:
    """Whether there is anything that two headers both say of their patient."""
    return any(first and second for first, second in zip(one, two, strict=True))
