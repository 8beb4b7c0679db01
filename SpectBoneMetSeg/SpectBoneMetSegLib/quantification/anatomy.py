"""Regions of the skeleton by name, side and SNOMED CT code.

The codes are those of the DICOM standard's context groups (PS3.16), taken from pydicom. Where a region consists of
several bones for which the standard has no common code, the code of the next wider structure is used, which holds for
every bone of the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..scan.region_sides import PAIRED
from ..scan.skeleton_regions import BONE_REGIONS, OTHER_REGIONS, RIGHT_OFFSET

__all__ = ["LEFT", "RIGHT", "Code", "Region", "all_regions", "contralateral"]

Side = Literal["", "left", "right"]


@dataclass(frozen=True)
class Code:
    """A coded concept.

    Attributes:
        value: code value.
        meaning: code meaning.
        scheme: DICOM's designator of the coding scheme; SCT is SNOMED CT.
    """

    value: str
    meaning: str
    scheme: str = "SCT"


LEFT, RIGHT = Code("7771000", "Left"), Code("24028007", "Right")

_CODES = {
    "skull": Code("89546000", "Skull"),
    "cervical spine": Code("122494005", "Cervical spine"),
    "thoracic spine": Code("122495006", "Thoracic spine"),
    "lumbar spine": Code("122496007", "Lumbar spine"),
    "sacrum": Code("54735007", "Sacrum"),
    "pelvis": Code("118645006", "Pelvis"),
    "ribs": Code("113197003", "Rib"),
    "scapula": Code("79601000", "Scapula"),
    "humerus": Code("85050009", "Humerus"),
    "femur": Code("71341001", "Femur"),
    "sternum": Code("56873002", "Sternum"),
    "clavicle": Code("51299004", "Clavicle"),
    "forearm and hand": Code("371195002", "Bone of upper limb"),
    "lower leg and foot": Code("72001000", "Bone of lower limb"),
    "bladder": Code("89837001", "Bladder"),
    "kidney": Code("64033007", "Kidney"),
}


@dataclass(frozen=True)
class Region:
    """One region of the skeleton, or an organ or injection site outside it.

    Attributes:
        number: its value in region maps.
        name: without side, such as "femur".
        side: the patient's side; "" for unpaired regions.
        bone: whether it is bone; bladder, kidneys and injection site are not.
        code: SNOMED CT; None for an injection site, which is no structure of the body.
    """

    number: int
    name: str
    side: Side
    bone: bool
    code: Code | None

    @property
    def title(self) -> str:
        """Name with side: "left femur", "thoracic spine"."""
        return f"{self.side} {self.name}".strip()

    @property
    def laterality(self) -> Code | None:
        """Code of the side; None for unpaired regions."""
        return {"left": LEFT, "right": RIGHT}.get(self.side)


@lru_cache(maxsize=1)
def all_regions() -> dict[int, Region]:
    """Return {number: region}, left and right separate, ordered by number."""
    found = {}
    for name, number in {**BONE_REGIONS, **OTHER_REGIONS}.items():
        bone, code = name in BONE_REGIONS, _CODES.get(name)
        sides: tuple[tuple[int, Side], ...] = ((0, ""),)
        if name in PAIRED:
            sides = ((0, "left"), (RIGHT_OFFSET, "right"))
        for offset, side in sides:
            found[number + offset] = Region(number + offset, name, side, bone, code)
    return dict(sorted(found.items()))


def contralateral(number: int) -> int:
    """Return the number of the same region on the patient's other side; the number itself for unpaired regions.

    >>> contralateral(10), contralateral(60), contralateral(3)
    (60, 10, 3)
    """
    other = number - RIGHT_OFFSET if number > RIGHT_OFFSET else number + RIGHT_OFFSET
    return other if other in all_regions() else number
