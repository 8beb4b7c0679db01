"""Where a network's probabilities become areas, and how far these can be believed: chosen on labelled patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from SpectBoneMetSegLib.model.confidence import Confidence

from ...evaluation.confidence_figures import ScanDetections, marks_and_detections
from ...evaluation.metrics import CountedCase, by_view
from ...evaluation.predictions import Delineator, OperatingPoint, Prediction, choose_threshold, count_case
from .calibration import cross_fitted, fit_confidence

#: Marks of fewer than four reference pixels are noise (one lesion's blur alone covers more).
MINIMUM_AREA_MM2 = 20.0


@dataclass(frozen=True)
class Tuned:
    """What was chosen, and how it does on those it was chosen on.

    Attributes:
        limits: of a reading.
        confidence: None where too few areas are known.
        figures: as in `metrics.by_view`, and "confidence", where every patient is judged by a fit to the others.
    """

    limits: Delineator
    confidence: Confidence | None
    figures: dict[str, Any]

    def to_card(self) -> dict[str, Any]:
        """The entries of a model's card."""
        return {**asdict(self.limits), "confidence": self.confidence}


def tune(predictions: Callable[[], Iterator[Prediction]], patients: Mapping[str, str], by: OperatingPoint) -> Tuned:
    """Thresholds, confidence and figures on labelled patients, of whom some show a lesion.

    Args:
        predictions: gives them anew at every call, so that memory does not grow with the number of patients.
        patients: case -> patient.
        by: what chooses the thresholds.
    """
    threshold, seed = choose_threshold(predictions(), MINIMUM_AREA_MM2, by)
    return tune_at(Delineator(threshold, seed, MINIMUM_AREA_MM2), predictions, patients)


def tune_at(limits: Delineator, predictions: Callable[[], Iterator[Prediction]], patients: Mapping[str, str]) -> Tuned:
    """Confidence and figures at limits that are chosen already; as `tune`."""
    scans: list[ScanDetections] = []
    counted: list[CountedCase] = []
    for crop, probabilities in predictions():
        marks, judged = marks_and_detections(crop, probabilities, limits, judge=True)
        scans += judged
        counted.append((crop.flags, count_case(crop, marks)))
    confidence = fit_confidence(scans)
    figures = by_view(counted)
    if confidence is not None:
        figures["confidence"] = cross_fitted(scans, patients)
    return Tuned(limits, confidence, figures)
