"""What can be won back from a grey picture of a scan: its grey values a count, hot spots that ran over, a pixel size.

Public sets are mostly pictures: counts times a gain of the picture's own, stored in 8 bits, or stretched to 16. Neither
gain nor pixel size is stated anywhere. Pure functions over (rows, columns) values; nothing here knows files.
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
#: Crown to toes of an adult who lies on a table (mm); ours, an average of men and women. People differ by 6 %.
STATURE_MM = 1680.0
#: A body that comes closer to the upper or lower edge than this share of the rows may be cut off.
RIM = 0.01
#: A body from head to foot is that many times as high as wide, arms held aside included.
SLENDER = (2.0, 6.0)
#: Neighbours that differ by more than this part of the range lie at the edge of a hot spot that ran over, the body's
#: own edges are softer; and from this part of the range on a pixel may be the rim of such a spot.
JUMP, HOT = 100 / 255, 0.6
#: Half the squared difference of neighbours over their mean, the steepest fiftieth left out, beside the gain read from
#: gaps: measured on the simulated sample study.
NOISE_RATIO = 0.93
#: Where the gain is looked for beside what noise tells; below the least one no value is left out.
AROUND, LEAST_GAIN = (0.75, 1.5), 1.02
#: By how much values of the lattice must be more frequent than those between; and how many values tell anything.
STANDS_OUT, FEWEST_VALUES = 3.0, 8
#: A stretched picture is one gain throughout when this share of its pixels lies on the lattice.
ON_LATTICE = 0.99


@dataclass(frozen=True)
class Gain:
    """Grey values a count.

    Attributes:
        value: grey values that stand for one count.
        source: "lattice", read from the values that occur, so that counts come back; or "noise", guessed from how much
            neighbours differ, so that they come back about as large.
    """

    value: float
    source: str


def find_gain(grey: NDArray[Any]) -> Gain | None:
    """How many grey values stand for a count; None where nothing tells.

    Args:
        grey: (rows, columns) whole numbers, dark ground.
    """
    values = np.asarray(grey).astype(np.int64)
    if values.max(initial=0) > 255:
        return _stretched(values)
    noise = _from_noise(values)
    return None if noise is None else _gaps(values, noise.value) or noise


def _gaps(grey: NDArray[np.int64], about: float) -> Gain | None:
    """The gain of an 8-bit picture of round(gain x counts): some grey values hardly ever occur.

    Args:
        about: the gain that its noise tells.
    """
    found = np.bincount(grey[grey > 0].ravel(), minlength=256).astype(np.float64)[:200]
    top = int(np.searchsorted(np.cumsum(found), 0.98 * found.sum()))
    if top < FEWEST_VALUES:
        return None
    found = found[: top + 1]
    # Values grow rarer with their height: each is judged beside its neighbours.
    share = found / (np.convolve(np.pad(found, 3, mode="edge"), np.ones(7) / 7, "valid") + 1e-9)
    low, high = max(LEAST_GAIN, AROUND[0] * about), AROUND[1] * about
    if high <= low:
        return None
    # From one to the next the highest value moves by a twentieth of a grey step.
    gains = np.geomspace(low, high, 2 + int(20 * top * np.log(high / low)))
    places = np.rint(gains[:, None] * np.arange(1, top + 1)).astype(int)
    on = np.zeros((len(gains), top + 1), bool)
    np.put_along_axis(on, np.where(places <= top, places, 0), True, 1)
    on[:, 0] = False
    off = ~on
    off[:, 0] = False
    many = (off.sum(1) >= 2) & (on.sum(1) >= 4)
    # On the right lattice every value occurs and none beside it.
    scores = on @ share / np.maximum(on.sum(1), 1) - STANDS_OUT * (off @ share) / np.maximum(off.sum(1), 1)
    best = int(np.where(many, scores, 0.0).argmax())
    return Gain(round(float(gains[best]), 3), "lattice") if many[best] and scores[best] > 0 else None


def _from_noise(grey: NDArray[np.int64]) -> Gain | None:
    """The gain by Poisson's law: half the variance of neighbours' differences over their mean."""
    left, right = grey[:, :-1].astype(float), grey[:, 1:].astype(float)
    mean = (left + right) / 2
    body = (mean > max(2.0, 0.5 * float(grey[grey > 0].mean()) if (grey > 0).any() else 2.0)) & (mean < 120)
    if body.sum() < 500:
        return None
    # The hot and steep tenth says more of edges than of noise.
    ratio = (left - right)[body] ** 2 / 2 / mean[body]
    value = float(ratio[ratio <= np.quantile(ratio, 0.98)].mean()) / NOISE_RATIO
    return Gain(round(value, 2), "noise") if 0.2 < value < 20 else None


def _stretched(grey: NDArray[np.int64]) -> Gain | None:
    """The step of a picture of floor(step x counts), by least squares from the lowest values up."""
    values = np.unique(grey[grey > 0]).astype(np.float64)
    if len(values) < FEWEST_VALUES:
        return None
    step = float(np.median(np.diff(values[:12])))
    for reach in (12, 40, 120, len(values)):
        some = values[:reach]
        for _ in range(4):
            counts = np.maximum(np.rint((some + 0.5) / step), 1)
            # A value lies half a grey value below its count's own on average.
            step = float(((some + 0.5) * counts).sum() / (counts**2).sum())
    counts = np.rint((grey + 0.5) / step)
    fits = np.abs(np.floor(step * counts) - grey) <= 1
    return Gain(round(step, 4), "lattice") if step > 2 and fits[grey > 0].mean() >= ON_LATTICE else None


def fill_overflow(grey: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """An 8-bit picture whose hot spots ran over, with a lower bound in them, and where that is.

    Some programs keep the last 8 bits of a count: beyond 255 a hot spot starts anew at black, inside a white rim. What
    was there is lost; the highest grey value is what it was at least.

    Args:
        grey: (rows, columns) dark ground.

    Returns:
        The picture, and (rows, columns) bool of what was cut off or ran over.
    """
    from scipy import ndimage

    values = np.asarray(grey)
    wide = values.astype(np.int64)
    torn = ndimage.maximum_filter(wide, 3) - ndimage.minimum_filter(wide, 3) > JUMP * TOP
    hot = wide >= HOT * TOP
    # Salt and pepper inside a white rim: what is hot closes over it, and a core touches nothing outside.
    solid = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(hot, 2), np.ones((3, 3))))[2:-2, 2:-2]
    core = solid & ~hot & ndimage.binary_erosion(solid, np.ones((3, 3)))
    lost = wide >= TOP
    regions, _ = ndimage.label(solid, structure=np.ones((3, 3)))
    for number, window in enumerate(ndimage.find_objects(regions), start=1):
        part = regions[window] == number
        dark = core[window] & part
        # Noise tears no wide gaps: a true core falls to where its rim is far above.
        if (dark & torn[window] & (wide[window] < (HOT - JUMP) * TOP)).any():
            rim = part & (ndimage.binary_dilation(dark, np.ones((3, 3)), iterations=2) | (wide[window] >= TOP))
            lost[window] |= dark | (rim & ndimage.binary_erosion(part, np.ones((3, 3)), iterations=2))
    result = values.copy()
    result[lost] = TOP
    return result, lost


def pixel_size_of_body(counts: NDArray[Any]) -> float | None:
    """The pixel edge in mm at which the body would be of average height; None where no whole body is seen.

    Args:
        counts: (rows, columns) dark ground, square pixels.
    """
    bodies = find_bodies(counts)
    if len(bodies) != 1:
        return None
    (first, end), (left, right) = bodies[0].rows, bodies[0].columns
    rim = max(2, round(RIM * counts.shape[0]))
    if first < rim or end > counts.shape[0] - rim or not SLENDER[0] <= (end - first) / (right - left) <= SLENDER[1]:
        return None
    return STATURE_MM / (end - first)
