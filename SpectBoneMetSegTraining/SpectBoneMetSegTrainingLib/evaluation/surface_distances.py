"""Distances between the outlines of two masks, in mm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def surface_distances(one: Mask, two: Mask, spacing: tuple[float, float]) -> tuple[NDArray[np.float64], ...]:
    """From every outline pixel of `one` to the nearest of `two`, and the other way round; mm.

    Outline pixels are those of the mask with an edge neighbour outside it; beyond the array is outside.

    Args:
        one: (rows, columns) bool, not empty.
        two: likewise.
        spacing: (row, column) pixel size in mm.

    Raises:
        ValueError: a mask is empty, so that it has no outline.
    """
    from scipy import ndimage

    if not one.any() or not two.any():
        raise ValueError("an empty mask has no outline to measure from")
    # The box of both masks holds all that matters; lesions fill a small part of an image.
    rows, columns = (np.flatnonzero((one | two).any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (one[box], two[box])]
    to_one, to_two = (ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges)
    return to_two[edges[0]], to_one[edges[1]]


def hd95(one: Mask, two: Mask, spacing: tuple[float, float]) -> float:
    """95 % Hausdorff distance: the larger of the 95th percentiles of both directions (Maier-Hein et al. 2024).

    Args and errors as in `surface_distances`.
    """
    return float(max(np.percentile(distances, 95) for distances in surface_distances(one, two, spacing)))


def assd(one: Mask, two: Mask, spacing: tuple[float, float]) -> float:
    """Average symmetric surface distance: the mean over the outline pixels of both (Maier-Hein et al. 2024).

    Args and errors as in `surface_distances`.
    """
    return float(np.concatenate(surface_distances(one, two, spacing)).mean())
