"""Analyse grey values: polarity of the background, saturation, number of grey steps.

Pure functions over (rows, columns) values, without file access.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Background", "GreyScale", "background", "bright_air_level", "clipped_at", "grey_scale"]

Background = Literal["dark", "bright", "unclear"]

#: Share of the field's width at each side that is assumed to be air.
RIM = 0.03
#: Values within this share of the range around the air level count as air.
TOLERANCE = 0.02
#: A body takes at least this share of the field, and this multiple of the pixels on the other side of the air level.
BODY_SHARE, ONE_SIDED = 0.05, 4.0
#: From this share of the pixels, one value in the upper quarter of the range is background, not a saturated body.
BACKGROUND_SHARE = 0.4
#: The values are clipped if the highest one is this much more frequent than its neighbours, and has that many pixels.
FLAT_TOP, FEWEST_FLAT = 2.0, 12
#: A view is clipped from this number of pixels at its highest value, if they also exceed twice the mean number at each
#: of the next lower values by two. Noise leaves 1 or 2 there, and at low counts fewer than at the lower values.
FEWEST_CLIPPED, LOWER_VALUES = 4, 5
#: Pixels above this share of the mean of the non-empty pixels are body.
BODY = 0.25


@dataclass(frozen=True)
class GreyScale:
    """Grey scale of the body in a view.

    Attributes:
        saturated: share 0..1 of the body's pixels that hold the highest value, 0 if nothing was clipped.
        top: the highest value.
        steps: number of different values among the body's pixels, without the hottest 1 %.
        unbroken: no value between them is missing, as in counts; a scaled image with few steps has gaps.
    """

    saturated: float
    top: float
    steps: int
    unbroken: bool = True


def background(pixels: NDArray[Any]) -> Background:
    """Classify the air around the body as dark (counts), bright (inverted grey) or unclear.

    The body's values lie above the air level in counts, below it in an inverted image. An image without air at its
    sides, or without a body, is unclear.
    """
    step = max(1, min(pixels.shape) // 128)
    pixels = pixels[::step, ::step]
    values = pixels[np.isfinite(pixels)]
    low, high = np.percentile(values, (0.1, 99.9)) if values.size else (0.0, 0.0)
    span = float(high - low)
    if span <= 0:
        return "unclear"
    air = float(np.median(_rim(pixels)))
    above = float((values > air + TOLERANCE * span).mean())
    below = float((values < air - TOLERANCE * span).mean())
    relative = (air - float(low)) / span
    if below > BODY_SHARE and below > ONE_SIDED * above and relative > 0.5:
        return "bright"
    shares, edges = np.histogram(np.clip(values, low, high), bins=64)
    common = int(shares.argmax())
    if shares[common] > BACKGROUND_SHARE * values.size and edges[common] > low + 0.75 * span:
        return "bright"
    return "dark" if above > BODY_SHARE and above > ONE_SIDED * below else "unclear"


def bright_air_level(pixels: NDArray[Any]) -> float:
    """Return the value of 0 counts in an inverted image: the top of its rim, or of all pixels if the rim is dark."""
    rim, values = _rim(pixels), pixels[np.isfinite(pixels)]
    top = float(np.percentile(rim, 99.9, method="nearest"))
    return top if top > np.percentile(values, 50) else float(np.percentile(values, 99.9, method="nearest"))


def grey_scale(counts: NDArray[Any]) -> GreyScale:
    """Measure saturation and grey steps of the body in one view."""
    filled = counts[counts > 0]
    if not filled.size:
        return GreyScale(0.0, 0.0, 0)
    body = filled[filled > BODY * filled.mean()]
    values, found = _values(body)
    top = float(values[-1])
    neighbours = found[-3:-1]
    flat = len(neighbours) > 0 and found[-1] >= max(FEWEST_FLAT, FLAT_TOP * neighbours.mean())
    # Values up to the 99th percentile: those of lesions spread over a wide range.
    usual = values[: int(np.searchsorted(np.cumsum(found), int(0.99 * (body.size - 1)), "right")) + 1]
    unbroken = len(usual) < 2 or float(np.median(np.diff(usual))) <= 1
    return GreyScale(float(found[-1] / body.size) if flat else 0.0, top, len(usual), unbroken)


def clipped_at(counts: NDArray[Any]) -> float | None:
    """Return the value at which a view's counts were cut off, even if in a few pixels only; None if they were not.

    Args:
        counts: (rows, columns).
    """
    top = float(counts.max(initial=0))
    most = int(np.count_nonzero(counts == top))
    if top <= 0 or most < FEWEST_CLIPPED:
        return None
    _, found = np.unique(counts[counts >= top / 2], return_counts=True)
    lower = found[-1 - LOWER_VALUES : -1]
    return None if lower.size and most < 2 * lower.mean() + 2 else top


def _values(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the different values, ascending, and the number of pixels with each."""
    whole = pixels.astype(np.int64)
    if whole.max() >= 2**16 or (whole != pixels).any():
        return np.unique(pixels, return_counts=True)
    # Small integers are counted without sorting.
    found = np.bincount(whole)
    values = np.flatnonzero(found)
    return values, found[values]


def _rim(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the finite values of the outermost columns on both sides."""
    width = max(1, round(RIM * pixels.shape[1]))
    rim = np.concatenate([pixels[:, :width].ravel(), pixels[:, -width:].ravel()])
    finite = rim[np.isfinite(rim)]
    return finite if finite.size else np.zeros(1)
