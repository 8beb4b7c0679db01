"""Connected components of a mask: their numbering and their exact outlines along pixel edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EIGHT_CONNECTED",
    "fill_holes",
    "lesion_boxes",
    "number_components",
    "number_lesions",
    "outline",
    "smallest_window",
]

#: Pixels that touch at a corner belong to one component; the background is then 4-connected.
EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)

#: (row, column) steps along pixel edges: east, south, west, north.
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))

#: Of the four pixels around a corner, the one ahead on the left and ahead on the right of each step, as the offset
#: from the corner to the pixel's own upper left corner.
AHEAD_LEFT = ((-1, 0), (0, 0), (0, -1), (-1, -1))
AHEAD_RIGHT = ((0, 0), (0, -1), (-1, -1), (-1, 0))


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes of a mask: background that is not 4-connected to the edge.

    One labelling pass; scipy's binary_fill_holes dilates the background iteratively and takes several times as long.
    """
    from scipy import ndimage

    background, _ = ndimage.label(~np.pad(mask, 1))
    return np.asarray(background != background[0, 0])[1:-1, 1:-1]


def number_lesions(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Number the 8-connected components of a (rows, columns) mask 1..n (uint16) by centroid row, then column.

    Raises:
        ValueError: there are more components than an ID map can hold.
    """
    from scipy import ndimage

    numbers = np.zeros(np.shape(mask), dtype=np.uint16)
    # Lesions cover a small part of a whole body: label only their bounding box.
    window = smallest_window(np.asarray(mask) != 0)
    if window is None:
        return numbers
    components, _ = ndimage.label(np.asarray(mask)[window] != 0, structure=EIGHT_CONNECTED)
    numbers[window] = number_components(components)
    return numbers


def number_components(components: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Return labelled components 1..n numbered by centroid row, then column.

    Raises:
        ValueError: there are more components than an ID map can hold.
    """
    count = int(components.max(initial=0))
    if count > np.iinfo(np.uint16).max:
        raise ValueError(f"{count} lesions are more than an ID map can hold")
    rows, columns = np.nonzero(components)
    labels = components[rows, columns]
    sizes = np.bincount(labels)[1:]
    row, column = (np.bincount(labels, positions)[1:] / sizes for positions in (rows, columns))
    order = np.zeros(count + 1, dtype=np.uint16)
    order[1 + np.lexsort((column, row))] = np.arange(1, count + 1)
    numbers: NDArray[np.uint16] = order[components]
    return numbers


def smallest_window(mask: NDArray[np.bool_] | NDArray[np.uint16]) -> tuple[slice, slice] | None:
    """Return the bounding box of a mask as (rows, columns); None for an empty mask."""
    rows = np.flatnonzero(mask.any(1))
    if len(rows) == 0:
        return None
    inside = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[inside].any(0))
    return inside, slice(int(columns[0]), int(columns[-1]) + 1)


def lesion_boxes(ids: NDArray[np.uint16]) -> list[tuple[slice, slice] | None]:
    """Return the bounding box (rows, columns) of every ID from 1 on; None for a missing ID."""
    from scipy import ndimage

    # Lesions cover a small part of a whole body: search only their bounding box.
    window = smallest_window(ids)
    if window is None:
        return []
    top, left = window[0].start, window[1].start
    return [
        None
        if box is None
        else (
            slice(box[0].start + top, box[0].stop + top),
            slice(box[1].start + left, box[1].stop + left),
        )
        for box in ndimage.find_objects(ids[window])
    ]


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the closed pixel-edge polygon around one 8-connected component without holes.

    Args:
        mask: (rows, columns), exactly one component.

    Returns:
        (n, 2) corners as (row, column). Pixel centres are integers, corners half-integers; clockwise on the screen,
        without collinear corners, the last not repeated. The enclosed area is exactly the number of pixels. Where
        pixels touch only at a corner, the curve passes through it twice and remains one curve.

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


def _trace(pixels: set[tuple[int, int]], first: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the corners of the boundary, walked eastwards from the upper left of `first`, lesion on the right."""
    corner, heading = first, 0
    corners: list[tuple[int, int]] = []
    while not corners or (corner, heading) != (first, 0):
        corners.append(corner)
        while True:
            corner = (corner[0] + STEPS[heading][0], corner[1] + STEPS[heading][1])
            left = (corner[0] + AHEAD_LEFT[heading][0], corner[1] + AHEAD_LEFT[heading][1])
            right = (corner[0] + AHEAD_RIGHT[heading][0], corner[1] + AHEAD_RIGHT[heading][1])
            if left in pixels:
                # Turn left also towards a pixel that touches only at this corner: 8-connected pixels form one curve.
                heading = (heading - 1) % 4
                break
            if right not in pixels:
                heading = (heading + 1) % 4
                break
    return corners


def _enclosed_area(corners: NDArray[np.float64]) -> float:
    """Return the area by the shoelace formula, positive for clockwise (row, column) corners."""
    row, column = corners[:, 0], corners[:, 1]
    return float(np.dot(column, np.roll(row, -1)) - np.dot(row, np.roll(column, -1))) / 2


def outlines_of(ids: NDArray[np.uint16]) -> dict[int, list[NDArray[np.float64]]]:
    """Return {lesion ID: (n, 2) pixel-edge polygons of its pieces}; one view may show a lesion in several pieces."""
    from scipy import ndimage

    found: dict[int, list[NDArray[np.float64]]] = {}
    for number, window in enumerate(ndimage.find_objects(ids.astype(np.int32)), start=1):
        if window is None:
            continue
        pieces, count = ndimage.label(ids[window] == number, structure=EIGHT_CONNECTED)
        corner = np.array([window[0].start, window[1].start])
        found[number] = [_outer_outline(pieces == piece) + corner for piece in range(1, count + 1)]
    return found


def _outer_outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the outline of a component with its holes filled."""
    from scipy import ndimage

    try:
        return outline(mask)
    except ValueError:
        # Few lesions have holes, and filling them takes longer than tracing the outline.
        return outline(ndimage.binary_fill_holes(mask))
