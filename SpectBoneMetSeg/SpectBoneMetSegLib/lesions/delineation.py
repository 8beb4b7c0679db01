"""Delineate lesions in probability maps: threshold, union of the views, numbered components.

All arrays are on the grid of the anterior frame. Lesions are "abnormal uptake" until a physician accepts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import PlanarView, ViewName
from .components import EIGHT_CONNECTED, fill_holes, number_components, smallest_window

__all__ = ["LesionMasks", "lesion_masks"]


@dataclass(frozen=True)
class LesionMasks:
    """Lesion IDs on the anterior frame grid.

    Attributes:
        union: (rows, columns) uint16, 0 = none, 1..n from head to foot; each lesion is 8-connected and has no holes.
        views: the same IDs inside each view's own mask, (rows, columns) uint16, also on the anterior frame grid.
    """

    union: NDArray[np.uint16]
    views: dict[ViewName, NDArray[np.uint16]]


def lesion_masks(
    probabilities: dict[ViewName, NDArray[np.float32]],
    threshold: float,
    minimum_area_mm2: float,
    frame: PlanarView,
    seed_threshold: float | None = None,
) -> LesionMasks:
    """Return the lesions of one scan from the probability maps of its views.

    Args:
        probabilities: per view (rows, columns) 0..1, each on the grid of `frame`.
        threshold: a pixel belongs to a lesion where its probability is at least this.
        minimum_area_mm2: smaller lesions (area of the union of the views) are dropped.
        frame: the anterior whole-body frame.
        seed_threshold: if given, a lesion needs one pixel of at least this probability in some view (hysteresis).

    Raises:
        ValueError: there are no probabilities, or an array does not have the shape of the frame.
    """
    from scipy import ndimage

    if not probabilities:
        raise ValueError("lesions need the probabilities of at least one view")
    for name, values in probabilities.items():
        if values.shape != frame.shape:
            raise ValueError(f"{name} probabilities of shape {values.shape} do not fit the frame's {frame.shape}")
    above = {name: values >= threshold for name, values in probabilities.items()}
    # Lesions cover a small part of a whole body: apply morphology only to their bounding box.
    window = smallest_window(np.logical_or.reduce(list(above.values())))
    if window is None:
        empty = np.zeros(frame.shape, dtype=np.uint16)
        return LesionMasks(empty, {name: empty.copy() for name in above})
    masks = {name: fill_holes(values[window]) for name, values in above.items()}
    stacked = np.stack(list(masks.values()))
    union = fill_holes(np.asarray(stacked.any(axis=0)))
    # Two views can enclose a gap that neither encloses alone. Lesions have no holes, and the union must not exceed its
    # views, so each pixel of the gap goes to the view with the higher probability.
    gap = union & ~stacked.any(axis=0)
    inside = np.stack([values[window] for values in probabilities.values()])
    if gap.any():
        likelier = np.argmax(inside, axis=0)
        masks = {name: mask | (gap & (likelier == index)) for index, (name, mask) in enumerate(masks.items())}
    components, count = ndimage.label(union, structure=EIGHT_CONNECTED)
    pixel_mm2 = frame.spacing[0] * frame.spacing[1]
    # Tolerance for rounding: a minimum area of exactly ten pixels keeps ten pixels.
    keep = np.bincount(components.ravel(), minlength=count + 1) * pixel_mm2 >= minimum_area_mm2 * (1 - 1e-9)
    if seed_threshold is not None:
        seeded = np.zeros(count + 1, dtype=np.bool_)
        seeded[components[(inside >= seed_threshold).any(axis=0)]] = True
        keep &= seeded
    keep[0] = False
    kept = np.where(keep, np.cumsum(keep), 0)
    ids = number_components(kept[components])
    views = {name: np.where(mask, ids, 0).astype(np.uint16) for name, mask in masks.items()}
    return LesionMasks(
        _on_frame(ids, window, frame.shape),
        {name: _on_frame(part, window, frame.shape) for name, part in views.items()},
    )


def _on_frame(part: NDArray[np.uint16], window: tuple[slice, slice], shape: tuple[int, int]) -> NDArray[np.uint16]:
    whole = np.zeros(shape, dtype=np.uint16)
    whole[window] = part
    return whole
