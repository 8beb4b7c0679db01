"""Operating point (thresholds) and confidence of a model, chosen on labelled patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from SpectBoneMetSegLib.model.confidence import Confidence

from ...evaluation.confidence_metrics import ScanDetections, masks_and_detections
from ...evaluation.metrics import CountedCase, by_view
from ...evaluation.predictions import Delineator, OperatingPoint, Prediction, choose_threshold, count_case
from .calibration import cross_fitted, fit_confidence

#: Detections of fewer than four reference pixels are noise (the blur of one lesion alone covers more).
MINIMUM_AREA_MM2 = 20.0


@dataclass(frozen=True)
class Tuned:
    """Operating point, confidence, and figures on the patients that chose them.

    Attributes:
        limits: operating point: thresholds and minimum area.
        confidence: None with too few true or false detections.
        figures: as in `metrics.by_view`; "confidence" is cross-validated over patients.
    """

    limits: Delineator
    confidence: Confidence | None
    figures: dict[str, Any]

    def to_card(self) -> dict[str, Any]:
        """Return the entries of the model card."""
        return {**asdict(self.limits), "confidence": self.confidence}


def tune(predictions: Callable[[], Iterator[Prediction]], patients: Mapping[str, str], by: OperatingPoint) -> Tuned:
    """Choose thresholds and confidence on labelled patients, some of them with lesions.

    Args:
        predictions: returns a new iterator at every call, so that memory does not grow with the number of patients.
        patients: case -> patient.
        by: criterion for the thresholds, as in `choose_threshold`.
    """
    threshold, seed = choose_threshold(predictions(), MINIMUM_AREA_MM2, by)
    return tune_at(Delineator(threshold, seed, MINIMUM_AREA_MM2), predictions, patients)


def tune_at(limits: Delineator, predictions: Callable[[], Iterator[Prediction]], patients: Mapping[str, str]) -> Tuned:
    """Fit the confidence and compute figures at a given operating point; as `tune`."""
    scans: list[ScanDetections] = []
    counted: list[CountedCase] = []
    for crop, probabilities in predictions():
        masks, detections = masks_and_detections(crop, probabilities, limits, detections=True)
        scans += detections
        counted.append((crop.flags, count_case(crop, masks)))
    confidence = fit_confidence(scans)
    figures = by_view(counted)
    if confidence is not None:
        figures["confidence"] = cross_fitted(scans, patients)
    return Tuned(limits, confidence, figures)
