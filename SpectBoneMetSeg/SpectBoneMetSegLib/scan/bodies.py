"""How many bodies a picture shows, where they stand, and whether one is as large as a human being."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HUMAN_LENGTH_MM", "Extent", "find_bodies", "head_down", "human_length"]

#: What may be seen of a person from head to foot, from an infant to a tall adult with a field to spare (mm).
HUMAN_LENGTH_MM = (450.0, 2300.0)
#: A body reaches over this share of the rows that hold any; arms and legs on their own are shorter.
TALL = 0.6
#: Blur before bodies are told from the air, as a share of the picture's height.
SMOOTHING = 1 / 330
#: Soft tissue lies above this part of the median of what is brighter than the mean.
SOFT_TISSUE = 0.16
#: Bodies need no detail: pictures are first reduced to about this many rows.
ROWS_LOOKED_AT = 256


#: Shares of rows with body on the axis: legs that are parted, and a trunk.
PARTED, WHOLE = 0.5, 0.9


@dataclass(frozen=True)
class Extent:
    """Half-open rows and columns that a body takes, in pixels."""

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class Silhouette:
    """What stands out from the air in a picture.

    Attributes:
        mask: (rows, columns) bool of the reduced picture. step: edge of a reduced pixel in pixels.
    """

    mask: NDArray[np.bool_]
    step: int


def find_bodies(counts: NDArray[Any]) -> list[Extent]:
    """The bodies that stand side by side in (rows, columns) counts, see `bodies_in`."""
    return bodies_in(silhouette(counts))


def bodies_in(shape: Silhouette) -> list[Extent]:
    """The bodies that stand side by side, from left to right.

    A body is a connected region above the air that reaches over most of the height that bodies take. The same intensity
    is not needed: each has only to be brighter than its surroundings.
    """
    from scipy import ndimage

    mask, step = shape.mask, shape.step
    if not mask.any():
        return []
    labels, _ = ndimage.label(mask)
    places = [place for place in ndimage.find_objects(labels) if place is not None]
    sizes = np.bincount(labels.ravel())[1:]
    # Letters and stray counts take rows, too; only what is as large as part of a body says how high bodies are.
    large = [place for place, size in zip(places, sizes, strict=True) if size > 0.05 * sizes.max()]
    first, end = min(place[0].start for place in large), max(place[0].stop for place in large)
    tall = [place for place in large if place[0].stop - place[0].start >= TALL * (end - first)]
    return [
        Extent((down.start * step, down.stop * step), (across.start * step, across.stop * step))
        for down, across in sorted(tall, key=lambda place: place[1].start)
    ]


def head_down(shape: Silhouette) -> bool:
    """Whether the gap between the legs lies in the upper half of a body and none in the lower one."""
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
    # The axis is the middle of the trunk, wherever that lies: of the half that has more on its axis.
    axis = int(np.median(np.nonzero(body)[1]))
    on_axis = body[:, max(0, axis - 1) : axis + 2].mean(1)
    upper, lower = on_axis[length // 8 : length * 3 // 8].mean(), on_axis[length * 5 // 8 : length * 7 // 8].mean()
    return bool(upper < PARTED and lower > WHOLE)


def silhouette(counts: NDArray[Any]) -> Silhouette:
    """What stands clearly out from the air in (rows, columns) counts."""
    from scipy import ndimage

    step = max(1, min(counts.shape[0] // ROWS_LOOKED_AT, counts.shape[1] // 16))
    smooth = ndimage.gaussian_filter(_reduced(counts, step), max(1.0, counts.shape[0] / step * SMOOTHING))
    above = smooth[smooth > smooth.mean()]
    return Silhouette(smooth > SOFT_TISSUE * np.median(above) if above.size else np.zeros(smooth.shape, bool), step)


def _reduced(counts: NDArray[Any], step: int) -> NDArray[np.float64]:
    """The means of squares of `step` pixels; a rest at the lower and right edge is left out."""
    rows, columns = counts.shape[0] // step, counts.shape[1] // step
    lines = np.asarray(counts[: rows * step, : columns * step]).reshape(rows, step, -1).sum(1, dtype=np.float64)
    return np.asarray(lines.reshape(rows, columns, step).sum(2) / step**2)


def human_length(length_mm: float) -> bool:
    """Whether a body of that length could be a human being."""
    return HUMAN_LENGTH_MM[0] <= length_mm <= HUMAN_LENGTH_MM[1]
