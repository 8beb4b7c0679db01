"""How much of the skeleton's mass each bone holds: the weights of the bone scan index.

A bone scan index is the sum over bones of (involved share x weight), in per cent of the skeleton's mass (Imbriaco et
al. 1998). The weights are Imbriaco's, nothing is added to them: where that table keeps together what a region map tells
apart (the vertebrae and the sacrum, both halves of pelvis and ribs) one weight stands for a group of regions, and the
area of each within the scan says how much of it is whose.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..scan.skeleton_regions import BONE_REGIONS, RIGHT_OFFSET

__all__ = ["IMBRIACO_1998", "WeightGroup", "WeightTable"]


@dataclass(frozen=True)
class WeightGroup:
    """Regions that one weight stands for.

    Attributes:
        regions: their numbers.
        percent: of the skeleton's mass, all of them together.
    """

    regions: tuple[int, ...]
    percent: float


@dataclass(frozen=True)
class WeightTable:
    """Weights of the skeleton's regions.

    Attributes:
        name: what results call it.
        version: raised when a number changes.
        source: where the numbers are from.
        groups: every region of bone stands in one of them.
    """

    name: str
    version: str
    source: str
    groups: tuple[WeightGroup, ...]

    @property
    def total_percent(self) -> float:
        """What a skeleton that is involved all over adds up to."""
        return sum(group.percent for group in self.groups)


def _together(percent: float, *names: str, sides: bool = False) -> WeightGroup:
    numbers = [BONE_REGIONS[name] for name in names]
    return WeightGroup(tuple(numbers + ([number + RIGHT_OFFSET for number in numbers] if sides else [])), percent)


def _each_side(percent: float, name: str) -> tuple[WeightGroup, WeightGroup]:
    number = BONE_REGIONS[name]
    return WeightGroup((number,), percent), WeightGroup((number + RIGHT_OFFSET,), percent)


IMBRIACO_1998 = WeightTable(
    "Imbriaco 1998",
    "1",
    "Imbriaco M, Larson SM, Yeung HW, et al. A new parameter for measuring metastatic bone involvement by prostate "
    "cancer: the Bone Scan Index. Clin Cancer Res 1998;4:1765-1772, after Spiers FW, Radioisotopes in the Human Body, "
    "Academic Press 1968.",
    (
        # Skull 16.6 and mandible 1.8.
        _together(18.4, "skull"),
        _together(8.3, "cervical spine", "thoracic spine", "lumbar spine", "sacrum"),
        _together(7.5, "pelvis", sides=True),
        _together(4.4, "ribs", sides=True),
        _together(0.3, "sternum"),
        *_each_side(0.5, "clavicle"),
        *_each_side(1.5, "scapula"),
        *_each_side(3.3, "humerus"),
        # Ulna 1.5, radius 1.2 and hand 1.5.
        *_each_side(4.2, "forearm and hand"),
        *_each_side(8.9, "femur"),
        # Tibia 5.1, fibula 1.3 and foot 5.8.
        *_each_side(12.2, "lower leg and foot"),
    ),
)
