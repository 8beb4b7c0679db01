"""Compute the planar bone scan index, or the reason why it cannot be computed.

The index is the sum over bones of (involved share of the bone's mass x weight). A planar view shows areas: the area of
each counted lesion on a bone is divided by the bone's own area, in the view where this ratio is larger. A view in which
a bone is mostly hidden (the sternum from behind) is ignored for that bone.

An involved area overestimates the involved mass, because a small lesion does not extend through the depth of the bone.
A lesion that covers a share `a` of the area involves `DEPTH x a ** 1.5 / solidity` of the mass, and never more than
`a`: its depth grows with its diameter until it is as deep as the bone. `SOLIDITY` is volume / area ** 1.5 of a bone of
the Rajagopal body model. DEPTH is calibrated on simulated patients; it also absorbs the effects of outlines at half
height, blur of the camera and confluent lesions on areas.

Metastases beyond elbows and knees are rare, and cameras are often too narrow for the arms: forearms, hands, lower legs
and feet count where they are seen, and need not be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import VIEW_NAMES, ViewName
from .anatomy import Region, all_regions
from .results import BoneScanIndex
from .weights import WeightTable

__all__ = ["Areas", "index_of", "involved", "mass_share", "not_computable", "not_found", "weights_of"]

#: {view: (lesions + 1, 256) area in pixels or mm2 of every lesion on every region}; row 0 is the whole region.
Areas = Mapping[ViewName, NDArray[np.float64]]

#: A view that shows less than this fraction of what the other view shows of a bone is ignored for that bone.
LEAST_SHOWN = 0.5
#: Largest part of the skeleton's mass (per cent) from the skull to elbows and knees that may be unseen.
MOST_UNSEEN = 5.0
#: Bones that need not be seen.
DISTAL = ("forearm and hand", "lower leg and foot")
#: See the docstring of the module; per region without side.
DEPTH = 0.47
SOLIDITY = {
    "skull": 0.19,
    "cervical spine": 0.23,
    "thoracic spine": 0.22,
    "lumbar spine": 0.31,
    "sacrum": 0.35,
    "pelvis": 0.19,
    "ribs": 0.048,
    "scapula": 0.29,
    "humerus": 0.147,
    "femur": 0.16,
    "sternum": 0.085,
    "clavicle": 0.21,
    "forearm and hand": 0.066,
    "lower leg and foot": 0.147,
}


def involved(areas: Areas, region: Region, lesions: Iterable[int]) -> tuple[float, float]:
    """Return the involved shares 0..1 of a region's area and of its mass.

    Args:
        areas: of all lesions and regions, in mm2.
        region: the region.
        lesions: IDs of the counted lesions.
    """
    whole = {name: float(table[0, region.number]) for name, table in areas.items()}
    most = max(whole.values(), default=0.0)
    if most <= 0:
        return 0.0, 0.0
    usable = [name for name, area in whole.items() if area >= LEAST_SHOWN * most]
    shares = [max(float(areas[name][lesion, region.number]) / whole[name] for name in usable) for lesion in lesions]
    return min(1.0, sum(shares)), min(1.0, sum(mass_share(share, region) for share in shares))


def weights_of(areas: Areas, table: WeightTable) -> dict[int, float]:
    """Return {region: per cent of the skeleton's mass} of the regions that are seen.

    The weight of a group is divided among its seen regions by area, each in the view that shows more of it.

    Args:
        areas: see `Areas`.
        table: weights of groups of regions.
    """
    shown = {number: max((float(each[0, number]) for each in areas.values()), default=0.0) for number in all_regions()}
    weights: dict[int, float] = {}
    for group in table.groups:
        seen = {number: shown[number] for number in group.regions}
        total = sum(seen.values())
        weights |= {number: group.percent * area / total for number, area in seen.items() if area > 0}
    return weights


def mass_share(area_share: float, region: Region) -> float:
    """Return the share 0..1 of a bone's mass involved by a lesion that covers the given share of its area."""
    return float(min(area_share, DEPTH * area_share**1.5 / SOLIDITY[region.name]))


def not_computable(
    cut: Mapping[int, float],
    areas: Areas,
    table: WeightTable,
    *,
    whole_field: bool,
    regions_known: bool,
) -> tuple[str, str]:
    """Return the reason why the index cannot be computed and the remedy, one sentence each; else ("", "").

    Args:
        cut: from `field.cut_by_field`, over both views.
        areas: see `Areas`.
        table: weights of groups of regions.
        whole_field: whether the whole field was read.
        regions_known: whether the model segmented regions.
    """
    if not regions_known:
        return (
            "The model segmented no regions of the skeleton.",
            "Read the scan again with a model that segments them, such as whole-body.",
        )
    if not whole_field:
        return "Only a part of the body was read.", "Read the whole body (region whole-body)."
    if len(areas) < len(VIEW_NAMES):
        # Each view shows bones on the far side poorly: the index of one view is lower than that of both.
        other = next(name for name in VIEW_NAMES if name not in areas)
        return f"The {other} view is missing.", "Use a scan with both views."
    unseen = {region.number: 1.0 for region in not_found(areas)} | dict(cut)
    weights = {number: group.percent / len(group.regions) for group in table.groups for number in group.regions}
    needed = [all_regions()[number] for number in sorted(unseen) if all_regions()[number].name not in DISTAL]
    lost = sum(weights[region.number] * unseen[region.number] for region in needed)
    if lost <= MOST_UNSEEN:
        return "", ""
    names = ", ".join(region.title for region in needed)
    if any(region.number in cut for region in needed):
        return (
            f"The edge of the field cuts bones, or they were not found: {names}.",
            "Use a scan of the whole skeleton, from the top of the head to below the knees with both upper arms.",
        )
    return (
        f"Bones were not found: {names}.",
        "Check that the scan shows the whole skeleton; if it does, estimate the involvement visually.",
    )


def not_found(areas: Areas) -> list[Region]:
    """Return the bones that no view shows."""
    return [
        region
        for number, region in all_regions().items()
        if region.bone and not any(each[0, number] > 0 for each in areas.values())
    ]


def index_of(contributions: Iterable[float], obstacle: tuple[str, str], table: WeightTable) -> BoneScanIndex:
    """Return the index, or why there is none.

    Args:
        contributions: of the bones, in per cent.
        obstacle: reason and remedy from `not_computable`.
        table: the weights used.
    """
    reason, remedy = obstacle
    return BoneScanIndex(None if reason else float(sum(contributions)), reason, remedy, table)
