"""Quantify a reading in one call.

Burden and index exclude lesions that a physician rejected or classified as benign, and lesions mostly outside bone
(bladder, kidney, injection site). All others count, whether a physician accepted them or not; `ReviewState` states how
much of the reading was reviewed.
"""

from __future__ import annotations

import math

import numpy as np

from ..lesions.results import Lesion, Reading
from ..scan.planar import ViewName
from .anatomy import all_regions
from .bones import Bones, bones_of
from .field import cut_by_field
from .index import Areas, index_of, involved, not_computable, not_found, weights_of
from .results import (
    BoneShare,
    LesionQuantities,
    NotCounted,
    Quantification,
    RegionQuantities,
    ReviewState,
    TumourBurden,
    ViewQuantities,
)
from .uptake import ShownView, quantities_in
from .weights import IMBRIACO_1998, WeightTable

__all__ = ["quantify"]


def quantify(reading: Reading, table: WeightTable = IMBRIACO_1998) -> Quantification:
    """Compute bones, uptake, burden and bone scan index of a reading, with the decisions of its review.

    Args:
        reading: as read, or as returned by `lesions.review.reviewed`.
        table: weights of the skeleton's regions.
    """
    views = {
        name: ShownView(view, reading.view_masks[name], reading.regions.get(name))
        for name, view in reading.scan.views.items()
    }
    bones = bones_of(reading)
    lesions = [_lesion(each, views, bones) for each in reading.lesions]
    areas = _areas(views, bones, len(reading.lesions))
    cut: dict[int, float] = {}
    for name, each in reading.regions.items():
        for number, share in cut_by_field(views[name].view, each).items():
            cut[number] = max(cut.get(number, 0.0), share)
    obstacle = not_computable(
        cut,
        areas,
        table,
        whole_field=reading.crop.method == "whole-body",
        regions_known=any(numbers.any() for numbers in reading.regions.values()),
    )
    regions = _regions(lesions, views, areas, table, computable=not obstacle[0])
    every = (*lesions, *(_rejected(each) for each in reading.rejected))
    return Quantification(
        every,
        regions,
        _burden(lesions),
        index_of((each.index_percent or 0.0 for each in regions), obstacle, table),
        _review(every, erased=reading.erased),
        tuple(not_found(areas)) if areas else (),
        tuple(region for number, region in all_regions().items() if number in cut),
    )


def _lesion(lesion: Lesion, views: dict[ViewName, ShownView], known: Bones) -> LesionQuantities:
    shown = {
        name: quantities_in(views[name], name, lesion, known.views.get(name, {}).get(lesion.id, ()))
        for name in lesion.views
    }
    bones = known.together.get(lesion.id, ())
    not_counted: NotCounted = ""
    if lesion.classification == "benign":
        not_counted = "benign"
    elif known.together and not sum(share.share for share in bones if share.region.bone) >= 0.5:
        not_counted = "outside bone"
    return _quantities(lesion, shown, bones, not_counted)


def _rejected(lesion: Lesion) -> LesionQuantities:
    """Return the quantities of a rejected lesion: those measured before, because it is in no mask."""
    return _quantities(lesion, {}, (), "rejected")


def _quantities(
    lesion: Lesion, views: dict[ViewName, ViewQuantities], bones: tuple[BoneShare, ...], not_counted: NotCounted
) -> LesionQuantities:
    both = [lesion.views[name].counts for name in lesion.views]
    return LesionQuantities(
        lesion.id,
        lesion.seen_in,
        lesion.area_mm2,
        views,
        bones,
        math.sqrt(both[0] * both[1]) if len(both) == 2 else None,
        lesion.confidence,
        lesion.decision,
        lesion.classification,
        lesion.edited,
        lesion.decided_by,
        not_counted,
    )


def _areas(views: dict[ViewName, ShownView], bones: Bones, count: int) -> Areas:
    """Return per view the mm2 of every region (row 0) and of every lesion on the bones assigned to it."""
    assigned = np.zeros((count + 1, 256), bool)
    assigned[0] = True
    for number, shares in bones.together.items():
        assigned[number, [share.region.number for share in shares]] = True
    tables = {}
    for name, shown in views.items():
        if shown.regions is None:
            continue
        pairs = shown.ids.ravel().astype(np.int64) * 256 + shown.regions.ravel()
        table = np.bincount(pairs, minlength=(count + 1) * 256).reshape(count + 1, 256).astype(float)
        table[0] = table.sum(0)
        table[:, 0] = 0
        tables[name] = np.where(assigned, table, 0) * shown.view.spacing[0] * shown.view.spacing[1]
    return tables


def _regions(
    lesions: list[LesionQuantities],
    views: dict[ViewName, ShownView],
    areas: Areas,
    table: WeightTable,
    *,
    computable: bool,
) -> tuple[RegionQuantities, ...]:
    counting = [lesion.id for lesion in lesions if not lesion.not_counted]
    weights = weights_of(areas, table)
    counts = {
        name: np.bincount(shown.regions.ravel(), shown.view.counts.ravel(), minlength=256)
        for name, shown in views.items()
        if shown.regions is not None
    }
    found = []
    for number, region in all_regions().items():
        seen = [name for name, each in areas.items() if each[0, number] > 0]
        if not seen:
            continue
        share, mass = involved(areas, region, counting) if region.bone else (None, None)
        weight = weights.get(number)
        found.append(
            RegionQuantities(
                region,
                {name: float(areas[name][0, number]) for name in seen},
                {name: float(counts[name][number]) for name in seen},
                {name: float(areas[name][counting, number].sum()) for name in seen},
                sum(lesion.region == region for lesion in lesions if not lesion.not_counted),
                share,
                mass,
                weight,
                mass * weight if computable and mass is not None and weight is not None else None,
            )
        )
    return tuple(found)


def _burden(lesions: list[LesionQuantities]) -> TumourBurden:
    counting = [lesion for lesion in lesions if not lesion.not_counted]
    names = dict.fromkeys(name for lesion in lesions for name in lesion.views)
    uptake = {
        name: sum(lesion.views[name].total_lesion_uptake_counts or 0.0 for lesion in counting if name in lesion.views)
        for name in names
    }
    share = {
        name: sum(lesion.views[name].body_counts_percent or 0.0 for lesion in counting if name in lesion.views)
        for name in names
    }
    both = list(uptake.values())
    return TumourBurden(
        len(counting),
        sum(lesion.area_mm2 for lesion in counting),
        uptake,
        share,
        math.sqrt(max(both[0], 0.0) * max(both[1], 0.0)) if len(both) == 2 else None,
    )


def _review(lesions: tuple[LesionQuantities, ...], *, erased: int) -> ReviewState:
    decided = {name: sum(each.decision == name for each in lesions) for name in ("accepted", "rejected", "open")}
    edited = sum(each.edited for each in lesions)
    reclassified = sum(each.classification != "" for each in lesions)
    by_physician = erased > 0 or any(each.decided_by == "physician" for each in lesions)
    return ReviewState(
        "not reviewed" if not by_physician else "partly reviewed" if decided["open"] else "reviewed",
        **decided,
        edited=edited,
        reclassified=reclassified,
        erased=erased,
    )
