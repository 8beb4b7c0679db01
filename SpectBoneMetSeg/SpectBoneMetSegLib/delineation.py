"""From probabilities to lesions: threshold, union of the views, numbered components, exact outlines.

Everything here lives on the anterior frame grid; lesions are "abnormal uptake" until a physician accepts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .planar import PlanarView, ViewName

__all__ = ["LesionMasks", "lesion_masks", "number_lesions", "outline", "to_ras"]

#: Pixels that touch at a corner belong together; the background around them then counts as 4-connected.
EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)

#: (row, column) steps along pixel edges: east, south, west, north.
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
#: Of the four pixels around a corner, the one ahead on the left and ahead on the right of each step, as the offset
#: from the corner to the pixel's own upper left corner.
AHEAD_LEFT = ((-1, 0), (0, 0), (0, -1), (-1, -1))
AHEAD_RIGHT = ((0, 0), (0, -1), (-1, -1), (-1, 0))


@dataclass(frozen=True)
class LesionMasks:
    """Lesion IDs on the anterior frame grid.

    Attributes:
        union: (rows, columns) uint16, 0 = none, 1..n head to foot; every component is 8-connected and without holes.
        views: the same IDs inside each view's own mask, (rows, columns) uint16, still on the anterior frame grid.
    """

    union: NDArray[np.uint16]
    views: dict[ViewName, NDArray[np.uint16]]


def lesion_masks(
    probabilities: dict[ViewName, NDArray[np.float32]],
    threshold: float,
    minimum_area_mm2: float,
    frame: PlanarView,
    seed_threshold: float | None = None,
) -> LesionMasks:
    """Lesions of one scan from the probabilities of its views.

    Args:
        probabilities: per view (rows, columns) 0..1, each on the grid of `frame`.
        threshold: a pixel belongs to a lesion where its probability is at least this.
        minimum_area_mm2: smaller lesions (area of the union of the views) are dropped.
        frame: the anterior whole-body frame.
        seed_threshold: when given, a lesion must hold one pixel of at least this probability in some view (hysteresis).

    Raises:
        ValueError: no probabilities, or an array that does not fit the frame.
    """
    from scipy import ndimage

    if not probabilities:
        raise ValueError("lesions need the probabilities of at least one view")
    for name, values in probabilities.items():
        if values.shape != frame.shape:
            raise ValueError(f"{name} probabilities of shape {values.shape} do not fit the frame's {frame.shape}")
    above = {name: values >= threshold for name, values in probabilities.items()}
    # Lesions fill a small part of a whole body: morphology only where there are any.
    window = _window(np.any(np.stack(list(above.values())), axis=0))
    if window is None:
        empty = np.zeros(frame.shape, dtype=np.uint16)
        return LesionMasks(empty, {name: empty.copy() for name in above})
    masks = {name: ndimage.binary_fill_holes(values[window]) for name, values in above.items()}
    stacked = np.stack(list(masks.values()))
    union = ndimage.binary_fill_holes(stacked.any(axis=0))
    # Two views can enclose a gap that neither encloses alone; a lesion's outline has no holes, and the union is no more
    # than its views, so the gap goes to the view that thinks it likelier.
    gap = union & ~stacked.any(axis=0)
    likelier = np.argmax(np.stack([values[window] for values in probabilities.values()]), axis=0)
    masks = {name: mask | (gap & (likelier == place)) for place, (name, mask) in enumerate(masks.items())}
    components, count = ndimage.label(union, structure=EIGHT_CONNECTED)
    labels = np.arange(1, count + 1)
    pixel_mm2 = frame.spacing[0] * frame.spacing[1]
    # A hair of tolerance, so that a limit of exactly ten pixels keeps ten pixels.
    keep = ndimage.sum_labels(union, components, labels) * pixel_mm2 >= minimum_area_mm2 * (1 - 1e-9)
    if seed_threshold is not None:
        peak = np.max(np.stack([values[window] for values in probabilities.values()]), axis=0)
        keep &= np.asarray(ndimage.maximum(peak, components, labels)) >= seed_threshold
    ids = number_lesions(np.isin(components, labels[keep]))
    views = {name: np.where(mask, ids, 0).astype(np.uint16) for name, mask in masks.items()}
    return LesionMasks(
        _placed(ids, window, frame.shape), {name: _placed(part, window, frame.shape) for name, part in views.items()}
    )


def _window(mask: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The smallest box that holds all of `mask`, None for an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _placed(part: NDArray[np.uint16], window: tuple[slice, slice], shape: tuple[int, int]) -> NDArray[np.uint16]:
    whole = np.zeros(shape, dtype=np.uint16)
    whole[window] = part
    return whole


def number_lesions(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.uint16]:
    """8-connected components of a (rows, columns) mask numbered 1..n (uint16) by centroid row, then column."""
    from scipy import ndimage

    components, count = ndimage.label(np.asarray(mask) != 0, structure=EIGHT_CONNECTED)
    if count > np.iinfo(np.uint16).max:
        raise ValueError(f"{count} lesions are more than an ID map can hold")
    if count == 0:
        return np.zeros(components.shape, dtype=np.uint16)
    centroids = np.array(ndimage.center_of_mass(components > 0, components, np.arange(1, count + 1)))
    number = np.zeros(count + 1, dtype=np.uint16)
    number[1 + np.lexsort((centroids[:, 1], centroids[:, 0]))] = np.arange(1, count + 1)
    return number[components]


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The closed pixel-edge polygon around one 8-connected component without holes.

    Args:
        mask: (rows, columns), exactly one component.

    Returns:
        (n, 2) corners as (row, column) with pixel centres at integers, so corners lie at halves; clockwise on the
        screen, no collinear corners, the last not repeated. The enclosed area is exactly the number of pixels. Where
        pixels touch only at a corner the curve passes that corner twice and stays one curve.

    Raises:
        ValueError: the mask is empty, has holes or more than one component.
    """
    rows, columns = np.nonzero(mask)
    if not rows.size:
        raise ValueError("an empty mask has no outline")
    first = (int(rows[0]), int(columns[0]))
    pixels = set(zip(rows.tolist(), columns.tolist(), strict=True))
    corners = np.array(_trace(pixels, first), dtype=np.float64) - 0.5
    if round(_enclosed_area(corners)) != rows.size:
        raise ValueError("an outline needs a single lesion without holes")
    return corners


def to_ras(corners: NDArray[np.float64], frame: PlanarView) -> NDArray[np.float64]:
    """(n, 2) (row, column) positions on `frame`'s grid as (n, 3) RAS mm."""
    ijk = np.column_stack((corners[:, 1], corners[:, 0], np.zeros(len(corners)), np.ones(len(corners))))
    return (ijk @ frame.ijk_to_ras.T)[:, :3]


def _trace(pixels: set[tuple[int, int]], first: tuple[int, int]) -> list[tuple[int, int]]:
    """Corners of the boundary walked with the lesion on the right, starting east from the upper left of `first`."""
    corner, heading = first, 0
    corners: list[tuple[int, int]] = []
    while not corners or (corner, heading) != (first, 0):
        corners.append(corner)
        while True:
            corner = (corner[0] + STEPS[heading][0], corner[1] + STEPS[heading][1])
            left = (corner[0] + AHEAD_LEFT[heading][0], corner[1] + AHEAD_LEFT[heading][1])
            right = (corner[0] + AHEAD_RIGHT[heading][0], corner[1] + AHEAD_RIGHT[heading][1])
            if left in pixels:
                # Turning towards a pixel that touches only at this corner keeps 8-connected pixels in one curve.
                heading = (heading - 1) % 4
                break
            if right not in pixels:
                heading = (heading + 1) % 4
                break
    return corners


def _enclosed_area(corners: NDArray[np.float64]) -> float:
    """Area by the shoelace formula, positive for clockwise (row, column) corners."""
    row, column = corners[:, 0], corners[:, 1]
    return float(np.dot(column, np.roll(row, -1)) - np.dot(row, np.roll(column, -1))) / 2
