"""95 % intervals of shares of lesions, such as of the lesions found.

The bootstrap over patients resamples what there is: with few lesions, or if all or none were found, it shows too little
variation and seems certain. The binomial interval of Wilson (1927) stays wide there, but counts every lesion by itself,
as if a patient's lesions were not alike. The interval here therefore reaches as far as the further one at each end.
"""

from __future__ import annotations

from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from . import bootstrap

__all__ = ["share_interval", "wilson"]

Array = NDArray[np.float64]

#: Standard normal quantile of a 95 % interval.
NORMAL = 1.959964


def wilson(successes: float, number: float) -> tuple[float, float]:
    """Return the 95 % interval of Wilson of the share successes / number; NaN if number is 0."""
    if not number:
        return nan, nan
    share, spread = successes / number, NORMAL**2 / number
    middle = (share + spread / 2) / (1 + spread)
    half = NORMAL * sqrt(share * (1 - share) / number + spread / (4 * number)) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share_interval(found: Array, lesions: Array, weights: Array) -> tuple[float, float]:
    """Return the 95 % interval of the share of lesions found; NaN for lesions of fewer than two patients.

    Args:
        found: (patients,) lesions found.
        lesions: (patients,) lesions.
        weights: (samples, patients) bootstrap samples of `bootstrap.draw_patients`.
    """
    if (lesions > 0).sum() < 2:
        return nan, nan
    low, high = wilson(float(found.sum()), float(lesions.sum()))
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled_low, resampled_high = bootstrap.interval((weights @ found) / (weights @ lesions))
    return min(low, resampled_low), max(high, resampled_high)
