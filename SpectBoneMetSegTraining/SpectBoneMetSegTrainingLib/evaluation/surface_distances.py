"""Distances between the outlines of two masks, in mm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def surface_distances(one: Mask, two: Mask, spacing: tuple[float, float]) -> tuple[NDArray[np.float64], ...]:
    """Return the distances in mm from every outline pixel of each mask to the nearest one of the other mask.

    Outline pixels are pixels of the mask with a 4-neighbour outside it; pixels beyond the array count as outside.

    Args:
        one: (rows, columns) bool, not empty.
        two: (rows, columns) bool, not empty.
        spacing: (row, column) pixel size in mm.

    Raises:
        ValueError: a mask is empty, so that it has no outline.
    """
    from scipy import ndimage

    if not one.any() or not two.any():
        raise ValueError("an empty mask has no outline to measure from")
    # Cropped to the bounding box of both masks: lesions are small.
    rows, columns = (np.flatnonzero((one | two).any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (one[box], two[box])]
    to_one, to_two = (ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges)
    return to_two[edges[0]], to_one[edges[1]]


def hd95(one: Mask, two: Mask, spacing: tuple[float, float]) -> float:
    """Return the 95 % Hausdorff distance in mm: the larger 95th percentile of both directions (Maier-Hein et al. 2024).

    Arguments and errors as in `surface_distances`.
    """
    return float(max(np.percentile(distances, 95) for distances in surface_distances(one, two, spacing)))


def assd(one: Mask, two: Mask, spacing: tuple[float, float]) -> float:
    """Return the average symmetric surface distance in mm, over the outline pixels of both (Maier-Hein et al. 2024).

    Arguments and errors as in `surface_distances`.
    """
    return float(np.concatenate(surface_distances(one, two, spacing)).mean())
