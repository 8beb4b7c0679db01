"""Input features of the calibrated confidence of an area and of a scan (`model.confidence`).

A network predicts probabilities of pixels, not of areas: the larger an area, the more likely it contains a high one.
Probability, size and contrast of an area together are more informative. So is the number of other areas: a single hot
spot is often a false positive, one of twenty rarely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..model.confidence import Confidence
from .results import Lesion

__all__ = ["area_features", "scan_features", "with_confidence"]

#: Logits are clipped to this magnitude, contrasts to this range.
LARGEST_LOGIT = 6.0
CONTRASTS = (0.5, 20.0)


def with_confidence(lesions: Sequence[Lesion], confidence: Confidence | None, threshold: float) -> tuple[Lesion, ...]:
    """Return the lesions with their confidence; a lesion drawn where the model predicts none gets no confidence.

    Args:
        lesions: of one scan.
        confidence: the model's calibration; None leaves the lesions unchanged.
        threshold: the model's own.
    """
    if confidence is None:
        return tuple(lesions)
    found = [lesion.max_probability >= threshold for lesion in lesions]
    others = sum(found) - 1
    return tuple(
        replace(lesion, confidence=confidence.of_area(area_features(lesion, others))) if detected else lesion
        for lesion, detected in zip(lesions, found, strict=True)
    )


def area_features(lesion: Lesion, others: int) -> tuple[float, ...]:
    """Compute the AREA_FEATURES of an area.

    In this order: logits of its maximum and mean probability, logarithm of its area in cm2, logarithm of its highest
    contrast in a view, whether both views show it (0 or 1), log(1 + `others`).

    Args:
        lesion: the area.
        others: number of other areas that the model found in the scan.
    """
    contrasts = [view.contrast for view in lesion.views.values() if math.isfinite(view.contrast)]
    contrast = min(max(max(contrasts, default=1.0), CONTRASTS[0]), CONTRASTS[1])
    return (
        _logit(lesion.max_probability),
        _logit(lesion.mean_probability),
        math.log(lesion.area_mm2 / 100),
        math.log(contrast),
        float(len(lesion.views) == 2),
        math.log1p(others),
    )


def scan_features(areas: Sequence[float], max_probability: float) -> tuple[float, ...]:
    """Compute the SCAN_FEATURES: logit of the highest probability, log(1 + expected number of abnormal areas).

    Args:
        areas: calibrated probability of each area.
        max_probability: highest probability that the network predicts in the scan.
    """
    return _logit(max_probability), math.log1p(sum(areas))


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return min(max(math.log(p / (1 - p)), -LARGEST_LOGIT), LARGEST_LOGIT)
