"""Patient-clustered bootstrap over additive sums: patients are drawn with replacement, images are not needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .scores import CaseScores, Sums, from_flat

Array = NDArray[np.float64]

#: Bootstrap samples.
SAMPLES = 2000
#: Percentiles of the 95 % interval.
INTERVAL = (2.5, 97.5)


def patient_sums(cases: Sequence[CaseScores]) -> dict[str, Array]:
    """Return flat sums per patient, sorted by name.

    Raises:
        ValueError: no case, or the same case twice.
    """
    names = [scores.case for scores in cases]
    if not names or len(set(names)) != len(names):
        raise ValueError("metrics need at least one case, and every case once")
    result: dict[str, Array] = {}
    # Sorted, so that the order of the cases does not change even the last digit.
    for scores in sorted(cases, key=lambda scores: (scores.patient, scores.case)):
        result[scores.patient] = result.get(scores.patient, 0.0) + scores.sums.flat()
    return result


def draw_patients(count: int, samples: int, seed: int) -> Array:
    """Return (samples, count): how often every patient is drawn in every bootstrap sample."""
    draws = np.random.default_rng(seed).integers(count, size=(samples, count))
    return np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(np.float64)


def resampled(patients: Array, weights: Array) -> Sums:
    """Return the sums of every bootstrap sample from (patients, sums) and (samples, patients)."""
    return from_flat(weights @ patients)


def interval(values: Array) -> tuple[float, float]:
    """Return the 95 % percentile interval of (samples,) values; undefined ones are left out, NaN if none is defined."""
    defined = values[np.isfinite(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, INTERVAL)
    return float(low), float(high)
