"""Find the bodies in an image: their number, their extent, and whether their size is human."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HUMAN_LENGTH_MM", "Extent", "find_bodies", "head_down", "human_length", "stacked", "wide_body"]

#: Body lengths from head to foot, from an infant to a tall adult with a margin (mm).
HUMAN_LENGTH_MM = (450.0, 2300.0)
#: A body spans at least this share of the rows that all bodies span; separate arms and legs are shorter.
TALL = 0.6
#: Two regions one above the other are two bodies if they are this similar in size and this slender (height by width).
SIMILAR, SLENDER = 0.8, 2.0
#: A body lies across if its width by height exceeds this; arms held aside do not reach it.
ACROSS = 1.2
#: Sigma of the blur before thresholding, as a share of the image's height.
SMOOTHING = 1 / 330
#: Soft tissue lies above this share of the median of the pixels brighter than the mean.
SOFT_TISSUE = 0.16
#: Images are first reduced to about this many rows; bodies need no more detail.
REDUCED_ROWS = 256


#: Shares of rows with body on the axis: at most the first for legs, at least the second for a trunk.
PARTED, WHOLE = 0.5, 0.9


@dataclass(frozen=True)
class Extent:
    """Half-open row and column ranges of a body, in pixels.

    Attributes:
        rows: first row and end row.
        columns: first column and end column.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class Silhouette:
    """Mask of everything brighter than air in an image.

    Attributes:
        mask: (rows, columns) bool of the reduced image.
        step: edge of a reduced pixel in pixels.
    """

    mask: NDArray[np.bool_]
    step: int


def find_bodies(counts: NDArray[Any]) -> list[Extent]:
    """Find the bodies side by side in (rows, columns) counts, see `bodies_in`."""
    return bodies_in(silhouette(counts))


def bodies_in(shape: Silhouette) -> list[Extent]:
    """Find the bodies side by side, from left to right.

    A body is a connected region of the silhouette that spans most of the height of all bodies. Bodies may differ in
    intensity.
    """
    # Letters and scattered counts span rows, too; only large regions define the height of the bodies.
    large = _regions(shape, 0.05)
    if not large:
        return []
    first, end = min(part.rows[0] for part in large), max(part.rows[1] for part in large)
    tall = [part for part in large if part.rows[1] - part.rows[0] >= TALL * (end - first)]
    return sorted(tall, key=lambda part: part.columns[0])


def stacked(shape: Silhouette, pixel_mm: tuple[float, float]) -> bool:
    """Whether two bodies lie one above the other, as in an image with stacked views.

    Trunk and legs separated by a gap are less similar and less slender than two bodies.

    Args:
        shape: silhouette of the image.
        pixel_mm: (row, column) edge of a pixel in mm.
    """
    parts = _regions(shape, 0.5)
    if len(parts) != 2:
        return False
    upper, lower = sorted(parts, key=lambda part: part.rows[0])
    if upper.rows[1] > lower.rows[0]:
        return False
    sizes = [_size_mm(part, pixel_mm) for part in parts]
    return all(height >= SLENDER * width for height, width in sizes) and all(
        min(pair) >= SIMILAR * max(pair) for pair in zip(*sizes, strict=True)
    )


def wide_body(shape: Silhouette, pixel_mm: tuple[float, float]) -> bool:
    """Whether the largest region is wider than high, as of a body that lies across the image.

    Args:
        shape: silhouette of the image.
        pixel_mm: (row, column) edge of a pixel in mm.
    """
    parts = _regions(shape, 1.0)
    if not parts:
        return False
    height, width = _size_mm(parts[0], pixel_mm)
    return width > ACROSS * height


def _size_mm(part: Extent, pixel_mm: tuple[float, float]) -> tuple[float, float]:
    """Return (height, width) of a region in mm."""
    return (part.rows[1] - part.rows[0]) * pixel_mm[0], (part.columns[1] - part.columns[0]) * pixel_mm[1]


def _regions(shape: Silhouette, share: float) -> list[Extent]:
    """Return the connected regions whose area is at least `share` of the largest one's."""
    from scipy import ndimage

    if not shape.mask.any():
        return []
    labels, _ = ndimage.label(shape.mask)
    sizes, step = np.bincount(labels.ravel())[1:], shape.step
    return [
        Extent((down.start * step, down.stop * step), (across.start * step, across.stop * step))
        for (down, across), size in zip(ndimage.find_objects(labels), sizes, strict=True)
        if size >= share * sizes.max()
    ]


def head_down(shape: Silhouette) -> bool:
    """Whether the gap between the legs lies in the upper half of the body, and not in the lower half."""
    bodies = bodies_in(shape)
    if len(bodies) != 1:
        return False
    (first, end), (left, right) = (
        (edges[0] // shape.step, edges[1] // shape.step) for edges in (bodies[0].rows, bodies[0].columns)
    )
    body = shape.mask[first:end, left:right]
    length = len(body)
    if length < 20:
        return False
    # The axis is the median column of the body.
    axis = int(np.median(np.nonzero(body)[1]))
    on_axis = body[:, max(0, axis - 1) : axis + 2].mean(1)
    upper, lower = on_axis[length // 8 : length * 3 // 8].mean(), on_axis[length * 5 // 8 : length * 7 // 8].mean()
    return bool(upper < PARTED and lower > WHOLE)


def silhouette(counts: NDArray[Any]) -> Silhouette:
    """Segment everything clearly brighter than air in (rows, columns) counts."""
    from scipy import ndimage

    step = max(1, min(counts.shape[0] // REDUCED_ROWS, counts.shape[1] // 16))
    smooth = ndimage.gaussian_filter(_reduced(counts, step), max(1.0, counts.shape[0] / step * SMOOTHING))
    above = smooth[smooth > smooth.mean()]
    return Silhouette(smooth > SOFT_TISSUE * np.median(above) if above.size else np.zeros(smooth.shape, bool), step)


def _reduced(counts: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Return block means of `step` x `step` pixels; incomplete blocks at the lower and right edge are dropped."""
    rows, columns = counts.shape[0] // step, counts.shape[1] // step
    lines = np.asarray(counts[: rows * step, : columns * step]).reshape(rows, step, -1).sum(1, dtype=np.float64)
    return np.asarray(lines.reshape(rows, columns, step).sum(2) / step**2)


def human_length(length_mm: float) -> bool:
    """Whether a body length in mm lies within HUMAN_LENGTH_MM."""
    return HUMAN_LENGTH_MM[0] <= length_mm <= HUMAN_LENGTH_MM[1]
