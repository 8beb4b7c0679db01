"""Confidence calibration: logistic models fitted to a model's detections in patients it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.lesions.confidence import scan_features
from SpectBoneMetSegLib.model.confidence import Confidence

from ...evaluation.confidence_metrics import ScanDetections, diseased_of, metrics_of

Array = NDArray[np.float64]

#: L2 penalty of the logistic models: with few data, probabilities stay near the base rate.
RIDGE = 1.0
#: Minimum number of true and of false examples for a fit.
MINIMUM_OF_EACH = 5
#: Folds of the cross-validation of the confidence, by patient.
FOLDS = 5


def fit_confidence(scans: Sequence[ScanDetections]) -> Confidence | None:
    """Fit logistic models for detections and for scans; None with too few true or false detections."""
    areas = (
        _fitted(np.concatenate([s.features for s in scans]), np.concatenate([s.true for s in scans])) if scans else None
    )
    if areas is None:
        return None
    area = Confidence(areas)
    features = [
        scan_features([area.of_area(row) for row in scan.features.tolist()], scan.max_probability) for scan in scans
    ]
    # If all scans show disease, or none does, there is no model for scans.
    return Confidence(areas, _fitted(np.array(features, float), diseased_of(scans)))


def cross_fitted(scans: Sequence[ScanDetections], patients: Mapping[str, str]) -> dict[str, Any]:
    """Cross-validate the confidence: `confidence_metrics.metrics_of`, each fold with models fitted to the others.

    Args:
        scans: detections of every scan.
        patients: case -> patient.
    """
    names = sorted({patients.get(scan.case, scan.case) for scan in scans})
    fold = [names.index(patients.get(scan.case, scan.case)) % FOLDS for scan in scans]
    held_out = []
    for number in range(FOLDS):
        confidence = fit_confidence([scan for scan, own in zip(scans, fold, strict=True) if own != number])
        if confidence is not None:
            held_out += [(scan, confidence) for scan, own in zip(scans, fold, strict=True) if own == number]
    return metrics_of(held_out)


def _fitted(features: Array, true: Array) -> tuple[float, ...] | None:
    """Return intercept and weights of an L2-penalised logistic model; None with too few of either class."""
    from scipy.optimize import minimize

    known = ~np.isnan(true)
    features, true = features[known], true[known]
    if min(true.sum(), len(true) - true.sum()) < MINIMUM_OF_EACH:
        return None
    mean, spread = features.mean(0), np.maximum(features.std(0), 1e-6)
    scaled = (features - mean) / spread

    def loss(weights: Array) -> tuple[float, Array]:
        values = weights[0] + scaled @ weights[1:]
        entropy = np.logaddexp(0, values) - true * values
        residual = 1 / (1 + np.exp(-values)) - true
        gradient = np.array([residual.sum(), *(scaled.T @ residual + RIDGE * weights[1:])])
        return float(entropy.sum() + RIDGE / 2 * (weights[1:] ** 2).sum()), gradient

    fitted = minimize(loss, np.zeros(1 + scaled.shape[1]), jac=True, method="L-BFGS-B").x
    slopes = fitted[1:] / spread
    return (float(fitted[0] - slopes @ mean), *(float(slope) for slope in slopes))
