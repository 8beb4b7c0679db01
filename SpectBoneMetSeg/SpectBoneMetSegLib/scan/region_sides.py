"""From the probabilities of the skeleton's regions to numbered regions: which one, and on which side of the midline.

A network does not learn sides, because it is taught on mirrored patches; the midline tells them. It runs through the
regions that lie on it, row by row, straight on where there are none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .skeleton_regions import NUMBERS, REGIONS, RIGHT_OFFSET

__all__ = ["assign_sides", "midline", "region_map", "region_maps"]

#: Regions that lie on the midline.
CENTRAL = ("skull", "cervical spine", "thoracic spine", "lumbar spine", "sacrum", "sternum", "bladder")
#: Regions of which there are two; the injection site has a side, too.
PAIRED = (
    *("pelvis", "ribs", "scapula", "humerus", "femur", "clavicle", "forearm and hand", "lower leg and foot"),
    *("kidney", "injection site"),
)
LEAST_PROBABILITY = 0.5
#: The midline bends no faster than this many mm of rows.
SMOOTHING_MM = 40.0


def region_maps(answer: NDArray[np.float32], outputs: Sequence[str], spacing: float) -> dict[str, NDArray[np.uint8]]:
    """{view: (rows, columns) region numbers} at full resolution of what a network with regions answers.

    Args:
        answer: (rows / 2, columns / 2, outputs x len(REGIONS)).
        outputs: the network's, views all of them.
        spacing: row pitch in mm at full resolution.
    """
    found = {}
    for place, name in enumerate(outputs):
        part = answer[..., place * len(REGIONS) : (place + 1) * len(REGIONS)]
        found[name] = region_map(part, 2 * spacing).repeat(2, 0).repeat(2, 1)
    return found


def region_map(probabilities: NDArray[np.float32], spacing: float) -> NDArray[np.uint8]:
    """The most probable region of every pixel with its side, 0 where none reaches LEAST_PROBABILITY.

    Args:
        probabilities: (rows, columns, len(REGIONS)) of one view, anterior frame.
        spacing: row pitch in mm.

    Returns:
        (rows, columns) uint8 region numbers as in `skeleton_regions`.
    """
    best = probabilities.argmax(-1)
    classes = np.where(np.take_along_axis(probabilities, best[..., None], -1)[..., 0] >= LEAST_PROBABILITY, best + 1, 0)
    return assign_sides(classes.astype(np.uint8), spacing)


def assign_sides(classes: NDArray[np.uint8], spacing: float) -> NDArray[np.uint8]:
    """Classes as region numbers, paired ones with the side of the midline that they lie on.

    Args:
        classes: (rows, columns) of `skeleton_regions.class_map`, anterior frame.
        spacing: row pitch in mm.
    """
    numbers = np.array([0, *NUMBERS], np.uint8)[classes]
    # In the anterior frame the patient's right is where columns begin.
    right = np.arange(classes.shape[1])[None, :] < midline(classes, spacing)[:, None]
    paired = np.isin(classes, [1 + REGIONS.index(name) for name in PAIRED])
    return np.where(paired & right, numbers + RIGHT_OFFSET, numbers).astype(np.uint8)


def midline(classes: NDArray[np.uint8], spacing: float) -> NDArray[np.float64]:
    """(rows,) column of the midline.

    Args:
        classes: (rows, columns) of `skeleton_regions.class_map`.
        spacing: row pitch in mm.
    """
    from scipy.ndimage import gaussian_filter1d

    central = np.isin(classes, [1 + REGIONS.index(name) for name in CENTRAL])
    weight = central.sum(1).astype(float)
    columns = np.arange(classes.shape[1])
    if not weight.any():
        body = classes > 0
        middle = (body * columns).sum() / body.sum() if body.any() else (classes.shape[1] - 1) / 2
        return np.full(classes.shape[0], float(middle))
    sums = (central * columns).sum(1).astype(float)
    sigma = SMOOTHING_MM / spacing
    near, there = gaussian_filter1d(sums, sigma, mode="constant"), gaussian_filter1d(weight, sigma, mode="constant")
    known = np.flatnonzero(there > 0.05 * there.max())
    return np.asarray(np.interp(np.arange(len(there)), known, near[known] / there[known]))
