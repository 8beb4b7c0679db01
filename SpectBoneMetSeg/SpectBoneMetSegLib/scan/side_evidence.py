"""What two views say about their own sides: whether one is mirrored already, whether they changed places.

Nothing is turned on this evidence; it is there so that a mistake before the scan came here is not passed on in silence.
Measured on simulated patients: an honest pair fits at least 0.01 better mirrored than not, and shows spine and bladder
on their own sides with a sum of at least 0.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .aggregation import views_on_anterior_grid
from .bodies import find_bodies
from .planar import WholeBodyScan

__all__ = ["side_warnings"]

#: How much better the views must fit when one is mirrored once more before that is said.
BETTER_FIT = 0.004
#: Sum of the two logarithmic ratios below which the views look exchanged.
EXCHANGED = -0.15
#: Rows of the pictures that are compared, and by how many of their columns they are moved.
ROWS, SHIFT = 256, 4

Picture = NDArray[np.float64]


def side_warnings(scan: WholeBodyScan) -> list[str]:
    """Sentences about views that do not look like what they are called; none for a single view."""
    views = views_on_anterior_grid(scan)
    if len(views) < 2:
        return []
    step = max(1, views["anterior"].shape[0] // ROWS)
    front, behind = (_reduced(views[name].counts, step) for name in ("anterior", "posterior"))
    bodies = find_bodies(front + behind)
    if min(front.shape) < 2 * SHIFT or len(bodies) != 1:
        return []
    doubts = []
    # Letters that a screen wrote above the head stand on the same side of both pictures.
    rows = slice(*bodies[0].rows)
    one, two = _blurred(front[rows]), _blurred(behind[rows])
    if _fit(one, two[:, ::-1]) > _fit(one, two) + BETTER_FIT:
        doubts.append(
            f"The posterior view of {scan.case} fits the anterior one better when it is mirrored once more: one of "
            "them seems to be mirrored already, check left and right."
        )
    if _evidence_of_sides(front, behind) < EXCHANGED:
        doubts.append(
            f"The views of {scan.case} look exchanged: the spine is brighter in the one called anterior, the bladder "
            "in the one called posterior; check the sides."
        )
    return doubts


def _reduced(counts: NDArray[np.float32], step: int) -> Picture:
    """Sums of squares of `step` pixels; a rest at the edge is left out."""
    rows, columns = counts.shape[0] // step, counts.shape[1] // step
    lines = counts[: rows * step, : columns * step].reshape(rows, step, -1).sum(1, dtype=np.float64)
    return np.asarray(lines.reshape(rows, columns, step).sum(2))


def _blurred(picture: Picture) -> Picture:
    """The square root of a picture without its noise, mean 0 and length 1."""
    from scipy import ndimage

    root = np.sqrt(ndimage.gaussian_filter(picture, 1.0))
    root -= root.mean()
    return np.asarray(root / max(float(np.sqrt((root * root).sum())), 1e-12))


def _fit(one: Picture, two: Picture) -> float:
    """The best correlation of two blurred pictures when one is moved a little to the sides."""
    # Not a BLAS product: its threads wait for each other longer than this takes.
    return max(float((one * np.roll(two, by, 1)).sum()) for by in range(-SHIFT, SHIFT + 1))


def _evidence_of_sides(front: Picture, behind: Picture) -> float:
    """Greater than 0 when the spine is brighter from behind and the bladder from the front."""
    bodies = find_bodies(front)
    if len(bodies) != 1:
        return 0.0
    (first, end), (left, right) = bodies[0].rows, bodies[0].columns
    length = end - first
    # The spine is the hottest column of the trunk, whichever view shows it better.
    trunk = (front + behind)[int(first + 0.2 * length) : int(first + 0.4 * length) + 1, left:right]
    axis = left + int(np.median(trunk, axis=0).argmax())

    def part(picture: Picture, top: float, bottom: float, width: float) -> Picture:
        half = max(1, round(width * length / 2))
        rows = slice(int(first + top * length), int(first + bottom * length) + 1)
        return picture[rows, max(0, axis - half) : axis + half + 1]

    lumbar = [float(np.median(part(picture, 0.28, 0.38, 0.02))) for picture in (front, behind)]
    bladder = [float(np.percentile(part(picture, 0.44, 0.54, 0.04), 99)) for picture in (front, behind)]
    if min(*lumbar, *bladder) <= 0:
        return 0.0
    return float(np.log(lumbar[1] / lumbar[0]) + np.log(bladder[0] / bladder[1]))
