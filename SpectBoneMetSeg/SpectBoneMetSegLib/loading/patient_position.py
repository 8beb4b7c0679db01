"""Warnings where a DICOM header states an unusual patient position or a mirrored view.

No image is turned or mirrored because of them: such header values are often wrong. The user is asked to check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..scan.planar import ViewName
from .dicom_values import items, numbers, text, texts
from .laterality import VIEW_CODES

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["position_warnings"]

#: DICOM PS3.16 CID 21 and CID 20, SNOMED CT and SNOMED-RT.
_FEET_FIRST = frozenset({"102541007", "F-10480"})
_PRONE = frozenset({"1240000", "F-10310"})
_ON_THE_SIDE = frozenset({"102535000", "F-10317", "102536004", "F-10319"})
#: Positions closer to the midline than this (mm) do not indicate a side.
MIDLINE_MM = 10.0


def position_warnings(dataset: Dataset, name: str, side: ViewName | None) -> list[str]:
    """Return warnings about feet-first, prone, decubitus, head-down or already mirrored images.

    Args:
        dataset: the header.
        name: file name for the messages.
        side: the single view of the file, None if it holds both or the side is unknown.
    """
    found = []
    position = text(dataset, "PatientPosition")
    if position.startswith("FF") or _codes(dataset, "PatientGantryRelationshipCodeSequence") & _FEET_FIRST:
        found.append(f"{name} states that the patient lay feet first: check that the head is at the top.")
    modifiers = {
        code
        for item in items(dataset, "PatientOrientationCodeSequence")
        for code in _codes(item, "PatientOrientationModifierCodeSequence")
    }
    if position.endswith("P") or modifiers & _PRONE:
        found.append(f"{name} states that the patient lay prone: check which view each image shows.")
    if position.endswith(("DR", "DL")) or modifiers & _ON_THE_SIDE:
        found.append(f"{name} states that the patient lay on one side: check which view each image shows.")
    orientation = texts(dataset, "PatientOrientation")
    if len(orientation) == 2:
        across, down = orientation[0].upper(), orientation[1].upper()
        if down.startswith("H"):
            found.append(f"{name} states that its rows run from foot to head: check that the head is at the top.")
        if side is not None and across.startswith("R" if side == "anterior" else "L"):
            found.append(f"{name} states that its {side} view is mirrored: check left and right.")
    return [*found, *_mirrored_by_position(dataset, name)]


def _mirrored_by_position(dataset: Dataset, name: str) -> list[str]:
    """Return warnings about detectors whose first pixel lies on the wrong side, where no direction is stated.

    DICOM positions are LPS: the anterior view begins on the patient's right, at a negative first coordinate.
    """
    found = []
    for detector in items(dataset, "DetectorInformationSequence"):
        position = numbers(detector, "ImagePositionPatient")
        codes = {text(code, "CodeValue") for code in items(detector, "ViewCodeSequence")}
        sides = {side for value, side in VIEW_CODES.items() if value in codes}
        if len(position) != 3 or len(sides) != 1 or numbers(detector, "ImageOrientationPatient"):
            continue
        side = sides.pop()
        if position[0] * (1 if side == "anterior" else -1) > MIDLINE_MM:
            found.append(
                f"By the image position in {name}, the columns of its {side} view begin on the other side of the "
                "patient, as if it were mirrored: check left and right."
            )
    return found


def _codes(dataset: Dataset, keyword: str) -> set[str]:
    return {text(item, "CodeValue") for item in items(dataset, keyword)}
