"""Uptake of a lesion in one view: background, total lesion uptake, share of the body, ratio to the other side."""

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

#: Share of the mirrored pixels that must lie in the same bone, free of lesions.
LEAST_MIRRORED = 0.5


@dataclass(frozen=True)
class ShownView:
    """One view with what lies on it, all on its own grid.

    Attributes:
        view: counts.
        ids: (rows, columns) lesion IDs.
        regions: (rows, columns) region numbers, None without any.
    """

    view: PlanarView
    ids: NDArray[np.uint16]
    regions: NDArray[np.uint8] | None

    @cached_property
    def total_counts(self) -> float:
        """All counts of the view."""
        return float(self.view.counts.sum(dtype=np.float64))

    @cached_property
    def boxes(self) -> list[tuple[slice, slice] | None]:
        """The (rows, columns) box of every lesion ID from 1 on."""
        return lesion_boxes(self.ids)

    @cached_property
    def middle(self) -> NDArray[np.float64] | None:
        """(rows,) column of the patient's midline; None without regions."""
        if self.regions is None or not self.regions.any():
            return None
        return midline(class_map(self.regions), self.view.spacing[0])


def quantities_in(shown: ShownView, name: ViewName, lesion: Lesion, bones: tuple[BoneShare, ...]) -> ViewQuantities:
    """Compute the quantities of a lesion in one view.

    Args:
        shown: the view.
        name: which it is.
        lesion: with its measurement there.
        bones: as this view shows them.
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
    """Mean counts of the ring, from which the contrast was taken; None for a lesion without counts around it."""
    known = math.isfinite(measured.contrast) and measured.contrast > 0
    return measured.mean_counts / measured.contrast if known else None


def _contralateral_ratio(shown: ShownView, number: int, mean: float, bones: tuple[BoneShare, ...]) -> float | None:
    box = shown.boxes[number - 1] if number <= len(shown.boxes) else None
    if shown.middle is None or shown.regions is None or not bones or box is None:
        return None
    rows, columns = np.nonzero(shown.ids[box] == number)
    rows, columns = rows + box[0].start, columns + box[1].start
    across = np.rint(2 * shown.middle[rows] - columns).astype(int)
    on_field = (across >= 0) & (across < shown.view.shape[1])
    rows, across = rows[on_field], across[on_field]
    same = shown.regions[rows, across] == contralateral(bones[0].region.number)
    free = same & (shown.ids[rows, across] == 0)
    if free.sum() < LEAST_MIRRORED * len(columns):
        return None
    other = float(shown.view.counts[rows[free], across[free]].mean(dtype=np.float64))
    return mean / other if other > 0 else None
