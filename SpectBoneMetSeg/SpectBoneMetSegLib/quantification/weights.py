"""Weights of the bone scan index: the share of the skeleton's mass in each bone.

A bone scan index is the sum over bones of (involved share x weight), in per cent of the skeleton's mass (Imbriaco et
al. 1998). The weights are Imbriaco's, unchanged. Where that table has one weight for several regions of a region map
(the vertebrae and the sacrum, both halves of pelvis and ribs), the weight belongs to a group of regions and is divided
by their areas in the scan.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..scan.skeleton_regions import BONE_REGIONS, RIGHT_OFFSET

__all__ = ["IMBRIACO_1998", "WeightGroup", "WeightTable"]


@dataclass(frozen=True)
class WeightGroup:
    """Group of regions with a common weight.

    Attributes:
        regions: their numbers.
        percent: of the skeleton's mass, all regions together.
    """

    regions: tuple[int, ...]
    percent: float


@dataclass(frozen=True)
class WeightTable:
    """Weights of the skeleton's regions.

    Attributes:
        name: as stated in results.
        version: incremented when a number changes.
        source: reference for the numbers.
        groups: every region of bone is in exactly one of them.
    """

    name: str
    version: str
    source: str
    groups: tuple[WeightGroup, ...]

    @property
    def total_percent(self) -> float:
        """Index of a fully involved skeleton, in per cent."""
        return sum(group.percent for group in self.groups)


def _group(percent: float, *names: str, sides: bool = False) -> WeightGroup:
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
        _group(18.4, "skull"),
        _group(8.3, "cervical spine", "thoracic spine", "lumbar spine", "sacrum"),
        _group(7.5, "pelvis", sides=True),
        _group(4.4, "ribs", sides=True),
        _group(0.3, "sternum"),
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
