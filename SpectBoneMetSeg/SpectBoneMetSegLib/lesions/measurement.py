"""Measure area, counts and contrast of each lesion; no volumes, because a planar lesion has no thickness."""

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

#: Background ring of a lesion: pixels whose distance to it lies in this closed interval, in mm (2 to 5 pixels of 2.26
#: mm). Nearer pixels are excluded because the camera's blur spreads the lesion's own counts there.
RING_MM = (4.52, 11.3)


class MeasurementCache:
    """Measurements of one scan, keyed by pixels: an unchanged lesion in unchanged surroundings is not measured again.

    A measurement that a round does not use is dropped at the end of the next round.
    """

    def __init__(self) -> None:
        """Create an empty cache."""
        self._current: dict[Hashable, Any] = {}
        self._previous: dict[Hashable, Any] = {}

    def begin(self) -> None:
        """Begin another round."""
        self._previous, self._current = self._current, {}

    def of(self, key: Hashable, measure: Callable[[], Any]) -> Any:
        """Return the stored value of a key, or call `measure` and store its result."""
        found = self._previous.get(key) if key in self._previous else self._current.get(key)
        self._current[key] = measure() if found is None else found
        return self._current[key]


def measure_lesions(
    scan: WholeBodyScan,
    union: NDArray[np.uint16],
    view_masks: dict[ViewName, NDArray[np.uint16]],
    probability: NDArray[np.float32],
    cache: MeasurementCache | None = None,
) -> tuple[Lesion, ...]:
    """Return one Lesion per ID of `union`, in the order of the IDs.

    Args:
        scan: the scan as read.
        union: (rows, columns) lesion IDs 1..n on the anterior frame grid; each is one component without holes.
        view_masks: per existing view the same IDs on that view's own grid.
        probability: (rows, columns) on the anterior frame grid.
        cache: earlier measurements with this scan and probability; it saves time and changes no result.

    Raises:
        ValueError: a map does not have the shape of its grid, IDs have gaps, or a lesion is in no view.
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
    """Return a lesion, without ID and measurements per view, from its mask in a box of the frame."""
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
    """Return the background ring of a lesion: pixels within RING_MM of it, other lesions excluded.

    Args:
        ids: (rows, columns) lesion IDs.
        number: ID of the lesion.
        spacing: (row, column) in mm; where a pixel is larger than the ring's outer radius, its direct neighbours count.
    """
    from scipy import ndimage

    distance = ndimage.distance_transform_edt(ids != number, sampling=spacing)
    # Tolerance: rounding must not decide about pixels on the edge.
    return np.asarray((distance >= RING_MM[0] - 1e-6) & (distance <= max(RING_MM[1], *spacing) + 1e-6) & (ids == 0))


def _measure(
    view: PlanarView, ids: NDArray[np.uint16], number: int, box: Box, cache: MeasurementCache
) -> ViewMeasurement:
    down, across = (int(RING_MM[1] / edge) + 2 for edge in view.spacing)
    window = (
        slice(max(0, box[0].start - down), box[0].stop + down),
        slice(max(0, box[1].start - across), box[1].stop + across),
    )
    # 1 = this lesion, 2 = any other one.
    near = np.where(ids[window] == number, np.uint8(1), np.where(ids[window] > 0, np.uint8(2), np.uint8(0)))
    key = (view.name, _edges(window), near.tobytes())
    found: ViewMeasurement = cache.of(key, lambda: _measure_in(view, near, window))
    return found


def _measure_in(view: PlanarView, near: NDArray[np.uint8], window: Box) -> ViewMeasurement:
    """Measure the lesion numbered 1 in a window of a view, where 2 stands for other lesions."""
    counts = view.counts[window].astype(np.float64)
    inside = counts[near == 1]
    ring = counts[contrast_ring(near.astype(np.uint16), 1, view.spacing)]
    around = float(ring.mean()) if ring.size else 0.0
    return ViewMeasurement(
        area_mm2=inside.size * view.spacing[0] * view.spacing[1],
        counts=float(inside.sum()),
        max_counts=float(inside.max()),
        mean_counts=float(inside.mean()),
        # Undefined without counts around the lesion: NaN, because infinity would look like a measurement.
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
