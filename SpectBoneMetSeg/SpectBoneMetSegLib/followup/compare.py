"""Match the lesions of several scans and classify how each changed.

A lesion is mapped into the next scan by the registration of its bone. Two lesions are linked if at least OVERLAP of the
smaller one lies within REACH_MM of the other. One lesion can split into two and two can merge: linked lesions form one
track.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from ..common.dates import plain_date
from ..common.errors import UserError
from ..lesions.naming import lesion_ids
from ..lesions.results import Reading
from ..quantification.anatomy import all_regions
from ..quantification.quantify import quantify
from ..scan.planar import ViewName
from .comparison_warnings import comparison_warnings, decision_warnings
from .limits import REPEATABILITY, Repeatability
from .registration import Registration, pixel_positions, register
from .results import Change, Comparison, Step, TimePoint, Track, TrackPoint

__all__ = ["compare"]

Points = NDArray[np.float64]
#: Largest distance (mm) at which a mapped pixel still overlaps a lesion, and smallest overlapping share of the smaller
#: lesion.
REACH_MM, OVERLAP = 9.0, 0.4
#: A lesion is (time, ID).
Key = tuple[int, int]


def compare(readings: Sequence[Reading], limits: Repeatability = REPEATABILITY) -> Comparison:
    """Compare two or more readings of one patient, ordered by study date.

    Args:
        readings: after their review; if a date is missing, or of one day, they are compared in the given order.
        limits: the change of area that counts as grown or smaller.

    Raises:
        UserError: fewer than two readings, two of the same study or scan, or whole bodies mixed with parts of a body.
    """
    if len(readings) < 2:
        raise UserError("A comparison needs two scans of a patient or more: give the earlier one, too.")
    studies = [str(uid) for each in readings if (uid := each.receipt.get("study_instance_uid"))]
    if len(set(studies)) < len(studies):
        raise UserError("Two of the inputs are the same study: give each scan once.")
    # Pictures, and files from which the identity was removed, have no study UID.
    if any(_same_scan(one, two) for one, two in combinations(readings, 2)):
        raise UserError("Two of the inputs are the same scan: give each scan once.")
    whole = [each.crop.method == "whole-body" for each in readings]
    if any(whole) and not all(whole):
        part = readings[whole.index(False)].scan.case
        # Lesions outside the part would be reported as gone or new.
        raise UserError(
            f"Only a part of {part} was read, but the whole body of another scan: read the same region of all scans.",
            "region",
        )
    times = [TimePoint(each, quantify(each), _date(each)) for each in readings]
    if all(time.date for time in times):
        times.sort(key=lambda time: time.date)
    pixels = [_lesion_pixels(time) for time in times]
    maps = [
        register(one.reading.scan, one.reading.regions, two.reading.scan, two.reading.regions)
        for one, two in pairwise(times)
    ]
    links = []
    for number, step in enumerate(maps):
        links += _links(times[number], pixels[number], step, pixels[number + 1], number)
    keys = [(number, lesion) for number, each in enumerate(pixels) for lesion in each]
    tracks = [_track(group, times, pixels, maps, limits) for group in _groups(keys, links)]
    tracks.sort(
        key=lambda points: -max(float(point.positions[:, 1].mean()) for point in points[1] if len(point.positions))
    )
    numbered = tuple(Track(number, *each) for number, each in enumerate(tracks, start=1))
    steps = tuple(_step(numbered, number) for number in range(1, len(times)))
    warnings = (*comparison_warnings(times, maps), *decision_warnings(times, numbered, maps))
    return Comparison(tuple(times), numbered, steps, limits, tuple(maps), warnings)


def _same_scan(one: Reading, two: Reading) -> bool:
    """Whether two readings share a file, by its SHA-256; without study UIDs also by its SOP Instance UID.

    Faulty pseudonymisation gives one SOP Instance UID to the images of several studies.
    """
    if _of_inputs(one, "sha256") & _of_inputs(two, "sha256"):
        return True
    if one.receipt.get("study_instance_uid") and two.receipt.get("study_instance_uid"):
        return False
    return bool(_of_inputs(one, "sop_instance_uid") & _of_inputs(two, "sop_instance_uid"))


def _of_inputs(reading: Reading, name: str) -> set[str]:
    inputs = reading.receipt.get("inputs")
    entries = [entry for entry in inputs if isinstance(entry, dict)] if isinstance(inputs, list) else []
    return {str(entry[name]) for entry in entries if entry.get(name)}


def _date(reading: Reading) -> str:
    return plain_date(reading.scan.source.description.get("study_date", ""))


def _lesion_pixels(time: TimePoint) -> dict[int, Points]:
    """Return {lesion ID: (n, 2) R, S mm of its pixels} of the counted lesions."""
    frame, ids = time.reading.scan.frame, lesion_ids(time.reading)
    return {lesion.id: pixel_positions(ids == lesion.id, frame) for lesion in time.lesions}


def _mapped(time: TimePoint, lesion: int, pixels: Points, step: Registration) -> Points:
    """Map the pixels of a lesion into the next scan by the registration of its bone."""
    region = time.quantification.lesion(lesion).region
    return (step.of(region.number) if region else step.body)(pixels)


def _links(
    before: TimePoint, positions: dict[int, Points], step: Registration, after: dict[int, Points], number: int
) -> list[tuple[Key, Key]]:
    """Return the pairs of lesions that are linked between scan `number` and the next."""
    from scipy.spatial import cKDTree

    trees = {lesion: cKDTree(pixels) for lesion, pixels in after.items()}
    links = []
    for lesion, pixels in positions.items():
        mapped = _mapped(before, lesion, pixels, step)
        own = cKDTree(mapped)
        for other, tree in trees.items():
            on_other = float((tree.query(mapped, distance_upper_bound=REACH_MM)[0] < np.inf).mean())
            on_own = float((own.query(after[other], distance_upper_bound=REACH_MM)[0] < np.inf).mean())
            # Relative to the smaller lesion: a small one inside a large one is part of it.
            share = on_other if len(mapped) <= len(after[other]) else on_own
            if share >= OVERLAP:
                links.append(((number, lesion), (number + 1, other)))
    return links


def _groups(keys: list[Key], links: list[tuple[Key, Key]]) -> list[list[Key]]:
    """Return the connected components of the lesions under their links."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if not keys:
        return []
    index_of = {key: index for index, key in enumerate(keys)}
    rows, columns = [index_of[one] for one, _ in links], [index_of[two] for _, two in links]
    table = csr_array(([1] * len(links), (rows, columns)), shape=(len(keys), len(keys)))
    count, group = connected_components(table, directed=False)
    return [[key for key, member in zip(keys, group, strict=True) if member == number] for number in range(count)]


def _track(
    group: list[Key],
    times: Sequence[TimePoint],
    positions: Sequence[dict[int, Points]],
    maps: Sequence[Registration],
    limits: Repeatability,
) -> tuple[str, tuple[TrackPoint, ...]]:
    """Return the bone and the points of a track, one per scan."""
    points: list[TrackPoint] = []
    bone = ""
    for number, time in enumerate(times):
        ids = tuple(sorted(lesion for when, lesion in group if when == number))
        if ids:
            pixels = np.concatenate([positions[number][lesion] for lesion in ids])
            lesions = [time.quantification.lesion(lesion) for lesion in ids]
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
            pixels = _expected(points, group, times, positions, maps, number)
            area, uptake, areas = 0.0, 0.0, {}
        before = set(times[number - 1].reading.scan.views) if number else set()
        change = _change(points, area, areas, before, set(time.reading.scan.views), limits)
        points.append(TrackPoint(ids, area, areas, uptake, change, pixels))
    return bone, tuple(points)


def _expected(
    points: list[TrackPoint],
    group: list[Key],
    times: Sequence[TimePoint],
    positions: Sequence[dict[int, Points]],
    maps: Sequence[Registration],
    number: int,
) -> Points:
    """Return the expected pixels of a lesion that scan `number` does not show, mapped from the scan before."""
    if not points or not len(points[-1].positions):
        return np.zeros((0, 2))
    if not points[-1].lesions:
        return maps[number - 1].body(points[-1].positions)
    mapped = [
        _mapped(times[number - 1], lesion, positions[number - 1][lesion], maps[number - 1])
        for when, lesion in group
        if when == number - 1
    ]
    return np.concatenate(mapped)


def _change(
    points: list[TrackPoint],
    area: float,
    areas: dict[ViewName, float],
    views_before: set[ViewName],
    views_now: set[ViewName],
    limits: Repeatability,
) -> Change:
    """Classify the change of a lesion since the scan before.

    Args:
        points: its earlier points.
        area: area in this scan (mm2), 0 if it is not seen.
        areas: area per view that shows it (mm2).
        views_before: views of the scan before.
        views_now: views of this scan.
        limits: the change of area that counts as grown or smaller.
    """
    seen = area > 0
    if not points:
        return "first" if seen else "absent"
    before = points[-1]
    if not before.lesions:
        if not seen:
            return "absent"
        # A lesion seen only in a view that the scan before lacks may have been there before.
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
    """Return the mean counts per pixel of bone outside lesions, all views together; 1 without region maps."""
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
