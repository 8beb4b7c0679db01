"""FROC curve: lesions found against false alarms (false positives) per image over the probability threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .paper_metrics import ratio

Mask = NDArray[np.bool_]
ArrayOrNumber = NDArray[np.float64] | float

#: Probability thresholds, denser towards both ends, where most network outputs lie.
THRESHOLDS = (
    *(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),
    *(0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.994, 0.997, 0.999, 0.9995),
)
#: False alarms per image at which the sensitivity is reported.
ALARM_RATES = (0.25, 0.5, 1.0, 2.0, 4.0)


def froc_counts(
    probability: NDArray[np.float32], label: NDArray[np.uint8], lesions: Sequence[Mask], minimum_pixels: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count (lesions found, false alarms) of one view, (len(THRESHOLDS),) each.

    A detection is an 8-connected component of probability >= threshold with at least `minimum_pixels`. A lesion is
    found if a detection touches it; a detection that touches no lesion, labelled or ignored, is a false alarm.

    Args:
        probability: (rows, columns).
        label: (rows, columns), 0 where there is no lesion.
        lesions: (rows, columns) bool mask of every labelled lesion.
        minimum_pixels: minimum area of a detection in pixels.
    """
    from scipy import ndimage

    found, alarms = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    for index, threshold in enumerate(THRESHOLDS):
        parts, count = ndimage.label(probability >= threshold, np.ones((3, 3)))
        if not count:
            break  # thresholds rise: no higher one has a detection
        large = np.bincount(parts.ravel(), minlength=count + 1) >= minimum_pixels * (1 - 1e-9)
        large[0] = False
        found[index] = sum(bool(large[parts[lesion]].any()) for lesion in lesions)
        touched = np.unique(parts[label != 0])
        alarms[index] = large.sum() - large[touched].sum()
    return found, alarms


def sensitivity_at(
    rate: float, found: NDArray[np.float64], alarms: NDArray[np.float64], lesions: ArrayOrNumber, images: ArrayOrNumber
) -> NDArray[np.float64]:
    """Return the best sensitivity at no more than `rate` false alarms per image; 0 if no threshold reaches it.

    Without interpolation: every value belongs to a threshold that can be set. NaN without lesions.

    Args:
        rate: false alarms per image.
        found: (..., len(THRESHOLDS)) sums.
        alarms: (..., len(THRESHOLDS)) sums.
        lesions: (...) sums.
        images: (...) sums.
    """
    per_image = ratio(alarms, np.asarray(images)[..., None], 0.0)
    sensitivity = ratio(found, np.asarray(lesions)[..., None], np.nan)
    return np.where(per_image <= rate, sensitivity, 0.0 * sensitivity).max(-1)
