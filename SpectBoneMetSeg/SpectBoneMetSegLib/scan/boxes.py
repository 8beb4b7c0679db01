"""Cutting a box out of an image and putting it back; a box may reach outside the image."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Interval = tuple[int, int]
#: Rows and columns, half open.
Intervals = tuple[Interval, Interval]


def cut(image: NDArray[Scalar], rows: Interval, columns: Interval) -> NDArray[Scalar]:
    """The half-open box [rows) x [columns) of the last two axes, zero outside the image."""
    result = np.zeros((*image.shape[:-2], rows[1] - rows[0], columns[1] - columns[0]), image.dtype)
    inside, there = _overlap(image.shape, rows, columns)
    result[(..., *there)] = image[(..., *inside)]
    return result


def paste(box: NDArray[Scalar], rows: Interval, columns: Interval, shape: tuple[int, int]) -> NDArray[Scalar]:
    """The inverse of `cut`: the box on an image of `shape` (rows, columns) that is zero elsewhere."""
    result = np.zeros((*box.shape[:-2], *shape), box.dtype)
    inside, there = _overlap(shape, rows, columns)
    result[(..., *inside)] = box[(..., *there)]
    return result


def _overlap(
    shape: tuple[int, ...], rows: Interval, columns: Interval
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    inside, there = [], []
    for size, (first, end) in zip(shape[-2:], (rows, columns), strict=True):
        low, high = min(max(first, 0), size), min(max(end, 0), size)
        high = max(low, high)
        inside.append(slice(low, high))
        there.append(slice(low - first, high - first) if high > low else slice(0, 0))
    return (inside[0], inside[1]), (there[0], there[1])
