"""Recover information from a grey image of a scan: grey values per count, overflowed hot spots, pixel size.

Public data sets consist mostly of such images: counts times a gain that differs per image, stored in 8 bits or
stretched to 16. Neither gain nor pixel size is stated. Pure functions over (rows, columns) values, without file access.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bodies import find_bodies

__all__ = ["STATURE_MM", "Gain", "fill_overflow", "find_gain", "pixel_size_of_body"]

#: Highest value that 8 bits hold.
TOP = 255
#: Length from crown to toes of an adult lying on a table (mm); ours, the mean of men and women, with a spread of 6 %.
STATURE_MM = 1680.0
#: A body closer to the upper or lower edge than this share of the rows may be cut off.
RIM = 0.01
#: Height by width of a whole body, including arms held aside.
SLENDER = (2.0, 6.0)
#: Neighbours that differ by more than JUMP of the range lie at the edge of an overflowed hot spot (edges of the body
#: are softer); pixels from HOT of the range may be the rim of one.
JUMP, HOT = 100 / 255, 0.6
#: A picture was cut off at its highest value if this occurs in at least FEWEST_CUT pixels, PILE times as often as the
#: other hot ones. There WHITE_RIM of the rim of an overflowed core is white, and no core is found if MOST_WHITE of the
#: pixels from FAINT of the range are white.
PILE, FEWEST_CUT, WHITE_RIM, MOST_WHITE, FAINT = 2, 30, 0.5, 0.08, 0.04
#: With fewer grey values than this, noise alone jumps as far as the edge of an overflowed core.
FEWEST_STEPS = 32
#: Bias of the noise estimate (half the variance of neighbours' differences over their mean, without the steepest 2 %)
#: relative to the gain read from gaps; measured on the simulated sample study.
NOISE_RATIO = 0.93
#: Range of noise estimates that are believed: those of BS-80K are 0.65 to 2.7, and the estimate of a picture without
#: smoothing is at least 0.83 of its gain (406 simulated pictures).
NOISE_RANGE = (0.5, 20.0)
#: Counting noise is independent from pixel to pixel: the noise from second differences is then at least this share of
#: that from first differences (0.68 to 1.08 in the same pictures). Vendors' smoothing leaves 0.14 to 0.84 with a noise
#: of 0.02 to 0.24 of the gain, which would make counts several times too high.
INDEPENDENT = 0.55
#: Search range of the gain relative to the noise estimate, and the least gain that leaves gaps between grey values.
SEARCH_RANGE, LEAST_GAIN = (0.75, 1.5), 1.02
#: Range that is searched where noise tells nothing; below it gaps are so few that smooth pictures seem to have them.
WIDE_RANGE = (1.1, 8.0)
#: Required ratio of frequencies on and off the lattice, and the fewest different values for an estimate.
LATTICE_RATIO, FEWEST_VALUES = 3.0, 8
#: Fewest pixels of the body for an estimate from an 8-bit image.
FEWEST_PIXELS = 500
#: A stretched image has a single gain if this share of its pixels lies on the lattice.
ON_LATTICE = 0.99


@dataclass(frozen=True)
class Gain:
    """Gain of an image.

    Attributes:
        value: grey values per count.
        source: "lattice", read from the grey values that occur, which recovers the counts; or "noise", estimated from
            differences of neighbours, which recovers them approximately.
    """

    value: float
    source: str


def find_gain(grey: NDArray[Any]) -> Gain | None:
    """Estimate the grey values per count; None if that is not possible.

    It is not for an 8-bit image that was smoothed, unless its grey values have gaps: its noise is not that of counts.

    Args:
        grey: (rows, columns) integers, dark background.
    """
    values = np.asarray(grey).astype(np.int64)
    if values.max(initial=0) > 255:
        return _stretched(values)
    if _body(values, values).sum() < FEWEST_PIXELS:
        return None
    noise = _from_noise(values)
    if noise is None:
        return _gaps(values, *WIDE_RANGE)
    return _gaps(values, *(side * noise.value for side in SEARCH_RANGE)) or noise


def _gaps(grey: NDArray[np.int64], low: float, high: float) -> Gain | None:
    """Estimate the gain of an 8-bit image of round(gain x counts) from the grey values that hardly occur.

    Args:
        grey: (rows, columns) grey values.
        low: lowest gain to try.
        high: highest gain to try.
    """
    found = np.bincount(grey[grey > 0].ravel(), minlength=256).astype(np.float64)[:200]
    top = int(np.searchsorted(np.cumsum(found), 0.98 * found.sum()))
    if top < FEWEST_VALUES:
        return None
    found = found[: top + 1]
    # Higher values are rarer: each frequency is taken relative to those of its neighbours.
    share = found / (np.convolve(np.pad(found, 3, mode="edge"), np.ones(7) / 7, "valid") + 1e-9)
    low = max(LEAST_GAIN, low)
    if high <= low:
        return None
    # From one gain to the next the highest value moves by a twentieth of a grey step.
    gains = np.geomspace(low, high, 2 + int(20 * top * np.log(high / low)))
    lattice = np.rint(gains[:, None] * np.arange(1, top + 1)).astype(int)
    on = np.zeros((len(gains), top + 1), bool)
    np.put_along_axis(on, np.where(lattice <= top, lattice, 0), values=True, axis=1)
    on[:, 0] = False
    off = ~on
    off[:, 0] = False
    enough = (off.sum(1) >= 2) & (on.sum(1) >= 4)
    # With the right gain all values on the lattice occur, and none between them.
    scores = on @ share / np.maximum(on.sum(1), 1) - LATTICE_RATIO * (off @ share) / np.maximum(off.sum(1), 1)
    best = int(np.where(enough, scores, 0.0).argmax())
    return Gain(round(float(gains[best]), 3), "lattice") if enough[best] and scores[best] > 0 else None


def _from_noise(grey: NDArray[np.int64]) -> Gain | None:
    """Estimate the gain from Poisson noise; None if the noise is not that of counts, as in a smoothed image."""
    values = grey.astype(float)
    left, middle, right = values[:, :-2], values[:, 1:-1], values[:, 2:]
    first = _noise((left - middle) ** 2 / 2, (left + middle) / 2, grey)
    # The shape of the body adds less to second differences, which noise of independent pixels makes thrice as large.
    second = _noise((left - 2 * middle + right) ** 2 / 6, (left + middle + right) / 3, grey)
    if not NOISE_RANGE[0] <= second < NOISE_RANGE[1] or second < INDEPENDENT * first:
        return None
    return Gain(round(second, 2), "noise")


def _noise(variance: NDArray[np.float64], mean: NDArray[np.float64], grey: NDArray[np.int64]) -> float:
    """Return the variance over the mean of the body, both (rows, columns - 2); 0 without a body."""
    body = _body(mean, grey)
    if body.sum() < FEWEST_PIXELS:
        return 0.0
    # The largest ratios come from edges, not from noise.
    ratio = variance[body] / mean[body]
    return float(ratio[ratio <= np.quantile(ratio, 0.98)].mean()) / NOISE_RATIO


def _body(mean: NDArray[Any], grey: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where `mean` is neither air nor a hot spot, in its shape."""
    faint = 0.5 * float(grey[grey > 0].mean()) if (grey > 0).any() else 0.0
    return np.asarray((mean > max(2.0, faint)) & (mean < 120))


def _stretched(grey: NDArray[np.int64]) -> Gain | None:
    """Estimate the step of an image of floor(step x counts), by least squares from the lowest values upwards."""
    values = np.unique(grey[grey > 0]).astype(np.float64)
    if len(values) < FEWEST_VALUES:
        return None
    step = float(np.median(np.diff(values[:12])))
    for reach in (12, 40, 120, len(values)):
        some = values[:reach]
        for _ in range(4):
            counts = np.maximum(np.rint((some + 0.5) / step), 1)
            # Truncation lowers a value by half a grey value on average.
            step = float(((some + 0.5) * counts).sum() / (counts**2).sum())
    counts = np.rint((grey + 0.5) / step)
    fits = np.abs(np.floor(step * counts) - grey) <= 1
    return Gain(round(step, 4), "lattice") if step > 2 and fits[grey > 0].mean() >= ON_LATTICE else None


def fill_overflow(grey: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Set the overflowed hot spots of an 8-bit image to 255, a lower bound.

    Some programs keep the last 8 bits of a count: beyond 255 a hot spot wraps around to black, inside a white rim. Its
    counts are lost. Where a picture was cut off instead, the dark pixels among its hot ones are counts: they are left.

    Args:
        grey: (rows, columns), dark background.

    Returns:
        The image, and a (rows, columns) bool mask of the pixels that were clipped or overflowed.
    """
    from scipy import ndimage

    values = np.asarray(grey)
    wide = values.astype(np.int64)
    if len(np.unique(wide)) < FEWEST_STEPS:
        return values.copy(), wide >= TOP
    jumps = ndimage.maximum_filter(wide, 3) - ndimage.minimum_filter(wide, 3) > JUMP * TOP
    hot = wide >= HOT * TOP
    # An overflowed core looks like salt and pepper noise inside a white rim: close it, and keep what the rim encloses.
    solid = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(hot, 2), np.ones((3, 3))))[2:-2, 2:-2]
    core = solid & ~hot & ndimage.binary_erosion(solid, np.ones((3, 3)))
    if _is_cut_off(wide):
        core = _inside_white(core, wide)
    lost = wide >= TOP
    regions, _ = ndimage.label(solid, structure=np.ones((3, 3)))
    for number, window in enumerate(ndimage.find_objects(regions), start=1):
        part = regions[window] == number
        dark = core[window] & part
        # Noise causes no large jumps: a true core falls far below its rim.
        if (dark & jumps[window] & (wide[window] < (HOT - JUMP) * TOP)).any():
            rim = part & (ndimage.binary_dilation(dark, np.ones((3, 3)), iterations=2) | (wide[window] >= TOP))
            lost[window] |= dark | (rim & ndimage.binary_erosion(part, np.ones((3, 3)), iterations=2))
    result = values.copy()
    result[lost] = TOP
    return result, lost


def _is_cut_off(grey: NDArray[np.int64]) -> bool:
    """Return whether the highest value is that of all counts above it."""
    _, found = np.unique(grey[grey >= HOT * TOP], return_counts=True)
    if not len(found) or found[-1] < FEWEST_CUT:
        return False
    return len(found) == 1 or bool(found[-1] > PILE * found[:-1].mean())


def _inside_white(core: NDArray[np.bool_], grey: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the parts of `core` that lie in a white rim: counts rise over the highest value before they overflow."""
    from scipy import ndimage

    white = grey >= TOP
    if white.sum() > MOST_WHITE * (grey >= FAINT * TOP).sum():
        return np.zeros_like(core)
    parts, count = ndimage.label(core, structure=np.ones((3, 3)))
    kept = np.zeros(count + 1, bool)
    for number, window in enumerate(ndimage.find_objects(parts), start=1):
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in window)
        part = parts[around] == number
        rim = ndimage.binary_dilation(part, np.ones((3, 3))) & ~part
        kept[number] = white[around][rim].mean() >= WHITE_RIM
    return np.asarray(kept[parts])


def pixel_size_of_body(counts: NDArray[Any]) -> float | None:
    """Estimate the pixel edge in mm that gives the body an average height; None if there is no whole body.

    Args:
        counts: (rows, columns), dark background, square pixels.
    """
    bodies = find_bodies(counts)
    if len(bodies) != 1:
        return None
    (first, end), (left, right) = bodies[0].rows, bodies[0].columns
    rim = max(2, round(RIM * counts.shape[0]))
    if first < rim or end > counts.shape[0] - rim or not SLENDER[0] <= (end - first) / (right - left) <= SLENDER[1]:
        return None
    return STATURE_MM / (end - first)
