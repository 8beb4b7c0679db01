"""How a scan looks, in a few numbers, and whether a model has learnt from scans that look like it.

A network answers whatever it is shown. What no scan of its training looked like (far fewer counts, smoothed, sharpened,
another contrast curve, a body of another size) is told with the reading. Ranges are those of the patients that the
model was taught on and stand in its card under `appearance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..scan.bodies import find_bodies
from ..scan.planar import ViewName
from .inputs import SMOOTHING_PIXELS, body_mask

__all__ = ["APPEARANCE", "appearance_of", "ranges_of", "unlike"]

#: What is measured of a view, in words for a sentence.
APPEARANCE = {
    "level": "counts per pixel of the body",
    "noise": "noise beside that of counting",
    "detail": "sharpness",
    "contrast": "brightest bone by usual bone",
    "tissue": "soft tissue by bone",
    "air": "air by bone",
    "width_cm": "width of the body in cm",
    "length_cm": "length of the body in cm",
}
#: Added to a range at either end, as a share of it on a logarithmic scale, but never less than a twentieth.
MARGIN, LEAST_ROOM = 0.1, 0.05
#: Below these, differences of soft tissue, air and noise mean nothing.
FLOOR = 1e-3


def appearance_of(counts: NDArray[np.float32], spacing: float) -> dict[str, float]:
    """APPEARANCE of a whole-body view; empty for one without a body.

    Args:
        counts: (rows, columns). spacing: pixel edge in mm, about the same in both directions.
    """
    from scipy.ndimage import gaussian_filter

    image = np.maximum(np.asarray(counts, np.float32), 0)
    smooth = gaussian_filter(image, SMOOTHING_PIXELS)
    body = body_mask(smooth)
    extents = find_bodies(image)
    if not body.any() or not extents:
        return {}
    level = max(float(np.percentile(smooth[body], 75)), 1e-6)
    tissue, middle, top = np.percentile(smooth[body], (10, 50, 99))
    bone = body & (smooth > middle)
    if not bone[:, 1:-1].any():
        # Of one value all over, which only somebody who insists has read.
        return {}
    # Second differences along a row take out slopes; the variance of a - 2 b + c is six times that of a pixel.
    second = image[:, 2:] - 2 * image[:, 1:-1] + image[:, :-2]
    noise = float((second[bone[:, 1:-1]] ** 2).mean()) / 6 / max(float(image[bone].mean()), 1e-6)
    fine = gaussian_filter(image, 1.5) - smooth
    # What counting alone adds to a difference of two Gaussians, so that short scans do not look sharp.
    counted = float(image[bone].mean()) * _noise_share(1.5, SMOOTHING_PIXELS)
    detail = max(float((fine[bone] ** 2).mean()) - counted, 0.0) ** 0.5 / level
    rows = max(one.rows[1] for one in extents) - min(one.rows[0] for one in extents)
    columns = max(one.columns[1] for one in extents) - min(one.columns[0] for one in extents)
    values = {
        "level": level,
        "noise": noise,
        "detail": detail,
        "contrast": float(top / max(middle, 1e-6)),
        "tissue": float(tissue / level),
        "air": float(np.median(smooth[~body])) / level if not body.all() else 0.0,
        "width_cm": columns * spacing / 10,
        "length_cm": rows * spacing / 10,
    }
    return {name: max(value, FLOOR) for name, value in values.items()}


def ranges_of(scans: Iterable[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """{name: (lowest, highest)} of what was learnt from, with MARGIN; empty without scans."""
    rows = [scan for scan in scans if scan]
    ranges = {}
    for name in APPEARANCE if rows else ():
        values = np.log([scan[name] for scan in rows])
        room = max(MARGIN * float(values.max() - values.min()), LEAST_ROOM)
        ranges[name] = float(np.exp(values.min() - room)), float(np.exp(values.max() + room))
    return ranges


def unlike(
    views: Mapping[ViewName, NDArray[np.float32]], spacing: float, ranges: Mapping[str, Sequence[float]], case: str
) -> list[str]:
    """A sentence for every view that looks like none that was learnt from.

    Args:
        views: {view: (rows, columns) counts of the whole field}. spacing: pixel edge in mm.
        ranges: of a model's card; without any nothing is said. case: name for sentences.
    """
    sentences = []
    for name, counts in views.items() if ranges else ():
        found = appearance_of(counts, spacing)
        odd = [
            f"{APPEARANCE[what]} {_number(found[what])} (learnt: {_number(low)} to {_number(high)})"
            for what, (low, high) in ranges.items()
            if what in found and not low <= found[what] <= high
        ]
        if odd:
            sentences.append(
                f"The {name} view of {case} looks like no scan that the model learnt from: {', '.join(odd)}; "
                "its areas are less certain than they seem."
            )
    return sentences


def _noise_share(narrow: float, wide: float) -> float:
    """Variance of the difference of two Gaussian means of noise of variance 1."""
    together = narrow**2 + wide**2
    return (1 / (4 * narrow**2) + 1 / (4 * wide**2) - 1 / together) / np.pi


def _number(value: float) -> str:
    return f"{value:.3g}"
