"""Remove fragments of the skeleton's regions: small pieces far from their bone, as networks produce in hot spots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["remove_fragments"]

#: Pieces of a region with a wider gap than this (mm) are separate.
GAP_MM = 30.0
#: A separate piece with a smaller share of its region than this is a fragment.
LEAST_PART = 0.2
#: Pixels per block edge; gaps are measured on blocks, which is faster.
BLOCK = 4


def remove_fragments(regions: NDArray[np.uint8], spacing: float) -> NDArray[np.uint8]:
    """Return the regions with their fragments set to 0.

    Args:
        regions: (rows, columns) region numbers.
        spacing: pixel edge in mm.
    """
    from scipy import ndimage

    kept = regions.copy()
    reach = max(1, round(GAP_MM / 2 / (BLOCK * spacing)))
    around = np.ones((2 * reach + 1, 2 * reach + 1), bool)
    pixels = _pixels_of_blocks(regions)
    for number, box in enumerate(ndimage.find_objects(regions), start=1):
        if box is None:
            continue
        # Two dilated pieces that meet outside their common bounding box also meet inside it.
        blocks = pixels[tuple(slice(side.start // BLOCK, -(-side.stop // BLOCK)) for side in box)][..., number]
        # Most regions are in one piece, which is seen without the slow dilation.
        if ndimage.label(blocks > 0, np.ones((3, 3)))[1] < 2:
            continue
        groups, count = ndimage.label(ndimage.binary_dilation(blocks > 0, around))
        if count < 2:
            continue
        sizes = np.bincount(groups.ravel(), blocks.ravel(), minlength=count + 1)
        small = sizes < LEAST_PART * sizes[1:].sum()
        inside = tuple(slice(side.start // BLOCK * BLOCK, side.stop) for side in box)
        own = regions[inside] == number
        removed = np.repeat(np.repeat(small[groups], BLOCK, 0), BLOCK, 1)[: own.shape[0], : own.shape[1]]
        kept[inside][own & removed] = 0
    return kept


def _pixels_of_blocks(regions: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return (rows, columns, numbers) of blocks: how many pixels of each region a block holds."""
    rows, columns = (-(-size // BLOCK) for size in regions.shape)
    numbers = int(regions.max(initial=0)) + 1
    down, across = np.nonzero(regions)
    index = ((down // BLOCK) * columns + across // BLOCK) * numbers + regions[down, across]
    return np.bincount(index, minlength=rows * columns * numbers).reshape(rows, columns, numbers)
