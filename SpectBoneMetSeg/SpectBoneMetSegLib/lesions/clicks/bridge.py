"""A bridge between two lesions that touches no other lesion: straight where possible, else the shortest way round."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..components import EIGHT_CONNECTED
from .positions import line_between

__all__ = ["bridge_between"]

Mask = NDArray[np.bool_]

#: (rows, columns) to one of each pair of opposite neighbours of a pixel.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def bridge_between(first: Mask, second: Mask, others: Mask) -> Mask | None:
    """Return the pixels of a bridge, three wide where there is room; None if the others leave no room for one.

    Args:
        first: (rows, columns) pixels of a lesion.
        second: (rows, columns) pixels of another lesion.
        others: (rows, columns) pixels of all other lesions; one pixel stays free between them and the bridge.
    """
    from scipy import ndimage

    own = first | second
    closed = ndimage.binary_dilation(others, EIGHT_CONNECTED)
    path: Mask | None = _straight(first, second)
    if (path & closed & ~own).any():
        path = _way_round(first, second, own | ~closed)
    return None if path is None else ndimage.binary_dilation(path, EIGHT_CONNECTED) & ~closed & ~own


def _straight(first: Mask, second: Mask) -> Mask:
    """Return the line between the nearest pixels of two lesions."""
    from scipy import ndimage

    distance, nearest = ndimage.distance_transform_edt(~first, return_indices=True)
    rows, columns = np.nonzero(second)
    closest = int(distance[rows, columns].argmin())
    end = (int(rows[closest]), int(columns[closest]))
    return line_between(first.shape, (int(nearest[0][end]), int(nearest[1][end])), end)


def _way_round(first: Mask, second: Mask, free: Mask) -> Mask | None:
    """Return the shortest 8-connected path over free pixels from one lesion to another; None if there is none."""
    from scipy.sparse.csgraph import dijkstra

    starts, ends = np.flatnonzero(first), np.flatnonzero(second)
    distance, before, _ = dijkstra(
        _steps(free), directed=False, indices=starts, return_predecessors=True, min_only=True
    )
    pixel = int(ends[distance[ends].argmin()])
    if not np.isfinite(distance[pixel]):
        return None
    path = np.zeros(first.shape, bool)
    # The pixels of the first lesion have no pixel before them.
    while pixel >= 0:
        path.flat[pixel] = True
        pixel = int(before[pixel])
    return path


def _steps(free: Mask) -> Any:
    """Return the (pixels, pixels) sparse matrix of the lengths of all steps between free neighbours."""
    from scipy.sparse import coo_array

    rows, columns = free.shape
    number = np.arange(free.size, dtype=np.int32).reshape(free.shape)
    starts, ends, lengths = [], [], []
    for down, across in NEIGHBOURS:
        here = (slice(0, rows - down), slice(max(0, -across), columns - max(0, across)))
        there = (slice(down, rows), slice(max(0, across), columns - max(0, -across)))
        open_ = free[here] & free[there]
        starts.append(number[here][open_])
        ends.append(number[there][open_])
        lengths.append(np.full(int(open_.sum()), np.hypot(down, across)))
    pairs = (np.concatenate(starts), np.concatenate(ends))
    return coo_array((np.concatenate(lengths), pairs), shape=(free.size, free.size)).tocsr()
