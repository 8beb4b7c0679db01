"""Conversion of crops from the scan's own pixels to the reference grid of the network.

Crops are stored as acquired; the reading pipeline works at the paper's pixel size. The stored pixels cover the thorax
box of the reference grid, so that regridding them yields exactly the counts that the pipeline passes to the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.boxes import Interval, Intervals, cut, paste
from SpectBoneMetSegLib.scan.planar import PlanarView
from SpectBoneMetSegLib.scan.regrid import regrid

__all__ = ["CropPlacement", "place_crop"]


@dataclass(frozen=True)
class CropPlacement:
    """Position of a crop in the scan's own pixels and on the reference grid.

    Attributes:
        shape: (rows, columns) of the whole frame.
        spacing: (row, column) mm of the scan's own pixels.
        own: rows and columns of the stored crop in the scan's own pixels, half open; may reach outside the frame.
        reference: the same of the box on the reference grid.
    """

    shape: tuple[int, int]
    spacing: tuple[float, float]
    own: Intervals
    reference: Intervals

    def counts(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        """Regrid the counts of the stored crop; every pixel's counts are spread over its area."""
        whole = paste(crop, *self.own, self.shape)
        return cut(regrid(PlanarView(whole, self.spacing, "anterior")).counts, *self.reference)

    def layers(self, layers: NDArray[np.uint16], identifiers: Iterable[int]) -> NDArray[np.uint16]:
        """Regrid lesion IDs; a pixel belongs to the lesion that covers more than half of it.

        Args:
            layers: (layers, rows, columns) uint16 of the whole frame.
            identifiers: the IDs to keep.
        """
        from scipy import ndimage

        wanted = set(identifiers)
        rows, columns = (self._coverage(axis) for axis in (0, 1))
        result = np.zeros((len(layers), len(rows), len(columns)), np.uint16)
        for number, layer in enumerate(layers):
            for identifier, window in enumerate(ndimage.find_objects(layer), start=1):
                if window is None or identifier not in wanted:
                    continue
                high, wide = rows[:, window[0]], columns[:, window[1]]
                # A lesion covers a small part of a whole body.
                down, across = _covered(high), _covered(wide)
                covered = high[down] @ (layer[window] == identifier) @ wide[across].T
                # The tolerance makes pixels that are covered by exactly half independent of rounding.
                result[number, down, across][covered > 0.5 + 1e-6] = identifier
        return result

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Regrid a mask; a pixel belongs to it if more than half of the pixel is covered.

        Args:
            mask: (rows, columns) of the stored crop.
        """
        rows, columns = (self._coverage(axis, self.own[axis]) for axis in (0, 1))
        return rows @ mask @ columns.T > 0.5 + 1e-6

    def nearest(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Regrid by nearest neighbour: values at the centres of the reference pixels, 0 outside.

        Args:
            values: (rows, columns) of the stored crop.
        """
        nearest = values
        for axis in (0, 1):
            shape, spacing = _reference_grid(self.shape, self.spacing)
            low, high = self.reference[axis]
            centres = (np.arange(low, high) + 0.5 - shape[axis] / 2) * spacing[axis]
            own = np.floor(centres / self.spacing[axis] + self.shape[axis] / 2).astype(int) - self.own[axis][0]
            inside = (own >= 0) & (own < values.shape[axis])
            nearest = np.take(nearest, np.where(inside, own, 0), axis) * np.expand_dims(inside, 1 - axis)
        return nearest

    def _coverage(self, axis: int, own: Interval | None = None) -> NDArray[np.float64]:
        """Share of each row or column of the reference box that each own row or column covers: (box size, `own` size).

        Args:
            axis: 0 for rows, 1 for columns.
            own: range of the scan's own rows or columns, half open; None for the whole frame.
        """
        shape, spacing = _reference_grid(self.shape, self.spacing)
        first, end = (0, self.shape[axis]) if own is None else own
        (low, high) = self.reference[axis]
        edges = (np.arange(low, high + 1) - shape[axis] / 2) * spacing[axis]
        sides = (np.arange(first, end + 1) - self.shape[axis] / 2) * self.spacing[axis]
        upper = np.minimum(edges[1:, None], sides[None, 1:])
        lower = np.maximum(edges[:-1, None], sides[None, :-1])
        return np.asarray(np.clip(upper - lower, 0, None) / spacing[axis])


def _covered(shares: NDArray[np.float64]) -> slice:
    """Return the range of the rows of a matrix that are not zero."""
    found = np.flatnonzero(shares.any(1))
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def place_crop(frame: PlanarView, reference: Intervals) -> CropPlacement:
    """Place a crop so that it covers a box of the reference grid.

    Args:
        frame: the scan's own anterior frame.
        reference: [first, end) rows and columns on `regrid(frame)`; may reach outside the field.
    """
    shape, spacing = _reference_grid(frame.shape, frame.spacing)
    own = []
    for axis, edges in enumerate(reference):
        # Both fields are centred on the same point.
        ratio = spacing[axis] / frame.spacing[axis]
        low, high = ((edge - shape[axis] / 2) * ratio + frame.shape[axis] / 2 for edge in edges)
        own.append((math.floor(low + 1e-6), math.ceil(high - 1e-6)))
    return CropPlacement(frame.shape, frame.spacing, (own[0], own[1]), reference)


@lru_cache(maxsize=64)
def _reference_grid(
    shape: tuple[int, int], spacing: tuple[float, float]
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the shape (rows, columns) and spacing in mm of a field's reference grid."""
    grid = regrid(PlanarView(np.zeros(shape, np.float32), spacing, "anterior"))
    return grid.shape, grid.spacing
