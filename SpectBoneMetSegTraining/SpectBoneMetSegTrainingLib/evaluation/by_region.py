"""Lesion sensitivity and false alarms by skeletal region, with 95 % intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS

from ..dataset.cases import LabelledCrop
from . import bootstrap
from .shares import share_interval

__all__ = ["OUTSIDE_REGIONS", "RegionCounts", "RegionRow", "count_regions", "region_rows"]

Mask = NDArray[np.bool_]

#: Name of everything outside the model's regions.
OUTSIDE_REGIONS = "outside of all"
NAMES = (*REGIONS, OUTSIDE_REGIONS)


@dataclass(frozen=True)
class RegionCounts:
    """Counts of one case over its views, (len(NAMES),) each.

    Attributes:
        patient: name of the patient.
        lesions: labelled lesions.
        found: lesions touched by a detection.
        alarms: detections that touch no lesion.
    """

    patient: str
    lesions: NDArray[np.float64]
    found: NDArray[np.float64]
    alarms: NDArray[np.float64]


@dataclass(frozen=True)
class RegionRow:
    """Figures of one region.

    Attributes:
        region: its name.
        lesions: labelled lesions.
        recall: share of them touched by a detection, and the ends of its 95 % interval, see `shares.share_interval`.
        alarms: false alarms per view, and the ends of its 95 % interval.
    """

    region: str
    lesions: int
    recall: tuple[float, float, float]
    alarms: tuple[float, float, float]


def count_regions(
    crop: LabelledCrop,
    masks: Mapping[ViewName, Mask],
    regions: Mapping[ViewName, NDArray[np.uint8]],
    patient: str,
) -> RegionCounts:
    """Count the lesions and detections of a case by region.

    Args:
        crop: the case with its labels.
        masks: {view: (rows, columns)} bool, predicted.
        regions: {view: (rows, columns)} classes of `skeleton_regions.class_map`.
        patient: name of the patient.
    """
    from scipy import ndimage

    lesions, found, alarms = (np.zeros(len(NAMES)) for _ in range(3))
    for view, predicted in masks.items():
        classes = regions.get(view)
        for lesion in crop.lesions:
            if not lesion["labelled"].get(view):
                continue
            mask = (crop.instances[view] == int(lesion["id"])).any(0)
            if mask.any():
                index = _region_of(mask, classes)
                lesions[index] += 1
                found[index] += bool((mask & predicted).any())
        parts, count = ndimage.label(predicted, np.ones((3, 3)))
        for number in range(1, count + 1):
            part = parts == number
            # A detection that touches a lesion or an "ignore" pixel is not a false alarm.
            if not (crop.labels[view][part] != 0).any():
                alarms[_region_of(part, classes)] += 1
    return RegionCounts(patient, lesions, found, alarms)


def region_rows(cases: Sequence[RegionCounts], images: int, seed: int = 0) -> list[RegionRow]:
    """Return the regions with a lesion or a false alarm, those with most lesions first.

    Args:
        cases: from `count_regions`.
        images: number of views of all cases.
        seed: seed of the bootstrap.
    """
    patients = sorted({case.patient for case in cases})
    sums = np.zeros((len(patients), 3, len(NAMES)))
    for case in cases:
        sums[patients.index(case.patient)] += np.stack([case.lesions, case.found, case.alarms])
    weights = bootstrap.draw_patients(len(patients), bootstrap.SAMPLES, seed)
    resampled = np.einsum("sp,pkn->skn", weights, sums)
    totals = sums.sum(0)
    views = images / len(patients)
    rows = []
    for index, name in enumerate(NAMES):
        if not totals[0, index] and not totals[2, index]:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            value = totals[1, index] / totals[0, index]
        rows.append(
            RegionRow(
                name,
                int(totals[0, index]),
                (float(value), *share_interval(sums[:, 1, index], sums[:, 0, index], weights)),
                (
                    float(totals[2, index] / images),
                    *bootstrap.interval(resampled[:, 2, index] / (views * weights.sum(1))),
                ),
            )
        )
    return sorted(rows, key=lambda row: -row.lesions)


def _region_of(mask: Mask, classes: NDArray[np.uint8] | None) -> int:
    """Return the index in NAMES of the region that contains most of a mask."""
    if classes is None:
        return len(REGIONS)
    inside = np.bincount(classes[mask], minlength=len(REGIONS) + 1)[: len(REGIONS) + 1]
    return int(inside[1:].argmax()) if inside[1:].any() else len(REGIONS)
