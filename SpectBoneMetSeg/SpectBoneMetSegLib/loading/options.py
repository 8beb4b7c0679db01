"""Options of a reading: processing choices, and values that override or complete the file's header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np

from ..common.errors import UserError
from ..scan.planar import ViewName

__all__ = ["REGIONS", "Box", "Options", "Region"]

Region = Literal["thorax", "whole-body"]
REGIONS: tuple[Region, ...] = get_args(Region)
Box = tuple[int, int, int, int]

#: Accepted pixel sizes.
SMALLEST_PIXEL_MM, LARGEST_PIXEL_MM = 0.2, 20.0


def _plain(value: object) -> float | None:
    """Return a number of any library as Python's own, as receipts store it; NaN for what is no number."""
    if value is None or (isinstance(value, int | float) and type(value) in (int, float)):
        return value
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else float("nan")


@dataclass(frozen=True)
class Options:
    """Options of a reading.

    Attributes:
        region: "thorax" crops as the paper does, "whole-body" runs the network on the whole scan.
        crop: first row, end row, first column, end column in the scan's own pixels; replaces the automatic crop.
        views: sides of the images in stored order, where the file does not state them.
        pixel_size_mm: pixel edge in mm, where the file does not state it.
        views_override: use `views` even where they contradict the file.
        read_anyway: read scans that fail the plausibility check.
        threshold: probability 0..1 from which a pixel belongs to a lesion, None for the model's own.
        minimum_area_mm2: smaller areas are dropped, None for the model's own.
    """

    region: Region = "thorax"
    crop: Box | None = None
    views: Sequence[ViewName] | None = None
    pixel_size_mm: float | None = None
    views_override: bool = False
    read_anyway: bool = False
    threshold: float | None = None
    minimum_area_mm2: float | None = None

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise UserError(f"The region {self.region!r} is unknown; choose one of {', '.join(REGIONS)}.", "region")
        size, threshold, area = (_plain(value) for value in (self.pixel_size_mm, self.threshold, self.minimum_area_mm2))
        if size is not None and not SMALLEST_PIXEL_MM <= size <= LARGEST_PIXEL_MM:
            raise UserError(
                f"The pixel size {self.pixel_size_mm!r} is not an edge in mm ({SMALLEST_PIXEL_MM} to "
                f"{LARGEST_PIXEL_MM}).",
                "pixel_size",
            )
        if threshold is not None and not 0 < threshold < 1:
            raise UserError(f"The threshold {self.threshold} is no probability between 0 and 1.", "threshold")
        if area is not None and not 0 <= area < np.inf:
            raise UserError(f"The minimum area {self.minimum_area_mm2} is no area in mm2.", "minimum_area")
        for name, value in (("pixel_size_mm", size), ("threshold", threshold), ("minimum_area_mm2", area)):
            object.__setattr__(self, name, value)
        if self.crop is None:
            return
        if len(self.crop) != 4 or not all(isinstance(edge, int | np.integer) for edge in self.crop):
            raise UserError(f"The crop {self.crop} is not four whole numbers R0,R1,C0,C1.", "crop")
        first, end, left, right = self.crop
        if not (first < end and left < right):
            raise UserError(
                f"The crop {self.crop} is empty: give first row, end row, first column, end column.", "crop"
            )
        object.__setattr__(self, "crop", (int(first), int(end), int(left), int(right)))

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON types, as in a receipt; equal options give equal entries."""
        entries = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: list(value) if isinstance(value, tuple | list) else value for name, value in entries.items()}
