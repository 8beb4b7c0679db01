"""Lesions of several scans matched, and what became of each.

A lesion is carried into the next scan by the map of its bone (`registration`). Two lesions are one where at least
OVERLAP of the smaller one lies within REACH_MM of the other. So one lesion can become two and two one: what hangs
together is one track.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..lesions.naming import lesion_ids
from ..lesions.results import Reading
from ..quantification.anatomy import all_regions
from ..quantification.quantify import quantify
from ..scan.planar import ViewName
from .comparison_warnings import comparison_warnings
from .limits import REPEATABILITY, Limits
from .registration import Registration, pixel_positions, register
from .results import Change, Comparison, Step, TimePoint, Track, TrackPoint

__all__ = ["compare"]

Points = NDArray[np.float64]
#: How far from a lesion's pixels a carried pixel may lie to be on it (mm), and how much of the smaller lesion must.
REACH_MM, OVERLAP = 9.0, 0.4
#: A lesion is (time, ID).
Key = tuple[int, int]


def compare(readings: Sequence[Reading], limits: Limits = REPEATABILITY) -> Comparison:
    """The comparison of two or more readings of one patient, in the order of their dates.

    Args:
        readings: as reviewed; without dates in the order in which they are given.

    Raises:
        UserError: fewer than two readings, two of one study, or some of the whole body and others of a part of it.
    """
    if len(readings) < 2:
        raise UserError("A comparison needs two scans of a patient or more: give the earlier one, too.")
    studies = [str(uid) for each in readings if (uid := each.receipt.get("study_instance_uid"))]
    if len(set(studies)) < len(studies):
        raise UserError("Two of the inputs are the same study: give each scan once.")
    whole = [each.crop.method == "whole-body" for each in readings]
    if any(whole) and not all(whole):
        part = readings[whole.index(False)].scan.case
        # What was not looked at would be told as gone, or as new.
        raise UserError(
            f"Of {part} a part was read and of others the whole body: read all alike, best whole.", "region"
        )
    times = [TimePoint(each, quantify(each), each.scan.source.description.get("study_date", "")) for each in readings]
    if all(time.date for time in times):
        times.sort(key=lambda time: time.date)
    where = [_places(time) for time in times]
    maps = [
        register(one.reading.scan, one.reading.regions, two.reading.scan, two.reading.regions)
        for one, two in pairwise(times)
    ]
    links = []
    for number, step in enumerate(maps):
        links += _links(times[number], where[number], step, where[number + 1], number)
    keys = [(number, lesion) for number, each in enumerate(where) for lesion in each]
    tracks = [_track(group, times, where, maps, limits) for group in _groups(keys, links)]
    tracks.sort(
        key=lambda points: -max(float(point.positions[:, 1].mean()) for point in points[1] if len(point.positions))
    )
    numbered = tuple(Track(number, *each) for number, each in enumerate(tracks, start=1))
    steps = tuple(_step(numbered, number) for number in range(1, len(times)))
    return Comparison(tuple(times), numbered, steps, limits, tuple(maps), comparison_warnings(times, maps))


def _places(time: TimePoint) -> dict[int, Points]:
    """{lesion ID: (n, 2) R, S mm of its pixels} of the lesions that count."""
    frame, ids = time.reading.scan.frame, lesion_ids(time.reading)
    return {lesion.id: pixel_positions(ids == lesion.id, frame) for lesion in time.lesions}


def _carried(time: TimePoint, lesion: int, place: Points, step: Registration) -> Points:
    region = time.found.lesion(lesion).region
    return (step.of(region.number) if region else step.body)(place)


def _links(
    before: TimePoint, places: dict[int, Points], step: Registration, after: dict[int, Points], number: int
) -> list[tuple[Key, Key]]:
    from scipy.spatial import cKDTree

    trees = {lesion: cKDTree(place) for lesion, place in after.items()}
    links = []
    for lesion, place in places.items():
        carried = _carried(before, lesion, place, step)
        own = cKDTree(carried)
        for other, tree in trees.items():
            on_other = float((tree.query(carried, distance_upper_bound=REACH_MM)[0] < np.inf).mean())
            on_own = float((own.query(after[other], distance_upper_bound=REACH_MM)[0] < np.inf).mean())
            # Of the smaller lesion: a small one inside a large one is part of it.
            share = on_other if len(carried) <= len(after[other]) else on_own
            if share >= OVERLAP:
                links.append(((number, lesion), (number + 1, other)))
    return links


def _groups(keys: list[Key], links: list[tuple[Key, Key]]) -> list[list[Key]]:
    """What hangs together by links."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not keys:
        return []
    place = {key: index for index, key in enumerate(keys)}
    rows, columns = [place[one] for one, _ in links], [place[two] for _, two in links]
    table = csr_array(([1] * len(links), (rows, columns)), shape=(len(keys), len(keys)))
    count, group = connected_components(table, directed=False)
    return [[key for key, member in zip(keys, group, strict=True) if member == number] for number in range(count)]


def _track(
    group: list[Key],
    times: Sequence[TimePoint],
    places: Sequence[dict[int, Points]],
    maps: Sequence[Registration],
    limits: Limits,
) -> tuple[str, tuple[TrackPoint, ...]]:
    points: list[TrackPoint] = []
    bone = ""
    for number, time in enumerate(times):
        ids = tuple(sorted(lesion for when, lesion in group if when == number))
        if ids:
            place = np.concatenate([places[number][lesion] for lesion in ids])
            lesions = [time.found.lesion(lesion) for lesion in ids]
            region = max(lesions, key=lambda each: each.area_mm2).region
            bone = bone or (region.title if region else "")
            area = sum(each.area_mm2 for each in lesions)
            areas: dict[ViewName, float] = {}
            for each in lesions:
                for name, view in each.views.items():
                    areas[name] = areas.get(name, 0.0) + view.area_mm2
            uptake = sum(view.total_lesion_uptake_counts or 0.0 for each in lesions for view in each.views.values())
            uptake /= _bone_level(time)
        else:
            place = _expected(points, group, times, places, maps, number)
            area, uptake, areas = 0.0, 0.0, {}
        before = set(times[number - 1].reading.scan.views) if number else set()
        change = _change(points, area, areas, before, set(time.reading.scan.views), limits)
        points.append(TrackPoint(ids, area, areas, uptake, change, place))
    return bone, tuple(points)


def _expected(
    points: list[TrackPoint],
    group: list[Key],
    times: Sequence[TimePoint],
    places: Sequence[dict[int, Points]],
    maps: Sequence[Registration],
    number: int,
) -> Points:
    """Where a lesion that is not seen in a scan would lie, carried from the scan before; nothing before it was seen."""
    if not points or not len(points[-1].positions):
        return np.zeros((0, 2))
    if not points[-1].lesions:
        return maps[number - 1].body(points[-1].positions)
    carried = [
        _carried(times[number - 1], lesion, places[number - 1][lesion], maps[number - 1])
        for when, lesion in group
        if when == number - 1
    ]
    return np.concatenate(carried)


def _change(
    points: list[TrackPoint],
    area: float,
    areas: dict[ViewName, float],
    views_before: set[ViewName],
    views_now: set[ViewName],
    limits: Limits,
) -> Change:
    """What became of a lesion; `points` are its earlier ones, `areas` those of the views that show it now."""
    seen = area > 0
    if not points:
        return "first" if seen else "absent"
    before = points[-1]
    if not before.lesions:
        if not seen:
            return "absent"
        # What only a view shows that was not taken before may have been there.
        return "new" if set(areas) & views_before else "unclear"
    if not seen:
        return "gone" if set(before.view_areas_mm2) & views_now else "unclear"
    one, two = before.area_mm2, area
    if views_before != views_now:
        shared = [name for name in areas if name in before.view_areas_mm2]
        if not shared:
            return "unclear"
        one, two = (max(each[name] for name in shared) for each in (before.view_areas_mm2, areas))
    if two >= one * limits.area_factor:
        return "grown"
    return "smaller" if two <= one / limits.area_factor else "stable"


def _bone_level(time: TimePoint) -> float:
    """Mean counts a pixel over the bones beside lesions, all views; 1 where no region is known."""
    known = [number for number, region in all_regions().items() if region.bone]
    values = [
        time.reading.scan.views[name].counts[np.isin(numbers, known) & (time.reading.view_masks[name] == 0)]
        for name, numbers in time.reading.regions.items()
    ]
    bones = np.concatenate(values) if values else np.zeros(0)
    return max(float(bones.mean()), 1e-6) if bones.size else 1.0


def _step(tracks: tuple[Track, ...], number: int) -> Step:
    changes = [track.points[number].change for track in tracks]
    return Step(*(changes.count(name) for name in ("new", "grown", "stable", "smaller", "gone")))
