"""Find bones that the edge of the field of view cuts; parts beyond it are not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import PlanarView
from .anatomy import all_regions

__all__ = ["cut_by_field", "exposed"]

#: A bone is cut if it is within NEAR_MM of the edge of the exposed field over at least LENGTH_MM (both in mm).
NEAR_MM, LENGTH_MM = 5.0, 10.0


def exposed(counts: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the (rows, columns) box of the exposed field; the matrix is often larger, with pixels of 0 outside."""
    rows, columns = np.flatnonzero(counts.any(1)), np.flatnonzero(counts.any(0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def cut_by_field(view: PlanarView, regions: NDArray[np.uint8]) -> dict[int, float]:
    """Return {bone: fraction 0..1 of its extent along an edge of the exposed field that touches that edge}.

    Args:
        view: the view.
        regions: (rows, columns) region numbers on the view's own grid.
    """
    box = exposed(view.counts)
    inside = regions[box]
    found: dict[int, float] = {}
    if not inside.size:
        return found
    down, across = (max(1, round(NEAR_MM / edge)) for edge in view.spacing)
    strips = (
        (inside[:down], 0, view.spacing[1]),
        (inside[-down:], 0, view.spacing[1]),
        (inside[:, :across], 1, view.spacing[0]),
        (inside[:, -across:], 1, view.spacing[0]),
    )
    for strip, axis, edge in strips:
        for number in np.unique(strip[strip > 0]).tolist():
            region = all_regions().get(number)
            touched = int((strip == number).any(axis).sum())
            if region is None or not region.bone or touched * edge < LENGTH_MM:
                continue
            along = np.flatnonzero((inside == number).any(axis))
            share = touched / float(along[-1] - along[0] + 1)
            found[number] = max(found.get(number, 0.0), share)
    return found
