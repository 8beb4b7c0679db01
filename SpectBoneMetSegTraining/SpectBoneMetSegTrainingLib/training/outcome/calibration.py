"""The confidence of a model, fitted to the areas that it finds in patients whom it was not taught on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.lesions.confidence import scan_features
from SpectBoneMetSegLib.model.confidence import Confidence

from ...evaluation.confidence_figures import ScanDetections, diseased_of, figures_of

Array = NDArray[np.float64]

#: Weight decay of the logistic models, in areas or scans that say nothing: few data give weak opinions.
RIDGE = 1.0
#: Fewer true or false ones than these fit nothing.
MINIMUM_OF_EACH = 5
#: Parts of the patients, each judged by the models of the others, for figures that were not fitted to themselves.
FOLDS = 5


def fit_confidence(scans: Sequence[ScanDetections]) -> Confidence | None:
    """Logistic models of areas and of scans; None where too few areas of either kind are known."""
    areas = (
        _fitted(np.concatenate([s.features for s in scans]), np.concatenate([s.true for s in scans])) if scans else None
    )
    if areas is None:
        return None
    area = Confidence(areas)
    features = [
        scan_features([area.of_area(row) for row in scan.features.tolist()], scan.max_probability) for scan in scans
    ]
    # Where all are ill, or all are well, nothing can be said of scans.
    return Confidence(areas, _fitted(np.array(features, float), diseased_of(scans)))


def cross_fitted(scans: Sequence[ScanDetections], patients: Mapping[str, str]) -> dict[str, Any]:
    """`evaluation.confidence_figures.figures_of` every patient by models fitted to the others."""
    names = sorted({patients.get(scan.case, scan.case) for scan in scans})
    fold = [names.index(patients.get(scan.case, scan.case)) % FOLDS for scan in scans]
    judged = []
    for number in range(FOLDS):
        others = fit_confidence([scan for scan, own in zip(scans, fold, strict=True) if own != number])
        if others is not None:
            judged += [(scan, others) for scan, own in zip(scans, fold, strict=True) if own == number]
    return figures_of(judged)


def _fitted(features: Array, true: Array) -> tuple[float, ...] | None:
    """Intercept and weights of a logistic model with RIDGE; None with too few of either kind."""
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
        wrong = 1 / (1 + np.exp(-values)) - true
        gradient = np.array([wrong.sum(), *(scaled.T @ wrong + RIDGE * weights[1:])])
        return float(entropy.sum() + RIDGE / 2 * (weights[1:] ** 2).sum()), gradient

    found = minimize(loss, np.zeros(1 + scaled.shape[1]), jac=True, method="L-BFGS-B").x
    own = found[1:] / spread
    return (float(found[0] - own @ mean), *(float(weight) for weight in own))
