"""Strays of the skeleton's regions: small pieces far from their bone, as networks leave in hot spots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["remove_fragments"]

#: Pieces of a region that lie apart by more than this (mm) are judged each for itself.
GAP_MM = 30.0
#: A piece that holds less of its region than this is a stray.
LEAST_PART = 0.2
#: Looked at in blocks of so many pixels: a gap is no matter of single pixels.
BLOCK = 4


def remove_fragments(regions: NDArray[np.uint8], spacing: float) -> NDArray[np.uint8]:
    """The regions without their strays, which become 0.

    Args:
        regions: (rows, columns) region numbers.
        spacing: pixel edge in mm.
    """
    from scipy import ndimage

    kept = regions.copy()
    reach = max(1, round(GAP_MM / 2 / (BLOCK * spacing)))
    around = np.ones((2 * reach + 1, 2 * reach + 1), bool)
    for number, box in enumerate(ndimage.find_objects(regions), start=1):
        if box is None:
            continue
        # Two pieces whose surroundings meet outside the box that holds both meet inside it too.
        inside = tuple(slice(side.start // BLOCK * BLOCK, side.stop) for side in box)
        own = regions[inside] == number
        rows, columns = own.shape
        padded = np.pad(own, ((0, -rows % BLOCK), (0, -columns % BLOCK)))
        blocks = padded.reshape(padded.shape[0] // BLOCK, BLOCK, -1, BLOCK).sum((1, 3))
        groups, count = ndimage.label(ndimage.binary_dilation(blocks > 0, around))
        if count < 2:
            continue
        sizes = np.bincount(groups.ravel(), blocks.ravel(), minlength=count + 1)
        stray = sizes < LEAST_PART * sizes[1:].sum()
        gone = np.repeat(np.repeat(stray[groups], BLOCK, 0), BLOCK, 1)[:rows, :columns]
        kept[inside][own & gone] = 0
    return kept
