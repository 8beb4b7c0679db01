"""Uptake of a lesion in one view: background, total lesion uptake, share of body counts, contralateral ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..lesions.components import lesion_boxes
from ..lesions.results import Lesion, ViewMeasurement
from ..scan.planar import PlanarView, ViewName
from ..scan.region_sides import midline
from ..scan.skeleton_regions import class_map
from .anatomy import contralateral
from .results import BoneShare, ViewQuantities

__all__ = ["ShownView", "quantities_in"]

#: Smallest share of the mirrored pixels that must be the same bone and free of lesions.
LEAST_MIRRORED = 0.5


@dataclass(frozen=True)
class ShownView:
    """One view with its lesions and regions, all on its own grid.

    Attributes:
        view: the counts.
        ids: (rows, columns) lesion IDs.
        regions: (rows, columns) region numbers; None without any.
    """

    view: PlanarView
    ids: NDArray[np.uint16]
    regions: NDArray[np.uint8] | None

    @cached_property
    def total_counts(self) -> float:
        """Sum of all counts of the view."""
        return float(self.view.counts.sum(dtype=np.float64))

    @cached_property
    def boxes(self) -> list[tuple[slice, slice] | None]:
        """Bounding box (rows, columns) of every lesion ID from 1 on; None for a missing ID."""
        return lesion_boxes(self.ids)

    @cached_property
    def midline(self) -> NDArray[np.float64] | None:
        """(rows,) column of the patient's midline; None without regions."""
        if self.regions is None or not self.regions.any():
            return None
        return midline(class_map(self.regions), self.view.spacing[0])


def quantities_in(shown: ShownView, name: ViewName, lesion: Lesion, bones: tuple[BoneShare, ...]) -> ViewQuantities:
    """Compute the quantities of a lesion in one view.

    Args:
        shown: the view with its lesions and regions.
        name: name of the view.
        lesion: the lesion, measured in this view.
        bones: of the lesion in this view, largest share first.
    """
    measured = lesion.views[name]
    background = _background(measured)
    pixels = measured.area_mm2 / (shown.view.spacing[0] * shown.view.spacing[1])
    return ViewQuantities(
        measured.area_mm2,
        measured.counts,
        measured.max_counts,
        measured.mean_counts,
        background,
        measured.contrast if math.isfinite(measured.contrast) else None,
        None if background is None else measured.counts - background * pixels,
        100 * measured.counts / shown.total_counts if shown.total_counts > 0 else None,
        _contralateral_ratio(shown, lesion.id, measured.mean_counts, bones),
        bones,
    )


def _background(measured: ViewMeasurement) -> float | None:
    """Return the mean counts of the ring, derived from the contrast; None if the ring holds no counts."""
    defined = math.isfinite(measured.contrast) and measured.contrast > 0
    return measured.mean_counts / measured.contrast if defined else None


def _contralateral_ratio(shown: ShownView, number: int, mean: float, bones: tuple[BoneShare, ...]) -> float | None:
    """Return `mean` divided by the mean at the mirrored pixels of lesion `number`; None if they are not comparable."""
    box = shown.boxes[number - 1] if number <= len(shown.boxes) else None
    if shown.midline is None or shown.regions is None or not bones or box is None:
        return None
    rows, columns = np.nonzero(shown.ids[box] == number)
    rows, columns = rows + box[0].start, columns + box[1].start
    mirrored = np.rint(2 * shown.midline[rows] - columns).astype(int)
    on_field = (mirrored >= 0) & (mirrored < shown.view.shape[1])
    rows, mirrored = rows[on_field], mirrored[on_field]
    same = shown.regions[rows, mirrored] == contralateral(bones[0].region.number)
    free = same & (shown.ids[rows, mirrored] == 0)
    if free.sum() < LEAST_MIRRORED * len(columns):
        return None
    other = float(shown.view.counts[rows[free], mirrored[free]].mean(dtype=np.float64))
    return mean / other if other > 0 else None
