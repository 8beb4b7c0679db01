"""Values of a DICOM header as they are really written: decimal commas, words, other value representations.

A value that cannot be understood counts as not stated; it never makes the file a damaged one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["items", "normalise_integers", "number", "numbers", "text", "texts"]

#: What decoders take from a header without asking how it was written.
_FORM = (
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation",
)  # fmt: skip

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def text(dataset: Dataset, keyword: str) -> str:
    """A value as text, several joined by a backslash; "" when it is missing or cannot be decoded."""
    return "\\".join(texts(dataset, keyword))


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """The values of an element as texts; [] when it is missing or empty."""
    value = _value(dataset, keyword)
    if value is None:
        return []
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        value = value.split("\\")
    elif not hasattr(value, "__iter__"):
        value = [value]
    found = [str(part).strip(" \0") for part in value]
    return found if any(found) else []


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The numbers of an element; [] when it is missing or any of them is no number.

    "2,26\\2,26" has decimal commas, "2.26,2.26" a comma for the backslash, "2.26 mm" its unit behind it.
    """
    words = texts(dataset, keyword)
    if len(words) == 1 and "," in words[0] and "." in words[0]:
        words = words[0].split(",")
    found = []
    for word in words:
        plain = word.strip(" \0").lower().removesuffix("mm").rstrip().replace(",", ".")
        if not _NUMBER.fullmatch(plain):
            return []
        found.append(float(plain))
    return found


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first number of an element; None when it states none."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; [] when it is missing or no sequence."""
    from pydicom.sequence import Sequence

    value = _value(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


def normalise_integers(dataset: Dataset) -> None:
    """Put whole numbers in place of those that tell how the pixels are stored, however they were written ("2,0")."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    for keyword in _FORM:
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
