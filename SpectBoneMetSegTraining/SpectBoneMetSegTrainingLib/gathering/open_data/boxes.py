"""Segment hot spots inside bounding boxes by a threshold, with the rule of the published masks.

Otsu's threshold inside the box, closed twice and opened once with a 7 x 7 ellipse. Where that leaves nothing, covers
more than 85 % of the box or reaches along more than 65 % of its border: the largest part of what is at least the 75th
percentile of the box after a blur, its holes filled. Where that leaves nothing, too, an ellipse at the brightest pixel.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.lesions.components import EIGHT_CONNECTED

__all__ = ["NamedBox", "mask_in_box", "masks_of_boxes", "read_boxes"]

Mask = NDArray[np.bool_]

LEAST_AREA = 4
MOST_COVER, MOST_BORDER = 0.85, 0.65
BLUR, PERCENTILE = 1.5, 75.0


@dataclass(frozen=True)
class NamedBox:
    """A bounding box in pixels of its image, half open.

    Attributes:
        rows: first row and end row.
        columns: first column and end column.
        name: class of the box.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    name: str


def read_boxes(path: Path, shape: tuple[int, int]) -> tuple[list[NamedBox], list[str]]:
    """Read the boxes of a Pascal VOC file, clipped to an image of (rows, columns), and notes about unused boxes.

    Raises:
        UserError: the file is damaged.
    """
    try:
        root = ElementTree.parse(path).getroot()
        found = [
            NamedBox(
                (_number(each, "ymin"), _number(each, "ymax")),
                (_number(each, "xmin"), _number(each, "xmax")),
                (each.findtext("name") or "").strip().lower(),
            )
            for each in root.iter("object")
        ]
    except (ElementTree.ParseError, LookupError, ValueError, OverflowError, OSError) as error:
        raise UserError(f"{path} is damaged ({reason_of(error)}); download it again.") from error
    kept, notes = [], []
    for box in found:
        rows, columns = ((max(a, 0), min(b, size)) for (a, b), size in zip((box.rows, box.columns), shape, strict=True))
        if (rows, columns) != (box.rows, box.columns):
            notes.append(f"{path.name}: a box reaches beyond the image and was cut.")
        if (rows[1] - rows[0]) * (columns[1] - columns[0]) < LEAST_AREA or rows[1] <= rows[0]:
            notes.append(f"{path.name}: a box of hardly any area was left out.")
            continue
        kept.append(NamedBox(rows, columns, box.name))
    return kept, notes


def _number(node: ElementTree.Element, name: str) -> int:
    return round(float(node.findtext(f"bndbox/{name}") or "nan"))


def masks_of_boxes(grey: NDArray[np.float32], boxes: Sequence[NamedBox]) -> list[Mask]:
    """Return (rows, columns) masks, one per box; a pixel in several boxes belongs to the nearest centre."""
    owner = np.full(grey.shape, -1)
    distance = np.full(grey.shape, np.inf)
    for number, box in enumerate(boxes):
        y, x = np.mgrid[slice(*box.rows), slice(*box.columns)]
        own = np.hypot(y - sum(box.rows) / 2, x - sum(box.columns) / 2)
        window = slice(*box.rows), slice(*box.columns)
        nearer = own < distance[window]
        distance[window][nearer] = own[nearer]
        owner[window][nearer] = number
    result = []
    for number, box in enumerate(boxes):
        mask = np.zeros(grey.shape, bool)
        mask[slice(*box.rows), slice(*box.columns)] = mask_in_box(grey[slice(*box.rows), slice(*box.columns)])
        result.append(mask & (owner == number))
    return result


def mask_in_box(grey: NDArray[np.float32]) -> Mask:
    """Return the (rows, columns) mask of the hot spot in a box; never empty."""
    from scipy import ndimage

    values = grey.astype(np.float64)
    mask = values > _otsu(values)
    for _ in range(2):
        mask = _padded(ndimage.binary_closing, mask)
    mask = _padded(ndimage.binary_opening, mask)
    border = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    if mask.any() and mask.mean() <= MOST_COVER and border.mean() <= MOST_BORDER:
        return mask
    blurred = ndimage.gaussian_filter(values, BLUR)
    parts, count = ndimage.label(blurred >= np.percentile(blurred, PERCENTILE), structure=EIGHT_CONNECTED)
    if count and np.ptp(blurred) > 0:
        largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
        mask = ndimage.binary_fill_holes(largest)
        if min(mask.shape) >= 6:
            mask = _padded(ndimage.binary_closing, mask, ndimage.generate_binary_structure(2, 1))
        return np.asarray(mask, bool)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    y, x = np.mgrid[: values.shape[0], : values.shape[1]]
    high, wide = max(2.0, values.shape[0] / 5), max(2.0, values.shape[1] / 5)
    return np.asarray(((y - row) / high) ** 2 + ((x - column) / wide) ** 2 <= 1)


def _padded(operation, mask: Mask, structure: Mask | None = None) -> Mask:  # type: ignore[no-untyped-def]
    """Apply a morphological operation with edge padding."""
    footprint = _ellipse(7) if structure is None else structure
    return np.asarray(operation(np.pad(mask, 7, mode="edge"), footprint))[7:-7, 7:-7]


def _ellipse(size: int) -> Mask:
    half = size // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return np.asarray((y / (half + 0.5)) ** 2 + (x / (half + 0.5)) ** 2 <= 1)


def _otsu(values: NDArray[np.float64]) -> float:
    """Return the threshold that minimises the variance within two classes (Otsu 1979)."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return high
    found, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(found)
    above = below[-1] - below
    sums = np.cumsum(found * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[int(np.nanargmax(np.where((below > 0) & (above > 0), between, np.nan)))])
