"""What is measured of each lesion: areas, counts and contrast, never volumes (a planar lesion has no thickness)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import PlanarView, ViewName, WholeBodyScan, to_ras
from .components import lesion_boxes, outline
from .results import Lesion, SeenIn, ViewMeasurement

__all__ = ["MeasurementCache", "contrast_ring", "measure_lesions"]

Box = tuple[slice, slice]

#: The surroundings of a lesion: pixels whose distance to it lies in this closed interval, in mm (2 to 5 pixels of 2.26
#: mm). The first millimetres are left out because the camera's blur carries the lesion's own counts there.
RING_MM = (4.52, 11.3)


class MeasurementCache:
    """What was measured in one scan, by the pixels it was measured of: a lesion that is drawn again as it was, with the
    same surroundings, is not measured again. What a round did not ask for is forgotten after the next one."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._now: dict[Hashable, Any] = {}
        self._before: dict[Hashable, Any] = {}

    def begin(self) -> None:
        """Another round begins."""
        self._before, self._now = self._now, {}

    def of(self, key: Hashable, measure: Callable[[], Any]) -> Any:
        """What is known by a key, or else is measured."""
        found = self._before.get(key) if key in self._before else self._now.get(key)
        self._now[key] = measure() if found is None else found
        return self._now[key]


def measure_lesions(
    scan: WholeBodyScan,
    union: NDArray[np.uint16],
    view_masks: dict[ViewName, NDArray[np.uint16]],
    probability: NDArray[np.float32],
    cache: MeasurementCache | None = None,
) -> tuple[Lesion, ...]:
    """One Lesion per ID of `union`, in the order of the IDs.

    Args:
        scan: the scan as read.
        union: (rows, columns) lesion IDs 1..n on the anterior frame grid; each a component without holes.
        view_masks: per existing view the same IDs on that view's own grid.
        probability: (rows, columns) on the anterior frame grid.
        cache: what was measured before with this scan and this probability; the same comes out without it.

    Raises:
        ValueError: a map does not fit its grid, IDs have gaps, or a lesion is in no view.
    """
    _check_fit(scan, union, view_masks, probability)
    cache = cache or MeasurementCache()
    cache.begin()
    found: dict[int, dict[ViewName, ViewMeasurement]] = {}
    for name, ids in view_masks.items():
        for number, box in enumerate(lesion_boxes(ids), start=1):
            if box is not None:
                found.setdefault(number, {})[name] = _measure(scan.views[name], ids, number, box, cache)
    lesions = []
    for number, box in enumerate(lesion_boxes(union), start=1):
        if box is None or number not in found:
            raise ValueError(f"lesion {number} is in no view")
        inside = union[box] == number
        key = ("union", _edges(box), inside.tobytes())
        lesion = cache.of(key, partial(_shape_of, inside, box, probability, scan.frame))
        lesions.append(replace(lesion, id=number, seen_in=_seen_in(found[number]), views=found[number]))
    return tuple(lesions)


def _shape_of(inside: NDArray[np.bool_], box: Box, probability: NDArray[np.float32], frame: PlanarView) -> Lesion:
    """A lesion without a number and what the views say of it, from its mask in a box of the frame."""
    probabilities = probability[box][inside]
    corner = np.array([box[0].start, box[1].start])
    row, column = (np.argwhere(inside).mean(0) + corner).tolist()
    right, anterior, superior = to_ras(np.array([[row, column]]), frame)[0].tolist()
    return Lesion(
        id=0,
        curve=to_ras(outline(inside) + corner, frame),
        seen_in="both",
        area_mm2=int(inside.sum()) * frame.spacing[0] * frame.spacing[1],
        centroid=(right, anterior, superior),
        max_probability=float(probabilities.max()),
        mean_probability=float(probabilities.mean(dtype=np.float64)),
        views={},
    )


def _edges(box: Box) -> tuple[int, ...]:
    return box[0].start, box[0].stop, box[1].start, box[1].stop


def contrast_ring(ids: NDArray[np.uint16], number: int, spacing: tuple[float, float]) -> NDArray[np.bool_]:
    """The surroundings of lesion `number` in an ID map: RING_MM from it, other lesions left out.

    `spacing` is (row, column) in mm; on pixels larger than the inner edge the next pixel belongs to the ring.
    """
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(ids != number, sampling=spacing)
    # A hair of tolerance, so that rounding does not decide about pixels on the edge.
    return np.asarray((distance >= RING_MM[0] - 1e-6) & (distance <= max(RING_MM[1], *spacing) + 1e-6) & (ids == 0))


def _measure(
    view: PlanarView, ids: NDArray[np.uint16], number: int, box: Box, cache: MeasurementCache
) -> ViewMeasurement:
    down, across = (int(RING_MM[1] / edge) + 2 for edge in view.spacing)
    window = (
        slice(max(0, box[0].start - down), box[0].stop + down),
        slice(max(0, box[1].start - across), box[1].stop + across),
    )
    # Whose the others are does not matter.
    near = np.where(ids[window] == number, np.uint8(1), np.where(ids[window] > 0, np.uint8(2), np.uint8(0)))
    key = (view.name, _edges(window), near.tobytes())
    found: ViewMeasurement = cache.of(key, lambda: _measure_in(view, near, window))
    return found


def _measure_in(view: PlanarView, near: NDArray[np.uint8], window: Box) -> ViewMeasurement:
    """What the counts in a window say of the lesion 1 in it, others being 2."""
    counts = view.counts[window].astype(np.float64)
    inside = counts[near == 1]
    ring = counts[contrast_ring(near.astype(np.uint16), 1, view.spacing)]
    around = float(ring.mean()) if ring.size else 0.0
    return ViewMeasurement(
        area_mm2=inside.size * view.spacing[0] * view.spacing[1],
        counts=float(inside.sum()),
        max_counts=float(inside.max()),
        mean_counts=float(inside.mean()),
        # Without counts around it a lesion has no contrast: not a number says so, infinity would look measured.
        contrast=float(inside.mean()) / around if around > 0 else float("nan"),
    )


def _seen_in(views: dict[ViewName, ViewMeasurement]) -> SeenIn:
    if len(views) > 1:
        return "both"
    return "anterior" if "anterior" in views else "posterior"


def _check_fit(
    scan: WholeBodyScan,
    union: NDArray[np.uint16],
    view_masks: dict[ViewName, NDArray[np.uint16]],
    probability: NDArray[np.float32],
) -> None:
    grids: list[tuple[str, NDArray[Any], PlanarView]] = [
        ("union", union, scan.frame),
        ("probability", probability, scan.frame),
    ]
    grids += [(f"{name} mask", ids, scan.views[name]) for name, ids in view_masks.items()]
    for what, values, grid in grids:
        if values.shape != grid.shape:
            raise ValueError(f"the {what} map of shape {values.shape} does not fit its grid of {grid.shape}")
