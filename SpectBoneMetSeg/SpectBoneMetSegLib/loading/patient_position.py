"""Signs in a DICOM header that the patient may not lie head up and face to the anterior detector.

Nothing is turned or mirrored on such a sign: headers are often wrong about it. The reader is told to look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..scan.planar import ViewName

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["position_warnings"]

#: DICOM PS3.16 CID 21 and CID 20, SNOMED CT and SNOMED-RT.
_FEET_FIRST = frozenset({"102541007", "F-10480"})
_PRONE = frozenset({"1240000", "F-10310"})


def position_warnings(dataset: Dataset, name: str, side: ViewName | None) -> list[str]:
    """Sentences about feet-first, prone, head-down or already mirrored pictures.

    Args:
        dataset: the header.
        name: file name for the sentences.
        side: the one view of the file, None when it holds both or the side is not known.
    """
    found = []
    position = str(dataset.get("PatientPosition") or "")
    if position.startswith("FF") or _codes(dataset, "PatientGantryRelationshipCodeSequence") & _FEET_FIRST:
        found.append(f"{name} says that the patient lay feet first: check that the head is at the top.")
    modifiers = {
        code
        for item in dataset.get("PatientOrientationCodeSequence") or []
        for code in _codes(item, "PatientOrientationModifierCodeSequence")
    }
    if position.endswith("P") or modifiers & _PRONE:
        found.append(f"{name} says that the patient lay prone: check which side each view shows.")
    orientation = dataset.get("PatientOrientation")
    if orientation and not isinstance(orientation, str) and len(orientation) == 2:
        across, down = str(orientation[0]).upper(), str(orientation[1]).upper()
        if down.startswith("H"):
            found.append(f"{name} says that its rows run from foot to head: check that the head is at the top.")
        if side is not None and across.startswith("R" if side == "anterior" else "L"):
            found.append(f"{name} says that its {side} view is mirrored: check left and right.")
    return found


def _codes(dataset: Dataset, keyword: str) -> set[str]:
    return {str(item.get("CodeValue") or "") for item in dataset.get(keyword) or []}
