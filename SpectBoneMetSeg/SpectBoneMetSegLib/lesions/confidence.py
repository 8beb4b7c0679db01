"""Input features of the calibrated confidence of an area and of a scan (`model.confidence`).

A network's probabilities are those of pixels, not of areas: a large area is more likely to contain a high one. The
probabilities, size and contrast of an area together are more informative, and so is the number of other areas: a single
hot spot is often a false positive, one of twenty rarely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..model.confidence import Confidence
from .results import Lesion

__all__ = ["area_features", "scan_features", "with_confidence"]

#: Logits beyond this are all alike, and so are contrasts outside these.
LARGEST_LOGIT = 6.0
CONTRASTS = (0.5, 20.0)


def with_confidence(lesions: Sequence[Lesion], confidence: Confidence | None, threshold: float) -> tuple[Lesion, ...]:
    """The lesions with what is known of them; one that was drawn where the network saw none has no confidence.

    Args:
        threshold: the model's own.
    """
    if confidence is None:
        return tuple(lesions)
    found = [lesion.max_probability >= threshold for lesion in lesions]
    others = sum(found) - 1
    return tuple(
        replace(lesion, confidence=confidence.of_area(area_features(lesion, others))) if own else lesion
        for lesion, own in zip(lesions, found, strict=True)
    )


def area_features(lesion: Lesion, others: int) -> tuple[float, ...]:
    """AREA_FEATURES of an area: logits of its probabilities, logarithms of its area in cm2 and of its contrast in the
    view where it stands out most, whether both views hold it, and the logarithm of one more than the other areas that
    the model found in the scan."""
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
    """SCAN_FEATURES of a scan: the logit of the network's highest probability, and the logarithm of one more than the
    areas that are expected to be abnormal.

    Args:
        areas: probability of each area.
        max_probability: of the network, over the scan.
    """
    return _logit(max_probability), math.log1p(sum(areas))


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return min(max(math.log(p / (1 - p)), -LARGEST_LOGIT), LARGEST_LOGIT)
