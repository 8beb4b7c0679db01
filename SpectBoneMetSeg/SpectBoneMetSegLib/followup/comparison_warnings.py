"""Warnings about a comparison, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from ..common.plural import pluralize
from .patients import differ, patient_of, share_information
from .registration import Registration
from .results import TimePoint, Track

__all__ = ["comparison_warnings", "decision_warnings"]

#: Bones are poorly registered below this `Registration.fit`; for simulated patients after repositioning it is higher
#: (`docs/follow-up.md`).
LEAST_FIT = 0.85
#: Largest distance (mm) from the centroid of an excluded area to a lesion at the same place.
SAME_PLACE_MM = 9.0


def comparison_warnings(times: Sequence[TimePoint], maps: Sequence[Registration]) -> tuple[str, ...]:
    """Return the warnings about a comparison.

    Args:
        times: the scans in order of time.
        maps: registration from each scan to the next.
    """
    warnings = []
    patients = [patient_of(time.reading.scan) for time in times]
    if any(differ(one, two) for one, two in combinations(patients, 2)):
        warnings.append("The headers of these scans name different patients: check that all scans are of one patient.")
    elif not all(share_information(one, two) for one, two in combinations(patients, 2)):
        warnings.append("Not every scan's header identifies its patient: check that all scans are of one patient.")
    for time in times:
        # Warnings about a reading also apply to its comparison.
        own = time.reading.receipt.get("warnings")
        warnings += [f"{time.name}: {warning}" for warning in own] if isinstance(own, list) else []
    warnings += [
        f"{time.name}: a physician erased {pluralize(time.reading.erased, 'area')} of the model; a lesion there counts "
        "as gone or new."
        for time in times
        if time.reading.erased
    ]
    if not all(time.date for time in times):
        warnings.append("Not every scan has a study date: the scans are in the order in which they were given.")
    else:
        warnings += [
            f"{one.name} and {two.name} are of one day: they are in the order in which they were given."
            for one, two in pairwise(times)
            if one.date == two.date
        ]
    for (one, two), step in zip(pairwise(times), maps, strict=True):
        warnings += _step_warnings(one, two, step)
    return tuple(dict.fromkeys(warnings))


def _step_warnings(one: TimePoint, two: TimePoint, step: Registration) -> list[str]:
    """Return the warnings about two consecutive scans."""
    names = f"{one.name} and {two.name}"
    warnings = []
    if not step.regions:
        warnings.append(f"Without bones in common {names} are registered by the body alone: check every lesion.")
    elif step.fit < LEAST_FIT:
        warnings.append(
            f"The bones of {names} are poorly registered ({step.fit:.0%} in place): check every lesion in the pictures."
        )
    if _model(one) != _model(two):
        warnings.append(f"Different models read {names}: differences may come from the models.")
    if set(one.reading.scan.views) != set(two.reading.scan.views):
        warnings.append(f"One of {names} lacks a view: lesions that only that view shows are unclear.")
    methods = {time.reading.crop.method for time in (one, two)}
    if "manual" in methods:
        warnings.append(f"A manually placed box was read of {names}: lesions outside a box appear as new or gone.")
    return warnings


def _model(time: TimePoint) -> object:
    model = time.reading.receipt.get("model")
    return model.get("sha256") if isinstance(model, dict) else None


def decision_warnings(
    times: Sequence[TimePoint], tracks: Sequence[Track], maps: Sequence[Registration]
) -> tuple[str, ...]:
    """Return one sentence for each lesion that is new or gone only because a physician excluded it from one scan.

    Args:
        times: the scans in order of time.
        tracks: the lesions.
        maps: registration from each scan to the next.
    """
    warnings = []
    for track in tracks:
        for number, point in enumerate(track.points):
            if point.change == "gone":
                without, positions = times[number], point.positions
            elif point.change == "new":
                without, region = times[number - 1], times[number].quantification.lesion(point.lesions[0]).region
                positions = maps[number - 1].of(region.number if region else 0).inverse(point.positions)
            else:
                continue
            decision = _excluded_at(without, positions)
            if decision:
                warnings.append(
                    f"Lesion {track.number} counts as {point.change} in {times[number].name}: a physician {decision} "
                    f"the area there in {without.name}."
                )
    return tuple(warnings)


def _excluded_at(time: TimePoint, positions: NDArray[np.float64]) -> str:
    """Return how a physician excluded an area at (n, 2) R, S mm; "" if there is none."""
    for lesion in (*time.reading.lesions, *time.reading.rejected):
        reason = time.quantification.lesion(lesion.id).not_counted
        place = np.array([lesion.centroid[0], lesion.centroid[2]])
        near = len(positions) and np.linalg.norm(positions - place, axis=1).min() <= SAME_PLACE_MM
        if near and reason in ("rejected", "benign"):
            return "rejected" if reason == "rejected" else "classified as benign"
    return ""
