"""Read header values of DICOM files tolerantly: decimal commas, units, other value representations.

A value that cannot be parsed counts as missing; it never makes the file unreadable.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["items", "normalise_integers", "number", "numbers", "patient", "text", "texts"]

#: Elements that decoders expect as integers.
_INTEGERS = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation",
)  # fmt: skip

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def text(dataset: Dataset, keyword: str) -> str:
    """Return a value as text, several joined by a backslash; "" if it is missing or cannot be decoded."""
    return "\\".join(texts(dataset, keyword))


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """Return the values of an element as texts; [] if it is missing or empty."""
    from pydicom.valuerep import PersonName

    value = _value(dataset, keyword)
    if value is None:
        return []
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        value = value.split("\\")
    elif isinstance(value, PersonName) or not hasattr(value, "__iter__"):
        # A name iterates over its letters.
        value = [value]
    found = [str(part).strip(" \0") for part in value]
    return found if any(found) else []


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return the numbers of an element; [] if it is missing or any value is not a number.

    Accepted: decimal commas ("2,26\\2,26"), a comma as separator ("2.26,2.26"), a unit ("2.26 mm").
    """
    values = texts(dataset, keyword)
    if len(values) == 1 and "," in values[0] and "." in values[0]:
        values = values[0].split(",")
    found = []
    for value in values:
        plain = value.strip(" \0").lower().removesuffix("mm").rstrip().replace(",", ".")
        if not _NUMBER.fullmatch(plain):
            return []
        found.append(float(plain))
    return found


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first number of an element; None if it has none."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def patient(dataset: Dataset) -> str:
    """Return what tells patients apart in a header: the patient's ID, or the name if there is no ID; "" for neither."""
    return (text(dataset, "PatientID") or text(dataset, "PatientName")).casefold()


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; [] if it is missing or not a sequence."""
    from pydicom.sequence import Sequence

    value = _value(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


def normalise_integers(dataset: Dataset) -> None:
    """Replace the elements that describe pixel storage by integers, however they were written ("2,0")."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    for keyword in _INTEGERS:
        found = number(dataset, keyword)
        tag = tag_for_keyword(keyword)
        if tag is not None and found is not None and found.is_integer():
            dataset.add_new(tag, dictionary_VR(tag), int(found))


def _value(dataset: Dataset, keyword: str) -> Any:
    if keyword not in dataset:
        return None
    try:
        return dataset[keyword].value
    except Exception:  # noqa: BLE001 - pydicom converts a value on access; each VR fails in its own way
        return getattr(dataset.get_item(keyword), "value", None)
