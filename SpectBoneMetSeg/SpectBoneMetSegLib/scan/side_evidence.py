"""Check the sides of two views by their content: whether one is already mirrored, or the two are swapped.

No image is changed because of it; the warnings report errors made before the scan was received. Measured on simulated
patients: a correct pair correlates at least 0.01 better mirrored than not, and its spine and bladder ratios sum to at
least 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .aggregation import views_on_anterior_grid
from .bodies import find_bodies
from .planar import WholeBodyScan

__all__ = ["side_warnings"]

#: Gain in correlation by mirroring a view once more, above which there is a warning.
BETTER_FIT = 0.004
#: Sum of the two logarithmic ratios below which the views seem to be swapped.
EXCHANGED = -0.15
#: Rows of the reduced images that are compared, and the largest shift in their columns.
ROWS, SHIFT = 256, 4

Picture = NDArray[np.float64]


def side_warnings(scan: WholeBodyScan) -> list[str]:
    """Return warnings about views whose content contradicts their sides; none for a single view."""
    views = views_on_anterior_grid(scan)
    if len(views) < 2:
        return []
    step = max(1, views["anterior"].shape[0] // ROWS)
    anterior, posterior = (_reduced(views[name].counts, step) for name in ("anterior", "posterior"))
    bodies = find_bodies(anterior + posterior)
    if min(anterior.shape) < 2 * SHIFT or len(bodies) != 1:
        return []
    messages = []
    # Letters above the head in screen captures are on the same side of both images: only rows of the body count.
    rows = slice(*bodies[0].rows)
    one, two = _blurred(anterior[rows]), _blurred(posterior[rows])
    if _correlation(one, two[:, ::-1]) > _correlation(one, two) + BETTER_FIT:
        messages.append(
            f"The posterior view of {scan.case} fits the anterior one better when it is mirrored once more: one of "
            "them seems to be mirrored already, check left and right."
        )
    if _evidence_of_sides(anterior, posterior) < EXCHANGED:
        messages.append(
            f"The views of {scan.case} seem to be exchanged: the spine is brighter in the one called anterior, the "
            "bladder in the one called posterior; check the views."
        )
    return messages


def _reduced(counts: NDArray[np.float32], step: int) -> Picture:
    """Sums of squares of `step` pixels; a rest at the edge is left out."""
    rows, columns = counts.shape[0] // step, counts.shape[1] // step
    lines = counts[: rows * step, : columns * step].reshape(rows, step, -1).sum(1, dtype=np.float64)
    return np.asarray(lines.reshape(rows, columns, step).sum(2))


def _blurred(picture: Picture) -> Picture:
    """Return the square root of a smoothed image, with mean 0 and norm 1."""
    from scipy import ndimage

    root = np.sqrt(ndimage.gaussian_filter(picture, 1.0))
    root -= root.mean()
    return np.asarray(root / max(float(np.sqrt((root * root).sum())), 1e-12))


def _correlation(one: Picture, two: Picture) -> float:
    """Return the highest correlation of two blurred images over shifts of up to SHIFT columns."""
    # Not a BLAS product: for this size, synchronising its threads takes longer.
    return max(float((one * np.roll(two, by, 1)).sum()) for by in range(-SHIFT, SHIFT + 1))


def _evidence_of_sides(anterior: Picture, posterior: Picture) -> float:
    """Return the sum of log ratios, above 0 if the spine is brighter posteriorly and the bladder anteriorly."""
    bodies = find_bodies(anterior)
    if len(bodies) != 1:
        return 0.0
    (first, end), (left, right) = bodies[0].rows, bodies[0].columns
    length = end - first
    # The spine is the hottest column of the trunk in the sum of both views.
    trunk = (anterior + posterior)[int(first + 0.2 * length) : int(first + 0.4 * length) + 1, left:right]
    axis = left + int(np.median(trunk, axis=0).argmax())

    def part(picture: Picture, top: float, bottom: float, width: float) -> Picture:
        half = max(1, round(width * length / 2))
        rows = slice(int(first + top * length), int(first + bottom * length) + 1)
        return picture[rows, max(0, axis - half) : axis + half + 1]

    lumbar = [float(np.median(part(picture, 0.28, 0.38, 0.02))) for picture in (anterior, posterior)]
    bladder = [float(np.percentile(part(picture, 0.44, 0.54, 0.04), 99)) for picture in (anterior, posterior)]
    if min(*lumbar, *bladder) <= 0:
        return 0.0
    return float(np.log(lumbar[1] / lumbar[0]) + np.log(bladder[0] / bladder[1]))
