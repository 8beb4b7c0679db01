"""Which bones a lesion lies on: per view, and of both views together.

A lesion's outline is wider than its bone, because of the camera's blur: pixels beside every region count for the
nearest one within REACH_MM. Where the views show different bones at one place (sternum in front of spine) that bone is
named whose uptake there, over all such pixels of the lesion, exceeds its own healthy uptake by the larger factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..lesions.components import lesion_boxes, smallest_window
from ..lesions.naming import lesion_ids
from ..lesions.results import Reading
from ..scan.aggregation import views_on_anterior_grid
from ..scan.planar import PlanarView, ViewName, WholeBodyScan, mirror, same_grid
from ..scan.regrid import sample_on
from .anatomy import all_regions
from .results import BoneShare

__all__ = ["Bones", "bones_of", "bones_together", "nearest_regions", "nearest_regions_of", "onto_frame", "shares_of"]

Ids = NDArray[np.uint16]
Numbers = NDArray[np.uint8]
Number = TypeVar("Number", np.uint8, np.uint16)

#: Pixels beside every region count for the nearest one so near (mm).
REACH_MM = 15.0
#: Smaller shares are left out; the others are given as shares of what is left.
LEAST_SHARE = 0.05
#: Pixels of a region beside its lesions from which on they tell its healthy level.
LEAST_HEALTHY = 20


@dataclass(frozen=True)
class Bones:
    """The bones of a reading's lesions: {lesion ID: its bones, largest share first}, empty where no region is known.

    Attributes:
        views: as each view shows them.
        together: of both views.
    """

    views: dict[ViewName, dict[int, tuple[BoneShare, ...]]]
    together: dict[int, tuple[BoneShare, ...]]


def bones_of(reading: Reading, near: Mapping[ViewName, Numbers] | None = None) -> Bones:
    """The bones of all lesions of a reading.

    Args:
        near: `nearest_regions_of` the scan, to reuse for readings that differ only in lesions; None computes it.
    """
    if not reading.regions:
        return Bones({}, {})
    masks = {name: reading.view_masks[name] for name in reading.regions}
    known = nearest_regions_of(reading.scan, reading.regions) if near is None else near
    under = {name: np.where(ids > 0, known[name], 0).astype(np.uint8) for name, ids in masks.items()}
    union = lesion_ids(reading)
    both = bones_together(reading.scan, union, masks, reading.regions, under)
    return Bones({name: shares_of(numbers, masks[name]) for name, numbers in under.items()}, shares_of(both, union))


def nearest_regions_of(scan: WholeBodyScan, regions: Mapping[ViewName, Numbers]) -> dict[ViewName, Numbers]:
    """`nearest_regions` of every view."""
    return {name: nearest_regions(numbers, scan.views[name].spacing) for name, numbers in regions.items()}


def nearest_regions(regions: Numbers, spacing: tuple[float, float]) -> Numbers:
    """(rows, columns) region of every pixel, beside every region the nearest within REACH_MM; 0 for none.

    Args:
        regions: (rows, columns) region numbers.
        spacing: (row, column) mm.
    """
    from scipy import ndimage

    window = smallest_window(regions > 0)
    if window is None:
        return regions
    down, across = (int(REACH_MM / edge) + 1 for edge in spacing)
    rows, columns = window
    wide = (
        slice(max(0, rows.start - down), rows.stop + down),
        slice(max(0, columns.start - across), columns.stop + across),
    )
    part, result = regions[wide], regions.copy()
    distance, place = ndimage.distance_transform_edt(part == 0, sampling=spacing, return_indices=True)
    result[wide] = np.where(distance <= REACH_MM, part[tuple(place)], 0)
    return result


def bones_together(
    scan: WholeBodyScan,
    union: Ids,
    view_masks: Mapping[ViewName, Ids],
    regions: Mapping[ViewName, Numbers],
    under: Mapping[ViewName, Numbers],
) -> Numbers:
    """(rows, columns) region of every pixel of the lesions on the anterior frame, both views together.

    Args:
        union: (rows, columns) lesion IDs on the anterior frame.
        view_masks: the same per view on its own grid.
        regions: per view region numbers on its own grid.
        under: per view those under its lesions.
    """
    frame = scan.frame
    shown = {name: onto_frame(numbers, scan.views[name], frame) for name, numbers in under.items()}
    inside = {name: onto_frame(view_masks[name], scan.views[name], frame) > 0 for name in under}
    together = np.zeros(frame.shape, np.uint8)
    for name, numbers in shown.items():
        together = np.where((together == 0) & inside[name], numbers, together)
    if len(shown) < 2:
        return together
    one, two = shown
    differ = inside[one] & inside[two] & (shown[one] != shown[two]) & (shown[one] > 0) & (shown[two] > 0)
    if not differ.any():
        return together
    counts = views_on_anterior_grid(scan)
    first, second = shown[one][differ], shown[two][differ]
    key = (union[differ].astype(np.int64) << 16) | (first.astype(np.int64) << 8) | second
    _, group = np.unique(key, return_inverse=True)
    factors = []
    for name, numbers in ((one, first), (two, second)):
        level = _healthy_levels(scan.views[name].counts, regions[name], view_masks[name], np.unique(numbers))
        factors.append(np.bincount(group, counts[name].counts[differ] / level[numbers]))
    together[differ] = np.where((factors[0] >= factors[1])[group], first, second)
    return together


def _healthy_levels(
    counts: NDArray[np.float32], regions: Numbers, ids: Ids, wanted: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """(256,) median counts of each region wanted beside its lesions; of one that is diseased all over, of all of it."""
    levels = np.ones(256)
    for number in wanted.tolist():
        inside = regions == number
        values = counts[inside & (ids == 0)]
        if values.size < LEAST_HEALTHY:
            values = counts[inside]
        levels[number] = max(float(np.median(values)), 1.0)
    return levels


def shares_of(numbers: Numbers, ids: Ids) -> dict[int, tuple[BoneShare, ...]]:
    """{lesion ID: its bones, largest share first}, of (rows, columns) region numbers and lesion IDs.

    A lesion of which most lies in no region has none.
    """
    found: dict[int, tuple[BoneShare, ...]] = {}
    regions = all_regions()
    for number, box in enumerate(lesion_boxes(ids), start=1):
        if box is None:
            continue
        counted = np.bincount(numbers[box][ids[box] == number], minlength=256)
        shares = counted / counted.sum()
        kept = {n: float(shares[n]) for n in np.flatnonzero(shares >= LEAST_SHARE).tolist() if n in regions}
        total = sum(kept.values())
        if total < 0.5:
            found[number] = ()
            continue
        order = sorted(kept, key=lambda n: (-kept[n], n))
        found[number] = tuple(BoneShare(regions[n], kept[n] / total) for n in order)
    return found


def onto_frame(numbers: NDArray[Number], view: PlanarView, frame: PlanarView) -> NDArray[Number]:
    """Numbers on a view's own grid as the anterior whole-body frame shows them."""
    if same_grid(view if view.name == "anterior" else mirror(view), frame):
        return numbers if view.name == "anterior" else np.ascontiguousarray(numbers[:, ::-1])
    return sample_on(numbers, view, frame, order=0)
