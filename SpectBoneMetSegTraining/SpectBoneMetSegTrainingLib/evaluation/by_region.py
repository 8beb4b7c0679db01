"""Lesions found and false areas by the bone they lie in, with 95 % intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS

from ..dataset.cases import LabelledCrop
from . import bootstrap

__all__ = ["OUTSIDE_REGIONS", "RegionCounts", "RegionRow", "count_regions", "region_rows"]

Mask = NDArray[np.bool_]

#: What lies in no region that the model names.
OUTSIDE_REGIONS = "outside of all"
NAMES = (*REGIONS, OUTSIDE_REGIONS)


@dataclass(frozen=True)
class RegionCounts:
    """One case: (len(NAMES),) lesions, found ones, and marks that are no lesion's, over its views."""

    patient: str
    lesions: NDArray[np.float64]
    found: NDArray[np.float64]
    alarms: NDArray[np.float64]


@dataclass(frozen=True)
class RegionRow:
    """One region: labelled lesions, the share that is touched with its interval, false areas a view with theirs."""

    region: str
    lesions: int
    recall: tuple[float, float, float]
    alarms: tuple[float, float, float]


def count_regions(
    crop: LabelledCrop,
    marks: Mapping[ViewName, Mask],
    regions: Mapping[ViewName, NDArray[np.uint8]],
    patient: str,
) -> RegionCounts:
    """Where the lesions and the marks of a case lie.

    Args:
        marks: {view: (rows, columns)} bool of what was marked.
        regions: {view: (rows, columns)} classes as of `skeleton_regions.class_map`.
    """
    from scipy import ndimage

    lesions, found, alarms = (np.zeros(len(NAMES)) for _ in range(3))
    for view, marked in marks.items():
        classes = regions.get(view)
        for lesion in crop.lesions:
            if not lesion["labelled"].get(view):
                continue
            mask = (crop.instances[view] == int(lesion["id"])).any(0)
            if mask.any():
                place = _region_of(mask, classes)
                lesions[place] += 1
                found[place] += bool((mask & marked).any())
        parts, count = ndimage.label(marked, np.ones((3, 3)))
        for number in range(1, count + 1):
            part = parts == number
            # What touches a lesion, or what is not to be judged, is no false area.
            if not (crop.labels[view][part] != 0).any():
                alarms[_region_of(part, classes)] += 1
    return RegionCounts(patient, lesions, found, alarms)


def region_rows(cases: Sequence[RegionCounts], images: int, seed: int = 0) -> list[RegionRow]:
    """The regions in which there is a lesion or a false area.

    Args:
        images: views of all cases together.
    """
    patients = sorted({case.patient for case in cases})
    sums = np.zeros((len(patients), 3, len(NAMES)))
    for case in cases:
        sums[patients.index(case.patient)] += np.stack([case.lesions, case.found, case.alarms])
    weights = bootstrap.draw_patients(len(patients), bootstrap.SAMPLES, seed)
    drawn = np.einsum("sp,pkn->skn", weights, sums)
    whole = sums.sum(0)
    views = images / len(patients)
    rows = []
    for place, name in enumerate(NAMES):
        if not whole[0, place] and not whole[2, place]:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = drawn[:, 1, place] / drawn[:, 0, place]
            value = whole[1, place] / whole[0, place]
        rows.append(
            RegionRow(
                name,
                int(whole[0, place]),
                (float(value), *bootstrap.interval(recall)),
                (
                    float(whole[2, place] / images),
                    *bootstrap.interval(drawn[:, 2, place] / (views * weights.sum(1))),
                ),
            )
        )
    return sorted(rows, key=lambda row: -row.lesions)


def _region_of(mask: Mask, classes: NDArray[np.uint8] | None) -> int:
    """Place in NAMES of the region that a mask lies in most."""
    if classes is None:
        return len(REGIONS)
    inside = np.bincount(classes[mask], minlength=len(REGIONS) + 1)[: len(REGIONS) + 1]
    return int(inside[1:].argmax()) if inside[1:].any() else len(REGIONS)
