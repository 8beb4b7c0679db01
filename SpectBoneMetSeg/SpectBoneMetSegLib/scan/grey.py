"""What a picture's values say about themselves: which end is air, what was cut off, how many grey steps are left.

Pure functions over (rows, columns) values; nothing here knows files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Background", "GreyScale", "background", "bright_air_level", "grey_scale"]

Background = Literal["dark", "bright", "unclear"]

#: Share of the field's width at each side that is taken for air.
RIM = 0.03
#: Values closer to the air than this part of the range belong to it.
TOLERANCE = 0.02
#: A body takes at least this share of the field, and that many times what lies on the other side of the air.
BODY_SHARE, ONE_SIDED = 0.05, 4.0
#: From this share on, one value in the upper quarter of the range is a ground and no saturated body.
GROUND_SHARE = 0.4
#: Where the highest value is that much more frequent than those next to it, it is where values were cut off.
FLAT_TOP, FEWEST_FLAT = 2.0, 12
#: Above this part of the mean of the pixels that are not empty lies the body.
BODY = 0.25


@dataclass(frozen=True)
class GreyScale:
    """How well a view's values still stand for counts.

    Attributes:
        saturated: share 0..1 of the body's pixels that hold the highest value, 0 where nothing was cut off.
        top: that value.
        steps: different values among the body's pixels, the hottest hundredth left out.
        unbroken: no value between them is missing, as in counts; a scaled picture of few steps has gaps.
    """

    saturated: float
    top: float
    steps: int
    unbroken: bool = True


def background(pixels: NDArray[Any]) -> Background:
    """Whether the air around the body is dark, as in counts, or bright, as in inverted grey.

    The body lies on one side of the air: above it in counts, below it in an inverted picture. A picture without air at
    its sides, or without a body, is unclear.
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
    place = (air - float(low)) / span
    if below > BODY_SHARE and below > ONE_SIDED * above and place > 0.5:
        return "bright"
    shares, edges = np.histogram(np.clip(values, low, high), bins=64)
    common = int(shares.argmax())
    if shares[common] > GROUND_SHARE * values.size and edges[common] > low + 0.75 * span:
        return "bright"
    return "dark" if above > BODY_SHARE and above > ONE_SIDED * below else "unclear"


def bright_air_level(pixels: NDArray[Any]) -> float:
    """The value that stands for no counts in an inverted picture: the top of its rim, or of all where that is dark."""
    rim, values = _rim(pixels), pixels[np.isfinite(pixels)]
    top = float(np.percentile(rim, 99.9, method="nearest"))
    return top if top > np.percentile(values, 50) else float(np.percentile(values, 99.9, method="nearest"))


def grey_scale(counts: NDArray[Any]) -> GreyScale:
    """Saturation and grey steps of the body in one view."""
    filled = counts[counts > 0]
    if not filled.size:
        return GreyScale(0.0, 0.0, 0)
    body = filled[filled > BODY * filled.mean()]
    values, found = _values(body)
    top = float(values[-1])
    beside = found[-3:-1]
    flat = len(beside) > 0 and found[-1] >= max(FEWEST_FLAT, FLAT_TOP * beside.mean())
    # Those up to the 99th percentile: lesions spread over many more.
    usual = values[: int(np.searchsorted(np.cumsum(found), int(0.99 * (body.size - 1)), "right")) + 1]
    unbroken = len(usual) < 2 or float(np.median(np.diff(usual))) <= 1
    return GreyScale(float(found[-1] / body.size) if flat else 0.0, top, len(usual), unbroken)


def _values(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The different values, ascending, and how many pixels have each."""
    whole = pixels.astype(np.int64)
    if whole.max() >= 2**16 or (whole != pixels).any():
        return np.unique(pixels, return_counts=True)
    # Counts are counted without sorting them.
    found = np.bincount(whole)
    values = np.flatnonzero(found)
    return values, found[values]


def _rim(pixels: NDArray[Any]) -> NDArray[Any]:
    """The outermost columns of both sides, finite values."""
    width = max(1, round(RIM * pixels.shape[1]))
    rim = np.concatenate([pixels[:, :width].ravel(), pixels[:, -width:].ravel()])
    finite = rim[np.isfinite(rim)]
    return finite if finite.size else np.zeros(1)
