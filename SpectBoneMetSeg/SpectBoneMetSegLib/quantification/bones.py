"""Assign lesions to bones: per view, and for both views together.

Because of the camera's blur a lesion's outline is wider than its bone: pixels outside every region count for the
nearest region within REACH_MM. Where the views show different bones at one position (sternum in front of spine), the
lesion is assigned to the bone whose uptake there, over all such pixels of the lesion, exceeds its own healthy uptake by
the larger factor.
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

#: Largest distance (mm) from a pixel outside every region to the region it counts for.
REACH_MM = 15.0
#: Smaller shares are dropped; the others are normalised to a sum of 1.
LEAST_SHARE = 0.05
#: Smallest number of lesion-free pixels of a region from which its healthy level is computed.
LEAST_HEALTHY = 20


@dataclass(frozen=True)
class Bones:
    """The bones of a reading's lesions: {lesion ID: its bones, largest share first}; empty without region maps.

    Attributes:
        views: per view.
        together: for both views together.
    """

    views: dict[ViewName, dict[int, tuple[BoneShare, ...]]]
    together: dict[int, tuple[BoneShare, ...]]


def bones_of(reading: Reading, near: Mapping[ViewName, Numbers] | None = None) -> Bones:
    """Return the bones of all lesions of a reading.

    Args:
        reading: the reading.
        near: `nearest_regions_of` the scan, to reuse for readings that differ only in lesions; None computes it.
    """
    if not reading.regions:
        return Bones({}, {})
    masks = {name: reading.view_masks[name] for name in reading.regions}
    known = nearest_regions_of(reading.scan, reading.regions, masks) if near is None else near
    under = {name: np.where(ids > 0, known[name], 0).astype(np.uint8) for name, ids in masks.items()}
    union = lesion_ids(reading)
    both = bones_together(reading.scan, union, masks, reading.regions, under)
    return Bones({name: shares_of(numbers, masks[name]) for name, numbers in under.items()}, shares_of(both, union))


def nearest_regions_of(
    scan: WholeBodyScan, regions: Mapping[ViewName, Numbers], wanted: Mapping[ViewName, Ids] | None = None
) -> dict[ViewName, Numbers]:
    """Return `nearest_regions` of every view.

    Args:
        scan: gives the pixel spacing.
        regions: per view (rows, columns) region numbers on its own grid.
        wanted: per view (rows, columns) an array that is 0 where the region does not matter.
    """
    places = wanted or {}
    return {
        name: nearest_regions(numbers, scan.views[name].spacing, places.get(name)) for name, numbers in regions.items()
    }


def nearest_regions(regions: Numbers, spacing: tuple[float, float], wanted: Ids | None = None) -> Numbers:
    """Return the (rows, columns) region of every pixel: its own, else the nearest within REACH_MM, else 0.

    Args:
        regions: (rows, columns) region numbers.
        spacing: (row, column) mm.
        wanted: (rows, columns) an array that is 0 where only a pixel's own region matters, which saves time.
    """
    from scipy import ndimage

    window = smallest_window(regions > 0 if wanted is None else wanted)
    if window is None:
        return regions
    down, across = (int(REACH_MM / edge) + 1 for edge in spacing)
    rows, columns = window
    wide = (
        slice(max(0, rows.start - down), rows.stop + down),
        slice(max(0, columns.start - across), columns.stop + across),
    )
    part, result = regions[wide], regions.copy()
    distance, nearest = ndimage.distance_transform_edt(part == 0, sampling=spacing, return_indices=True)
    result[wide] = np.where(distance <= REACH_MM, part[tuple(nearest)], 0)
    return result


def bones_together(
    scan: WholeBodyScan,
    union: Ids,
    view_masks: Mapping[ViewName, Ids],
    regions: Mapping[ViewName, Numbers],
    under: Mapping[ViewName, Numbers],
) -> Numbers:
    """Return the (rows, columns) region of every lesion pixel on the anterior frame, both views together.

    Args:
        scan: the scan.
        union: (rows, columns) lesion IDs on the anterior frame.
        view_masks: per view lesion IDs on its own grid.
        regions: per view region numbers on its own grid.
        under: per view the region of each lesion pixel, 0 outside lesions, on its own grid.
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
    """Return (256,) median counts of each wanted region outside lesions; of all of it if too little is left."""
    levels = np.ones(256)
    for number in wanted.tolist():
        inside = regions == number
        values = counts[inside & (ids == 0)]
        if values.size < LEAST_HEALTHY:
            values = counts[inside]
        levels[number] = max(float(np.median(values)), 1.0)
    return levels


def shares_of(numbers: Numbers, ids: Ids) -> dict[int, tuple[BoneShare, ...]]:
    """Return {lesion ID: its bones, largest share first}; a lesion mostly outside all regions has none.

    Args:
        numbers: (rows, columns) region numbers.
        ids: (rows, columns) lesion IDs.
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
    """Resample numbers from a view's own grid onto the anterior whole-body frame."""
    if same_grid(view if view.name == "anterior" else mirror(view), frame):
        return numbers if view.name == "anterior" else np.ascontiguousarray(numbers[:, ::-1])
    return sample_on(numbers, view, frame, order=0)
