"""Cut a box out of an image and paste it back; a box may extend outside the image."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Interval = tuple[int, int]
#: Rows and columns, half open.
Intervals = tuple[Interval, Interval]


def cut(image: NDArray[Scalar], rows: Interval, columns: Interval) -> NDArray[Scalar]:
    """Return the half-open box rows x columns of the last two axes, zero outside the image."""
    result = np.zeros((*image.shape[:-2], rows[1] - rows[0], columns[1] - columns[0]), image.dtype)
    in_image, in_box = _overlap(image.shape, rows, columns)
    result[(..., *in_box)] = image[(..., *in_image)]
    return result


def paste(box: NDArray[Scalar], rows: Interval, columns: Interval, shape: tuple[int, int]) -> NDArray[Scalar]:
    """Return an image of `shape` (rows, columns) that holds the box and is zero elsewhere; the inverse of `cut`."""
    result = np.zeros((*box.shape[:-2], *shape), box.dtype)
    in_image, in_box = _overlap(shape, rows, columns)
    result[(..., *in_image)] = box[(..., *in_box)]
    return result


def _overlap(
    shape: tuple[int, ...], rows: Interval, columns: Interval
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    in_image, in_box = [], []
    for size, (first, end) in zip(shape[-2:], (rows, columns), strict=True):
        low, high = min(max(first, 0), size), min(max(end, 0), size)
        high = max(low, high)
        in_image.append(slice(low, high))
        in_box.append(slice(low - first, high - first) if high > low else slice(0, 0))
    return (in_image[0], in_image[1]), (in_box[0], in_box[1])
