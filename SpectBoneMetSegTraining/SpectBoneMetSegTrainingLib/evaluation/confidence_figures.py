"""Whether a model's confidence can be believed: of areas that are lesions or not, of scans with or without any.

Areas come from the very road that a reading takes (`lesions.redraw.reading_at`), so that they are measured alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.lesions.confidence import area_features, scan_features
from SpectBoneMetSegLib.lesions.model_result import Limits, ModelResult
from SpectBoneMetSegLib.lesions.redraw import reading_at
from SpectBoneMetSegLib.lesions.results import Lesion
from SpectBoneMetSegLib.model.confidence import AREA_FEATURES, Confidence
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, PlanarView, ViewName, WholeBodyScan
from SpectBoneMetSegLib.scan.thorax import whole_field

from ..dataset.cases import IGNORE, LESION, LabelledCrop
from .predictions import Delineator, Prediction

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Equal bins of probability for the calibration error of areas and scans.
BINS = 10


@dataclass(frozen=True)
class ScanDetections:
    """What the network says of one case, and what is true.

    Attributes:
        case: its name.
        features: (areas, len(AREA_FEATURES)) of every area.
        true: (areas,) 1 for a lesion's, 0 for none's, NaN for one that only touches what is not to be judged.
        max_probability: of the network.
        diseased: whether a lesion is labelled; None where all there is is not to be judged.
    """

    case: str
    features: Array
    true: Array
    max_probability: float
    diseased: bool | None


def scan_detections(predictions: Iterable[Prediction], limits: Limits) -> list[ScanDetections]:
    """The areas of every case at a model's limits; flagged cases (superscan, cold lesions) stay out."""
    return [_read(crop, probabilities, limits)[1] for crop, probabilities in predictions if not crop.flags]


def marks_and_detections(
    crop: LabelledCrop, probabilities: dict[ViewName, NDArray[np.float32]], limits: Delineator, judge: bool
) -> tuple[dict[ViewName, Mask], list[ScanDetections]]:
    """The marks of a case at a model's limits, and what is known of its areas: both from one delineation.

    Args:
        judge: whether the areas are wanted.

    Returns:
        {view: (rows, columns) bool}, anterior frame; the areas, none of a flagged case.
    """
    if crop.flags or not judge:
        return limits(probabilities), []
    marks, judged = _read(crop, probabilities, limits)
    return marks, [judged]


def _read(
    crop: LabelledCrop, probabilities: dict[ViewName, NDArray[np.float32]], limits: Limits
) -> tuple[dict[ViewName, Mask], ScanDetections]:
    spacing = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM)
    views = {
        name: PlanarView(crop.counts[name] if name == "anterior" else crop.counts[name][:, ::-1], spacing, name)
        for name in probabilities
    }
    scan = WholeBodyScan(crop.case, views.get("anterior"), views.get("posterior"))
    result = ModelResult(scan, whole_field(scan.frame.shape), probabilities, limits)
    reading = reading_at(result, limits.threshold, limits.minimum_area_mm2)
    own = {name: ids if name == "anterior" else ids[:, ::-1] for name, ids in reading.view_masks.items()}
    marks = {name: ids > 0 for name, ids in own.items()}
    return marks, _judged(crop, reading.lesions, own, float(result.probability.max()))


def _judged(
    crop: LabelledCrop, lesions: Sequence[Lesion], own: dict[ViewName, NDArray[np.uint16]], maximum: float
) -> ScanDetections:
    true = [_truth(lesion.id, own, crop) for lesion in lesions]
    features = [area_features(lesion, len(true) - 1) for lesion in lesions]
    labels = list(crop.labels.values())
    diseased = any((label == LESION).any() for label in labels)
    unsure = not diseased and any((label == IGNORE).any() for label in labels)
    return ScanDetections(
        crop.case,
        np.array(features, float).reshape(len(true), len(AREA_FEATURES)),
        np.array(true, float),
        maximum,
        None if unsure else diseased,
    )


def _truth(number: int, ids: dict[ViewName, NDArray[np.uint16]], crop: LabelledCrop) -> float:
    """1 for an area that touches a labelled lesion in some view, NaN for one that touches "ignore" alone, else 0."""
    touched = {int(value) for name, mask in ids.items() for value in np.unique(crop.labels[name][mask == number])}
    if LESION in touched:
        return 1.0
    return nan if IGNORE in touched else 0.0


def confidence_figures(scans: Sequence[ScanDetections], confidence: Confidence) -> dict[str, Any]:
    """How far a confidence can be believed on these scans: `reliability` of "areas" and of "scans"."""
    return figures_of([(scan, confidence) for scan in scans])


def figures_of(judged: Sequence[tuple[ScanDetections, Confidence]]) -> dict[str, Any]:
    """The same, each scan by a confidence of its own."""
    areas = [[confidence.of_area(row) for row in scan.features.tolist()] for scan, confidence in judged]
    whole = [
        confidence.of_scan(scan_features(own, scan.max_probability))
        for own, (scan, confidence) in zip(areas, judged, strict=True)
    ]
    scans = [scan for scan, _ in judged]
    true = np.concatenate([scan.true for scan in scans]) if scans else np.zeros(0)
    return {
        "areas": reliability([p for own in areas for p in own], true),
        "scans": reliability(whole, diseased_of(scans)),
    }


def diseased_of(scans: Sequence[ScanDetections]) -> Array:
    """(scans,) 1 for one with a labelled lesion, 0 for one without, NaN where that is not known."""
    return np.array([np.nan if scan.diseased is None else float(scan.diseased) for scan in scans], float)


def reliability(probability: Sequence[float | None], true: Array) -> dict[str, float | int | None]:
    """Calibration and ranking of probabilities of things that are true (1) or not (0); NaN ones count nowhere.

    Returns:
        "n" and "true": how many; "ece": expected calibration error in BINS equal bins; "auroc": of true against false;
        "brier", and "brier_of_base_rate": of saying the share of true ones of all. None for what is undefined.
    """
    p, t = np.array(probability, float), true
    known = ~np.isnan(t) & ~np.isnan(p)
    p, t = p[known], t[known]
    result: dict[str, float | int | None] = {"n": len(t), "true": int(t.sum())}
    names = ("ece", "auroc", "brier", "brier_of_base_rate")
    if not len(t):
        return {**result, **dict.fromkeys(names)}
    bins = np.clip((p * BINS).astype(int), 0, BINS - 1)
    gaps = np.bincount(bins, p - t, minlength=BINS)
    values = (np.abs(gaps).sum() / len(t), auroc(p, t), ((p - t) ** 2).mean(), t.mean() * (1 - t.mean()))
    return {
        **result,
        **{name: None if np.isnan(v) else round(float(v), 4) for name, v in zip(names, values, strict=True)},
    }


def auroc(probability: Array, true: Array) -> float:
    """Chance that a true one has the higher probability than a false one, ties half; NaN without both."""
    from scipy.stats import rankdata

    positives = int(true.sum())
    negatives = len(true) - positives
    if not positives or not negatives:
        return nan
    ranks = rankdata(probability)
    return float((ranks[true == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
