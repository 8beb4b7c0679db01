"""Coded concepts of the results: SNOMED CT and DICOM; a private scheme for concepts that both lack."""

from __future__ import annotations

from typing import NamedTuple

from ...lesions.results import Classification, Lesion
from ...quantification.results import LesionQuantities

__all__ = ["ABNORMAL", "CLASSES", "OWN_SCHEME", "Coded", "finding_of", "own", "review_text"]

#: Private coding schemes begin with 99 (PS3.16 8.2).
OWN_SCHEME = "99SBMS"


class Coded(NamedTuple):
    """Value, scheme and meaning of a code, in the order of pydicom's `Code`.

    Attributes:
        value: code value.
        scheme_designator: coding scheme, such as "SCT".
        meaning: code meaning.
    """

    value: str
    scheme_designator: str
    meaning: str


#: Finding of every area that is not an accepted malignant one.
ABNORMAL = Coded("49755003", "SCT", "Morphologically Abnormal Structure")
METASTASIS = Coded("128462008", "SCT", "Metastasis")

CLASSES: dict[Classification, Coded] = {
    "benign": Coded("30807003", "SCT", "Benign"),
    "equivocal": Coded("42425007", "SCT", "Equivocal"),
    "malignant": Coded("21594007", "SCT", "Malignant"),
}


def own(value: str, meaning: str) -> Coded:
    """Return a concept of the private scheme; `value` has at most 16 characters (Code Value, PS3.3 8.1).

    Raises:
        ValueError: `value` is too long.
    """
    if len(value) > 16:
        raise ValueError(f"the code {value} is too long")
    return Coded(value, OWN_SCHEME, meaning)


def finding_of(lesion: Lesion) -> Coded:
    """Return the finding of a lesion: a metastasis only if a physician accepted it as malignant."""
    malignant = lesion.decision == "accepted" and lesion.classification == "malignant"
    return METASTASIS if malignant else ABNORMAL


def review_text(known: LesionQuantities) -> str:
    """Return who decided on a lesion, and what: "Physician: accepted, classified as malignant, outline edited."."""
    if known.decided_by == "model":
        return "Model: predicted area, no decision of a physician."
    parts = [
        "no decision" if known.decision == "open" else known.decision,
        f"classified as {known.classification}" if known.classification else "",
        "outline drawn or edited" if known.edited else "",
    ]
    return f"Physician: {', '.join(filter(None, parts))}."
