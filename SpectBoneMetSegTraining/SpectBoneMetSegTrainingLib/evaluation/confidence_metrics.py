"""Calibration of a model's confidence: of detections that are lesions or not, and of scans with or without lesions.

Detections are made as in a reading (`lesions.redraw.reading_at`), so that their features are the same.
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
from .shares import wilson

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Equal bins of probability for the calibration error of detections and scans.
BINS = 10


@dataclass(frozen=True)
class ObservedShare:
    """Examples with a confidence in one of BINS equal bins.

    Attributes:
        low: lower end of the bin.
        high: upper end of the bin.
        number: number of examples.
        confidence: their mean confidence.
        observed: share of them that are true, and the ends of its 95 % interval, see `shares.wilson`.
    """

    low: float
    high: float
    number: int
    confidence: float
    observed: tuple[float, float, float]


@dataclass(frozen=True)
class ScanDetections:
    """Detections of one case with their labels.

    Attributes:
        case: name of the case.
        features: (detections, len(AREA_FEATURES)).
        true: (detections,) 1 if a labelled lesion is touched, NaN if only "ignore" pixels are touched, else 0.
        max_probability: highest probability of the network.
        diseased: whether a lesion is labelled; None if there are only "ignore" lesions.
    """

    case: str
    features: Array
    true: Array
    max_probability: float
    diseased: bool | None


def scan_detections(predictions: Iterable[Prediction], limits: Limits) -> list[ScanDetections]:
    """Return the detections of every case at an operating point, without flagged cases (cold lesions)."""
    return [_detect(crop, probabilities, limits)[1] for crop, probabilities in predictions if not crop.flags]


def masks_and_detections(
    crop: LabelledCrop,
    probabilities: dict[ViewName, NDArray[np.float32]],
    limits: Delineator,
    *,
    detections: bool,
) -> tuple[dict[ViewName, Mask], list[ScanDetections]]:
    """Delineate a case once, and return its masks and its detections.

    Args:
        crop: the case with its labels.
        probabilities: {view: (rows, columns) probability}.
        limits: operating point.
        detections: whether to return the detections.

    Returns:
        {view: (rows, columns) bool}, anterior frame, and the detections in a list; [] for a flagged case.
    """
    if crop.flags or not detections:
        return limits(probabilities), []
    masks, found = _detect(crop, probabilities, limits)
    return masks, [found]


def _detect(
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
    view_ids = {name: ids if name == "anterior" else ids[:, ::-1] for name, ids in reading.view_masks.items()}
    masks = {name: ids > 0 for name, ids in view_ids.items()}
    return masks, _labelled(crop, reading.lesions, view_ids, float(result.probability.max()))


def _labelled(
    crop: LabelledCrop, lesions: Sequence[Lesion], view_ids: dict[ViewName, NDArray[np.uint16]], maximum: float
) -> ScanDetections:
    true = [_truth(lesion.id, view_ids, crop) for lesion in lesions]
    features = [area_features(lesion, len(true) - 1) for lesion in lesions]
    labels = list(crop.labels.values())
    diseased = any((label == LESION).any() for label in labels)
    unknown = not diseased and any((label == IGNORE).any() for label in labels)
    return ScanDetections(
        crop.case,
        np.array(features, float).reshape(len(true), len(AREA_FEATURES)),
        np.array(true, float),
        maximum,
        None if unknown else diseased,
    )


def _truth(number: int, ids: dict[ViewName, NDArray[np.uint16]], crop: LabelledCrop) -> float:
    """Return 1 if a detection touches a labelled lesion in any view, NaN if it only touches "ignore", else 0."""
    touched = {int(value) for name, mask in ids.items() for value in np.unique(crop.labels[name][mask == number])}
    if LESION in touched:
        return 1.0
    return nan if IGNORE in touched else 0.0


def confidence_metrics(scans: Sequence[ScanDetections], confidence: Confidence) -> dict[str, Any]:
    """Compute the `reliability` of a confidence on these scans, for "areas" (detections) and "scans"."""
    return metrics_of([(scan, confidence) for scan in scans])


def metrics_of(pairs: Sequence[tuple[ScanDetections, Confidence]]) -> dict[str, Any]:
    """Compute the same, each scan with its own confidence (cross-validation)."""
    return {kind: reliability(*examples) for kind, examples in _examples(pairs).items()}


def observed_shares(scans: Sequence[ScanDetections], confidence: Confidence) -> dict[str, list[ObservedShare]]:
    """Return the bins of confidence that hold an example, for "areas" (detections) and "scans"."""
    examples = _examples([(scan, confidence) for scan in scans])
    return {kind: _bins(*_known(*of_kind)) for kind, of_kind in examples.items()}


def _bins(probability: Array, true: Array) -> list[ObservedShare]:
    numbers = _bin_of(probability)
    result = []
    for number in np.unique(numbers).tolist():
        own = true[numbers == number]
        share = (float(own.mean()), *wilson(float(own.sum()), len(own)))
        mean = float(probability[numbers == number].mean())
        result.append(ObservedShare(number / BINS, (number + 1) / BINS, len(own), mean, share))
    return result


def _examples(
    pairs: Sequence[tuple[ScanDetections, Confidence]],
) -> dict[str, tuple[Sequence[float | None], Array]]:
    """Return {kind of example: confidence and label of each}."""
    areas = [[confidence.of_area(row) for row in scan.features.tolist()] for scan, confidence in pairs]
    whole = [
        confidence.of_scan(scan_features(values, scan.max_probability))
        for values, (scan, confidence) in zip(areas, pairs, strict=True)
    ]
    scans = [scan for scan, _ in pairs]
    true = np.concatenate([scan.true for scan in scans]) if scans else np.zeros(0)
    return {
        "areas": ([p for values in areas for p in values], true),
        "scans": (whole, diseased_of(scans)),
    }


def _known(probability: Sequence[float | None], true: Array) -> tuple[Array, Array]:
    """Return the examples whose confidence and label are known."""
    p = np.array(probability, float)
    known = ~np.isnan(true) & ~np.isnan(p)
    return p[known], true[known]


def _bin_of(probability: Array) -> NDArray[np.int_]:
    bins: NDArray[np.int_] = np.clip((probability * BINS).astype(int), 0, BINS - 1)
    return bins


def diseased_of(scans: Sequence[ScanDetections]) -> Array:
    """Return (scans,): 1 with a labelled lesion, 0 without, NaN if unknown."""
    return np.array([np.nan if scan.diseased is None else float(scan.diseased) for scan in scans], float)


def reliability(probability: Sequence[float | None], true: Array) -> dict[str, float | int | None]:
    """Compute calibration and discrimination of probabilities against labels 1 and 0; NaN and None are excluded.

    Returns:
        "n", "true": number of examples and of true ones; "ece": expected calibration error in BINS equal bins; "auroc":
        area under the ROC curve; "brier": Brier score; "brier_of_base_rate": Brier score of a constant prediction of
        the base rate. None for undefined values.
    """
    p, t = _known(probability, true)
    result: dict[str, float | int | None] = {"n": len(t), "true": int(t.sum())}
    names = ("ece", "auroc", "brier", "brier_of_base_rate")
    if not len(t):
        return {**result, **dict.fromkeys(names)}
    gaps = np.bincount(_bin_of(p), p - t, minlength=BINS)
    values = (np.abs(gaps).sum() / len(t), auroc(p, t), ((p - t) ** 2).mean(), t.mean() * (1 - t.mean()))
    return {
        **result,
        **{name: None if np.isnan(v) else round(float(v), 4) for name, v in zip(names, values, strict=True)},
    }


def auroc(probability: Array, true: Array) -> float:
    """Compute the area under the ROC curve, ties counting half; NaN without true or without false examples."""
    from scipy.stats import rankdata

    positives = int(true.sum())
    negatives = len(true) - positives
    if not positives or not negatives:
        return nan
    ranks = rankdata(probability)
    return float((ranks[true == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
