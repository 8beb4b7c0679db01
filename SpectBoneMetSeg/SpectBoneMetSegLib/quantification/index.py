"""The planar bone scan index, and the sentence for where it cannot be computed.

Of every counted lesion the area on a bone is divided by the bone's own area, in the view where that is more; the sum
over lesions, at most 1, is the bone's involved share. The index is the sum of (involved share x weight). A view in
which a bone is mostly hidden (the sternum from behind) says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import ViewName
from .anatomy import Region, all_regions
from .results import BoneScanIndex
from .weights import WeightTable

__all__ = ["Areas", "index_of", "involved_share", "not_computable", "weights_of"]

#: {view: (lesions + 1, 256) pixels or mm2 of every lesion on every region}; row 0 is the whole region.
Areas = Mapping[ViewName, NDArray[np.float64]]

#: A view that shows less than this part of what the other view shows of a bone says nothing of it.
LEAST_SHOWN = 0.5
#: Bones that no view shows may hold so much of the skeleton's mass, per cent.
MOST_NOT_FOUND = 5.0


def involved_share(areas: Areas, region: int, lesions: Iterable[int]) -> float:
    """Involved share 0..1 of a region by some lesions.

    Args:
        areas: of all lesions and regions, in mm2. region: its number. lesions: IDs of those that count.
    """
    whole = {name: float(table[0, region]) for name, table in areas.items()}
    most = max(whole.values(), default=0.0)
    if most <= 0:
        return 0.0
    telling = [name for name, area in whole.items() if area >= LEAST_SHOWN * most]
    shares = (max(areas[name][lesion, region] / whole[name] for name in telling) for lesion in lesions)
    return min(1.0, float(sum(shares)))


def weights_of(areas: Areas, table: WeightTable) -> dict[int, float]:
    """{region: per cent of the skeleton's mass} of the regions that are seen.

    The weight of a group of regions is divided among those that are seen, by the area of each in the view that shows
    more of it.
    """
    shown = {number: max((float(each[0, number]) for each in areas.values()), default=0.0) for number in all_regions()}
    weights: dict[int, float] = {}
    for group in table.groups:
        seen = {number: shown[number] for number in group.regions}
        total = sum(seen.values())
        weights |= {number: group.percent * area / total for number, area in seen.items() if area > 0}
    return weights


def not_computable(
    whole_field: bool, regions_known: bool, cut: Sequence[Region], areas: Areas, table: WeightTable
) -> tuple[str, str]:
    """Why there is no index, and what to do about it, one sentence each; ("", "") where there can be one.

    Args:
        whole_field: whether all of the field was read. regions_known: whether the model gave regions.
        cut: bones that the field cuts. areas: see `Areas`. table: of the weights.
    """
    if not regions_known:
        return (
            "The model gave no regions of the skeleton.",
            "Read the scan again with a model that knows them, such as whole-body.",
        )
    if not whole_field:
        return "Only a part of the body was read.", "Read the whole body (region whole-body)."
    if cut:
        names = ", ".join(region.title for region in cut)
        return (
            f"The edge of the field cuts bones: {names}.",
            "Give a scan of the whole skeleton, from the head to the feet with both arms inside the field.",
        )
    missing = not_found(areas)
    unknown = {region.number for region in missing}
    lost = sum(group.percent * len(unknown & set(group.regions)) / len(group.regions) for group in table.groups)
    if lost > MOST_NOT_FOUND:
        names = ", ".join(region.title for region in missing)
        return (
            f"Bones that hold {lost:.0f} % of the skeleton's mass were not found: {names}.",
            "Check that the scan shows the whole skeleton; of one that does, the index must be estimated by eye.",
        )
    return "", ""


def not_found(areas: Areas) -> list[Region]:
    """Bones that no view shows."""
    return [
        region
        for number, region in all_regions().items()
        if region.bone and not any(each[0, number] > 0 for each in areas.values())
    ]


def index_of(contributions: Iterable[float], obstacle: tuple[str, str], table: WeightTable) -> BoneScanIndex:
    """The index of the bones' contributions in per cent, or why there is none (from `not_computable`)."""
    reason, remedy = obstacle
    return BoneScanIndex(None if reason else float(sum(contributions)), reason, remedy, table)
