"""Convert probabilities of the skeleton's regions to region numbers, with the side of the midline.

The network does not learn sides, because it is trained on mirrored patches; sides are assigned by the midline. The
midline follows the central regions row by row, and is interpolated where there are none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .skeleton_regions import NUMBERS, REGIONS, RIGHT_OFFSET

__all__ = ["assign_sides", "midline", "region_map", "region_maps"]

#: Regions that lie on the midline.
CENTRAL = ("skull", "cervical spine", "thoracic spine", "lumbar spine", "sacrum", "sternum", "bladder")
#: Regions with a left and a right side, including the injection site.
PAIRED = (
    *("pelvis", "ribs", "scapula", "humerus", "femur", "clavicle", "forearm and hand", "lower leg and foot"),
    *("kidney", "injection site"),
)
LEAST_PROBABILITY = 0.5
#: Sigma of the smoothing of the midline along the rows, in mm.
SMOOTHING_MM = 40.0


def region_maps(
    probabilities: NDArray[np.float32], outputs: Sequence[str], spacing: float
) -> dict[str, NDArray[np.uint8]]:
    """Return {view: (rows, columns) region numbers} at full resolution.

    Args:
        probabilities: (rows / 2, columns / 2, outputs x len(REGIONS)) network output.
        outputs: names of the network's outputs, all of them views.
        spacing: row pitch in mm at full resolution.
    """
    found = {}
    for index, name in enumerate(outputs):
        part = probabilities[..., index * len(REGIONS) : (index + 1) * len(REGIONS)]
        found[name] = region_map(part, 2 * spacing).repeat(2, 0).repeat(2, 1)
    return found


def region_map(probabilities: NDArray[np.float32], spacing: float) -> NDArray[np.uint8]:
    """Return the most probable region of every pixel with its side, 0 where none reaches LEAST_PROBABILITY.

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
    """Convert classes to region numbers; paired regions get the side of the midline on which they lie.

    Args:
        classes: (rows, columns) of `skeleton_regions.class_map`, anterior frame.
        spacing: row pitch in mm.
    """
    numbers = np.array([0, *NUMBERS], np.uint8)[classes]
    # In the anterior frame the patient's right is at the first column.
    right = np.arange(classes.shape[1])[None, :] < midline(classes, spacing)[:, None]
    paired = np.isin(classes, [1 + REGIONS.index(name) for name in PAIRED])
    return np.where(paired & right, numbers + RIGHT_OFFSET, numbers).astype(np.uint8)


def midline(classes: NDArray[np.uint8], spacing: float) -> NDArray[np.float64]:
    """Return the (rows,) column of the midline.

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
    smooth_sums = gaussian_filter1d(sums, sigma, mode="constant")
    smooth_weight = gaussian_filter1d(weight, sigma, mode="constant")
    known = np.flatnonzero(smooth_weight > 0.05 * smooth_weight.max())
    return np.asarray(np.interp(np.arange(len(weight)), known, smooth_sums[known] / smooth_weight[known]))
