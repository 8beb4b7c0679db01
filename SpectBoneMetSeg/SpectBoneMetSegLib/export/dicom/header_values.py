"""Header values that DICOM objects may repeat: values that DICOM does not allow are corrected or left empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...common.dates import plain_date
from ...loading.dicom_values import text, texts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["make_conformant"]

_UNICODE = "ISO_IR 192"
#: Attributes that become empty if their value is none.
_EMPTIED = ("StudyDate", "StudyTime", "PatientBirthDate", "PatientSex")


def make_conformant(header: Dataset) -> tuple[str, ...]:
    """Correct the values of patient and study in a header, so that other objects of the study may repeat them.

    Dates and times get DICOM's format ("12:00:00" becomes "120000"); a date, a time or a sex that is none becomes
    empty. Texts are written in Unicode where the header states a character set that does not exist.

    Returns:
        The attributes whose values are lost, by their names in DICOM ("Study Date").
    """
    before = {keyword: text(header, keyword) for keyword in _EMPTIED}
    from pydicom.datadict import dictionary_description

    for keyword in ("StudyDate", "PatientBirthDate"):
        if keyword in header:
            setattr(header, keyword, plain_date(text(header, keyword)))
    if "StudyTime" in header:
        header.StudyTime = _time(text(header, "StudyTime"))
    if "PatientSex" in header and text(header, "PatientSex") not in ("M", "F", "O"):
        header.PatientSex = ""
    names = texts(header, "PatientName")
    if len(names) > 1:
        # A backslash separates values, and a patient has one name.
        header.PatientName = " ".join(names)
    if not _is_character_set(texts(header, "SpecificCharacterSet")):
        header.SpecificCharacterSet = _UNICODE
    return tuple(dictionary_description(keyword) for keyword in _EMPTIED if before[keyword] and not header.get(keyword))


def _time(value: str) -> str:
    from pydicom.valuerep import TM

    plain = value.replace(":", "")
    try:
        return plain if TM(plain) is not None else ""
    except ValueError:
        return ""


def _is_character_set(values: list[str]) -> bool:
    from pydicom.charset import python_encoding

    known = all(value in python_encoding for value in values)
    return known and (len(values) < 2 or all(value.startswith("ISO 2022") for value in values if value))
