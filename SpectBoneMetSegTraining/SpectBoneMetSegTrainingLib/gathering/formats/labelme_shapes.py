"""Rasterise LabelMe shapes.

The origin of a point (x, y) is the outer corner of the first pixel, as in LabelMe: pixel (row, column) is marked if its
centre (column + 0.5, row + 0.5) is inside the shape. A mask's first pixel is the pixel of its first point.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError

__all__ = ["NoAreaError", "filled", "size_of_picture"]

Mask = NDArray[np.bool_]

#: Shapes that are given by their corners; a rectangle may be turned, and then has four.
CORNERED = frozenset({"polygon", "rectangle", "rotation", "oriented_rectangle", "quadrilateral"})


class NoAreaError(UserError):
    """A shape that is no area: a point, a line, an unfinished polygon."""


def filled(shape: Any, size: tuple[int, int], name: str) -> Mask:
    """Return the (rows, columns) mask of a shape; empty if it is outside the image or thinner than a pixel.

    Args:
        shape: an item of LabelMe's "shapes".
        size: (rows, columns).
        name: file, for messages.

    Raises:
        NoAreaError: it is a kind of shape that marks no area.
        UserError: it is damaged.
    """
    try:
        kind = str(shape.get("shape_type") or "polygon").lower()
        points = np.asarray(shape["points"], float).reshape(-1, 2)
        finite = bool(np.isfinite(points).all())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{name} has a damaged shape; save the annotation from LabelMe again.") from error
    if finite and kind in CORNERED and len(points) > 2:
        return _inside(points, size)
    if finite and kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points.min(0), points.max(0)
        return _inside(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), size)
    if finite and kind == "circle" and len(points) == 2:
        rows, columns = np.ogrid[: size[0], : size[1]]
        (x, y), radius = points[0], np.linalg.norm(points[1] - points[0])
        return np.asarray((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2)
    if finite and kind == "mask" and len(points) and shape.get("mask"):
        return _mask(shape["mask"], points, size, name)
    raise NoAreaError(
        f"{name} has a {kind} of {len(points)} points, which marks no area; draw polygons, boxes, circles or masks."
    )


def size_of_picture(encoded: Any) -> tuple[int, int] | None:
    """Return (rows, columns) of a base64 image; None if it is not an image."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
            return picture.height, picture.width
    except (OSError, TypeError, ValueError):
        return None


def _inside(corners: NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """Return the pixels whose centres are inside a polygon of corners (x, y), by the even-odd rule, row by row."""
    mask = np.zeros(size, bool)
    ends = np.roll(corners, -1, axis=0)
    low, high = corners[:, 1].min(), corners[:, 1].max()
    centres = np.arange(size[1]) + 0.5
    first, last = (int(edge) for edge in np.clip([np.floor(low), np.ceil(high)], 0, size[0]))
    for row in range(first, last):
        y = row + 0.5
        crossing = (corners[:, 1] <= y) != (ends[:, 1] <= y)
        (x1, y1), (x2, y2) = corners[crossing].T, ends[crossing].T
        left_of = x1 + (y - y1) / (y2 - y1) * (x2 - x1)
        mask[row] = np.count_nonzero(left_of[:, None] <= centres, axis=0) % 2 == 1
    return mask


def _mask(encoded: Any, points: NDArray[np.float64], size: tuple[int, int], name: str) -> Mask:
    """Return a mask shape: a base64 PNG placed at its first point."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
            drawn = np.asarray(picture.convert("L")) > 0
    except (OSError, TypeError, ValueError, SyntaxError) as error:
        raise UserError(f"{name} has a damaged mask; save the annotation from LabelMe again.") from error
    left, top = (int(value) for value in np.rint(points.min(0)).clip(-1e6, 1e6))
    mask = np.zeros(size, bool)
    rows, columns = np.nonzero(drawn)
    rows, columns = rows + top, columns + left
    kept = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    mask[rows[kept], columns[kept]] = True
    return mask
