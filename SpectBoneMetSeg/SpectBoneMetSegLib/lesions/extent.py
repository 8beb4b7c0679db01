"""Describe which part of a scan was read, and which lesions the edge of that part cuts."""

from __future__ import annotations

import numpy as np

from ..scan.thorax import ThoraxCrop
from .naming import areas_named
from .results import Lesion, Reading

__all__ = ["cut_by_box", "cut_warning", "headline", "region_read", "what_was_read"]

_REGIONS = {"profiles": "the thorax box", "manual": "the manually placed box", "whole-body": "the whole field"}


def region_read(crop: ThoraxCrop) -> str:
    """Return a short name of the region, for a headline."""
    return _REGIONS.get(crop.method, "the box")


def headline(reading: Reading) -> str:
    """Return how many areas were found and where: "2 areas of abnormal uptake in the thorax box"."""
    count = len(reading.lesions)
    return f"{count or 'no'} area{'' if count == 1 else 's'} of abnormal uptake in {region_read(reading.crop)}"


def what_was_read(crop: ThoraxCrop, shape: tuple[int, int]) -> str:
    """Return one sentence that names the region of the field that was read.

    Args:
        crop: the region.
        shape: (rows, columns) of the field; the sentence counts both from 0, ends excluded.
    """
    rows, columns = shape
    if crop.method == "whole-body":
        return f"The whole field of {rows} rows and {columns} columns was read."
    first, end = (min(max(edge, 0), rows) for edge in crop.rows)
    left, right = (min(max(edge, 0), columns) for edge in crop.columns)
    return (
        f"Only {region_read(crop)} was read: rows {first} to {end} of {rows}, columns {left} to {right} of "
        f"{columns}; the rest of the body was not read."
    )


def cut_by_box(reading: Reading) -> list[int]:
    """Return the IDs of lesions that reach an edge of the box inside the field and may extend beyond it."""
    if reading.crop.method == "whole-body":
        return []
    rows, columns = reading.mask.shape
    (first, end), (left, right) = reading.crop.rows, reading.crop.columns
    return [
        lesion.id
        for lesion in reading.lesions
        if _reaches(_extent_along(lesion, reading, 0), first, end, rows)
        or _reaches(_extent_along(lesion, reading, 1), left, right, columns)
    ]


def cut_warning(cut: list[int]) -> str:
    """Return the warning about lesions that the edge of the box cuts; "" for none.

    Args:
        cut: IDs, from `cut_by_box`.
    """
    if not cut:
        return ""
    one = len(cut) == 1
    return (
        f"{areas_named(cut)} {'reaches' if one else 'reach'} the edge of the box that was read: "
        f"{'it' if one else 'they'} may extend beyond it."
    )


def _extent_along(lesion: Lesion, reading: Reading, axis: int) -> tuple[float, float]:
    """Return the lowest and highest pixel edge of a lesion's outline along the rows (axis 0) or columns (axis 1)."""
    points = np.column_stack([lesion.curve, np.ones(len(lesion.curve))])
    positions = (np.linalg.inv(reading.scan.frame.ijk_to_ras) @ points.T)[1 - axis] + 0.5
    return float(positions.min()), float(positions.max())


def _reaches(extent: tuple[float, float], first: int, end: int, size: int) -> bool:
    """Return whether an extent is within a pixel of an edge of [first, end) inside a field of `size` pixels."""
    return (first > 0 and extent[0] < first + 1) or (end < size and extent[1] > end - 1)
