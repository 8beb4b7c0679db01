"""Coded concepts of the results (SNOMED CT and DICOM; our own scheme where both have none)."""

from __future__ import annotations

from typing import NamedTuple

from ...lesions.results import Classification, Lesion

__all__ = ["ABNORMAL", "CLASSES", "OWN_SCHEME", "Coded", "finding_of", "own"]

#: Private coding schemes begin with 99 (PS3.16 8.2).
OWN_SCHEME = "99SBMS"


class Coded(NamedTuple):
    """Value, scheme and meaning of a code, in the order of pydicom's own."""

    value: str
    scheme_designator: str
    meaning: str


#: What every area is until a physician says more.
ABNORMAL = Coded("49755003", "SCT", "Morphologically Abnormal Structure")
METASTASIS = Coded("128462008", "SCT", "Metastasis")

CLASSES: dict[Classification, Coded] = {
    "benign": Coded("30807003", "SCT", "Benign"),
    "equivocal": Coded("42425007", "SCT", "Equivocal"),
    "malignant": Coded("21594007", "SCT", "Malignant"),
}


def own(value: str, meaning: str) -> Coded:
    """A concept that no public scheme has; `value` of at most 16 letters, as readers look for it (PS3.3 8.1)."""
    if len(value) > 16:
        raise ValueError(f"the code {value} is too long")
    return Coded(value, OWN_SCHEME, meaning)


def finding_of(lesion: Lesion) -> Coded:
    """What a lesion is: a metastasis only where a physician accepted it as malignant."""
    said = lesion.decision == "accepted" and lesion.classification == "malignant"
    return METASTASIS if said else ABNORMAL
