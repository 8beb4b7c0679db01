"""Positions of clicks on the anterior frame: their pixels, the lesions near them, and lines between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...common.errors import UserError

__all__ = ["Ids", "Position", "lesion_near", "line_between", "pixel_at", "pixel_of"]

Ids = NDArray[np.uint16]
Position = tuple[float, float]


def pixel_at(position: Position, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the row and column of a position on a frame of this shape; None if it lies outside, or is no position."""
    try:
        values = np.asarray(position, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if values.shape != (2,) or not np.isfinite(values).all():
        return None
    row, column = (round(float(value)) for value in position)
    return (row, column) if 0 <= row < shape[0] and 0 <= column < shape[1] else None


def pixel_of(position: Position, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the row and column of a position on a frame of this shape.

    Raises:
        UserError: it lies outside.
    """
    pixel = pixel_at(position, shape)
    if pixel is None:
        raise UserError(f"The position {position} lies outside the scan; give a row and a column of its image.")
    return pixel


def lesion_near(ids: Ids, position: Position, reach: float) -> int:
    """Return the ID of the lesion at a position, or of the nearest one at most `reach` pixels away in each direction.

    Returns 0 if there is none, or if the position lies outside the frame.
    """
    pixel = pixel_at(position, ids.shape)
    if pixel is None:
        return 0
    row, column = pixel
    if ids[row, column]:
        return int(ids[row, column])
    half = int(reach)
    box = (slice(max(0, row - half), row + half + 1), slice(max(0, column - half), column + half + 1))
    rows, columns = np.nonzero(ids[box])
    if not rows.size:
        return 0
    away = (rows + box[0].start - row) ** 2 + (columns + box[1].start - column) ** 2
    closest = int(away.argmin())
    return int(ids[box][rows[closest], columns[closest]])


def line_between(shape: tuple[int, ...], start: tuple[int, int], end: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a straight line, both ends included."""
    steps = max(abs(start[0] - end[0]), abs(start[1] - end[1])) + 1
    line = np.zeros(shape, bool)
    line[
        np.rint(np.linspace(start[0], end[0], steps)).astype(int),
        np.rint(np.linspace(start[1], end[1], steps)).astype(int),
    ] = True
    return line
