"""Detection of new lesions in the second scan of simulated patients, whose lesions are known by their tracks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.followup.compare import compare
from SpectBoneMetSegLib.followup.results import Comparison
from SpectBoneMetSegLib.lesions.naming import lesion_ids
from SpectBoneMetSegLib.lesions.results import Reading

from ...phantom.scan.simulate import SimulatedCase
from .known import true_reading

__all__ = ["ChangeCounts", "area_changes", "f1", "new_lesions"]


@dataclass(frozen=True)
class ChangeCounts:
    """Counts of new lesions in a second scan: true positives, false positives and false negatives.

    Attributes:
        right: new lesions that were found.
        wrong: areas wrongly reported as new.
        missed: new lesions that were not found.
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: ChangeCounts) -> ChangeCounts:
        return ChangeCounts(self.right + other.right, self.wrong + other.wrong, self.missed + other.missed)


def f1(counts: ChangeCounts) -> float:
    """Compute the harmonic mean of precision and recall; nan where nothing is new and nothing was reported as new."""
    total = 2 * counts.right + counts.wrong + counts.missed
    return 2 * counts.right / total if total else float("nan")


def new_lesions(cases: tuple[SimulatedCase, SimulatedCase], readings: tuple[Reading, Reading]) -> ChangeCounts:
    """Count the new lesions that a comparison of two readings reports, against the ground truth.

    A true area of the second scan is new when no labelled lesion in it was labelled in the first scan. An area
    reported as new is right where it overlaps a new true area. Areas shown only by a view that the first scan lacks are
    not counted.

    Args:
        cases: both scans with their ground truth.
        readings: readings of both scans, by an observer or a model.
    """
    truth = lesion_ids(true_reading(cases[1]))
    before = {lesion.track for lesion in cases[0].lesions if lesion.visible}
    known = set(_areas_of_tracks(truth, cases[1], before))
    countable = set(_areas_in_views(truth, cases[1], set(cases[0].scan.views)))
    new = (set(np.unique(truth).tolist()) - {0} - known) & countable
    comparison = compare(readings)
    ids = lesion_ids(readings[1])
    reported = {lesion for track in comparison.tracks for lesion in _new(comparison, track.number)}
    overlaps = {lesion: set(np.unique(truth[ids == lesion]).tolist()) - {0} for lesion in reported}
    right = {area for areas in overlaps.values() for area in areas & new}
    return ChangeCounts(len(right), sum(not areas & new for areas in overlaps.values()), len(new - right))


def area_changes(comparison: Comparison) -> list[float]:
    """Compute ln(second / first area) of lesions that are a single area in both scans; [] if their views differ."""
    if set(comparison.times[0].reading.scan.views) != set(comparison.times[1].reading.scan.views):
        return []
    pairs = ((track.points[0], track.points[1]) for track in comparison.tracks)
    return [
        math.log(two.area_mm2 / one.area_mm2) for one, two in pairs if len(one.lesions) == 1 and len(two.lesions) == 1
    ]


def _new(comparison: Comparison, number: int) -> tuple[int, ...]:
    point = comparison.tracks[number - 1].points[1]
    return point.lesions if point.change == "new" else ()


def _areas_of_tracks(areas: NDArray[np.uint16], case: SimulatedCase, tracks: set[str]) -> list[int]:
    """List areas that overlap a labelled lesion of one of these tracks."""
    found: set[int] = set()
    for lesion in case.lesions:
        if lesion.track in tracks:
            for view in lesion.views.values():
                found |= set(np.unique(areas[view.mask]).tolist()) - {0}
    return sorted(found)


def _areas_in_views(areas: NDArray[np.uint16], case: SimulatedCase, views: set[str]) -> list[int]:
    """List areas with a visible lesion in one of these views."""
    found: set[int] = set()
    for lesion in case.lesions:
        for name, view in lesion.views.items():
            if name in views and view.visible:
                found |= set(np.unique(areas[view.mask]).tolist()) - {0}
    return sorted(found)
