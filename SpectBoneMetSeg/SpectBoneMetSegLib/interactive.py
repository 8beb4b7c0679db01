"""Lesions drawn anew without the network: at another threshold, after an edit by hand, after a review.

Pure functions over one stored result of the model; fast enough to run at every move of a slider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from .aggregation import aggregate
from .delineation import LesionMasks, lesion_masks
from .outlines import number_lesions
from .planar import ViewName, WholeBodyScan, mirror, same_grid
from .quantification import measure_lesions
from .regrid import sample_on
from .results import Reading, ThoraxCrop

__all__ = [
    "CHARACTERS",
    "DECISIONS",
    "ModelResult",
    "Review",
    "carry_over",
    "edited_reading",
    "label_of_lesions",
    "reading_at",
    "reviewed",
]

Map = NDArray[np.float32]
Ids = NDArray[np.uint16]
Kept = TypeVar("Kept")

Decision = Literal["open", "accepted", "rejected"]
Character = Literal["", "benign", "equivocal", "malignant"]
DECISIONS: tuple[Decision, ...] = ("open", "accepted", "rejected")
CHARACTERS: tuple[Character, ...] = ("", "benign", "equivocal", "malignant")


@dataclass(frozen=True)
class Review:
    """What the physician says of one lesion; until it is accepted it is abnormal uptake and nothing more."""

    decision: Decision = "open"
    character: Character = ""


@dataclass(frozen=True)
class ModelResult:
    """What the network found in one scan, before any threshold.

    Attributes:
        scan: the scan as read.
        crop: the region that was read.
        probabilities: per existing view (rows, columns) float32 on the anterior whole-body frame, 0 outside the crop.
        receipt: the reading's receipt, with the model's own thresholds.
    """

    scan: WholeBodyScan
    crop: ThoraxCrop
    probabilities: dict[ViewName, Map]
    receipt: dict[str, object] = field(default_factory=dict)

    @cached_property
    def probability(self) -> Map:
        """(rows, columns) the greater of the views' probabilities."""
        return np.asarray(np.max(np.stack(list(self.probabilities.values())), axis=0))

    @cached_property
    def aggregate(self) -> Map:
        """(rows, columns) counts of both views together on the anterior frame."""
        return aggregate(self.scan).counts

    def model_value(self, name: Literal["threshold", "seed_threshold", "minimum_area_mm2"]) -> float:
        """One of the values that the model's card recommends."""
        value = self.receipt.get(name)
        return float(value) if isinstance(value, int | float) else {"minimum_area_mm2": 0.0}.get(name, 0.5)


def reading_at(result: ModelResult, threshold: float, minimum_area_mm2: float) -> Reading:
    """The lesions at another threshold and minimum area.

    The probability a lesion must reach somewhere stays the model's own, unless the threshold lies above it.
    """
    seed = max(threshold, result.model_value("seed_threshold"))
    masks = lesion_masks(dict(result.probabilities), threshold, minimum_area_mm2, result.scan.frame, seed)
    values = {"threshold": threshold, "seed_threshold": seed, "minimum_area_mm2": minimum_area_mm2}
    return _reading(result, masks, {**values, "edited": False})


def edited_reading(result: ModelResult, labels: NDArray[np.integer], threshold: float) -> Reading:
    """The lesions of a labelmap that was edited by hand.

    A lesion is a connected component of all labels together, holes filled. It lies in the views whose probability at
    `threshold` reaches into it, one drawn where no view has any in all views; pixels added by hand go to every view
    the lesion lies in, pixels removed leave every view.

    Args:
        result: the model's result that was edited.
        labels: (rows, columns) on the anterior whole-body frame, 0 = none.
        threshold: the one in force before the edit.

    Raises:
        ValueError: the labels do not fit the frame.
    """
    from scipy import ndimage

    frame = result.scan.frame
    if labels.shape != frame.shape:
        raise ValueError(f"labels of shape {labels.shape} do not fit the frame's {frame.shape}")
    ids = number_lesions(ndimage.binary_fill_holes(labels > 0))
    found = lesion_masks(dict(result.probabilities), threshold, 0.0, frame)
    model = {name: inside > 0 for name, inside in found.views.items()}
    added = ~np.any(np.stack(list(model.values())), axis=0)
    seen = {name: set(np.unique(ids[mask]).tolist()) - {0} for name, mask in model.items()}
    drawn = set(range(1, int(ids.max(initial=0)) + 1)) - set().union(*seen.values())
    views: dict[ViewName, Ids] = {}
    for name, mask in model.items():
        own = np.isin(ids, sorted(seen[name] | drawn))
        views[name] = np.where(own & (mask | added), ids, 0).astype(np.uint16)
    return _reading(result, LesionMasks(ids, views), {"threshold": threshold, "edited": True})


def label_of_lesions(reading: Reading, labels: NDArray[np.integer]) -> dict[int, int]:
    """{lesion ID: the label that covers most of it}; a lesion in which no label lies is left out."""
    return _most_common_under(number_lesions(reading.mask), labels)


def carry_over(before: Reading, after: Reading, kept: Mapping[int, Kept]) -> dict[int, Kept]:
    """What was said of the lesions `before`, by ID, for those lesions `after` that overlap them most."""
    old, new = number_lesions(before.mask), number_lesions(after.mask)
    under = _most_common_under(new, np.where(np.isin(old, sorted(kept)), old, 0))
    return {number: kept[before_it] for number, before_it in under.items()}


def reviewed(result: ModelResult, reading: Reading, reviews: Mapping[int, Review]) -> Reading:
    """The reading as the physician left it: rejected lesions taken out and listed in the receipt with all decisions."""
    ids = number_lesions(reading.mask)
    kept = [lesion.id for lesion in reading.lesions if reviews.get(lesion.id, Review()).decision != "rejected"]
    # Lesions are numbered head to foot, so those that stay keep their order.
    number = np.zeros(len(reading.lesions) + 1, np.uint16)
    number[kept] = np.arange(1, len(kept) + 1)
    views = {name: number[mask] for name, mask in reading.view_masks.items()}
    lesions = measure_lesions(result.scan, number[ids], views, result.probability)
    said = [
        {
            "lesion": int(number[lesion.id]) or None,
            "decision": reviews.get(lesion.id, Review()).decision,
            "character": reviews.get(lesion.id, Review()).character,
            "area_mm2": lesion.area_mm2,
            "centroid_ras_mm": list(lesion.centroid),
        }
        for lesion in reading.lesions
    ]
    receipt = {**reading.receipt, "review": said, "lesions": len(lesions)}
    mask = (number[ids] > 0).astype(np.uint8)
    return replace(reading, lesions=lesions, mask=mask, view_masks=views, receipt=receipt)


def _most_common_under(ids: Ids, labels: NDArray[np.integer]) -> dict[int, int]:
    """{ID: the label most frequent inside it}, for the IDs that hold any label."""
    inside = (ids > 0) & (labels > 0)
    width = int(labels.max(initial=0)) + 1
    pairs = np.bincount(ids[inside].astype(np.int64) * width + labels[inside])
    table = np.pad(pairs, (0, -len(pairs) % width)).reshape(-1, width)
    return {number: int(row.argmax()) for number, row in enumerate(table) if row.any()}


def _reading(result: ModelResult, masks: LesionMasks, facts: Mapping[str, object]) -> Reading:
    scan = result.scan
    masks, view_masks = _on_own_grids(scan, masks)
    lesions = measure_lesions(scan, masks.union, view_masks, result.probability)
    receipt = {**result.receipt, **facts, "lesions": len(lesions)}
    mask = (masks.union > 0).astype(np.uint8)
    return Reading(scan, result.crop, lesions, mask, view_masks, result.probability, result.aggregate, receipt)


def _on_own_grids(scan: WholeBodyScan, masks: LesionMasks) -> tuple[LesionMasks, dict[ViewName, Ids]]:
    """The view masks each on its view's own grid; a lesion that no view's pixel centre hits is dropped."""
    own = {name: _sampled(scan, name, ids) for name, ids in masks.views.items()}
    shown = np.unique(np.concatenate([ids.ravel() for ids in own.values()]))
    shown = shown[shown > 0]
    if len(shown) == int(masks.union.max(initial=0)):
        return masks, own
    union = number_lesions(np.isin(masks.union, shown))
    views = {name: np.where(ids > 0, union, 0).astype(np.uint16) for name, ids in masks.views.items()}
    return LesionMasks(union, views), {name: _sampled(scan, name, ids) for name, ids in views.items()}


def _sampled(scan: WholeBodyScan, name: ViewName, ids: Ids) -> Ids:
    view, frame = scan.views[name], scan.frame
    if same_grid(view if name == "anterior" else mirror(view), frame):
        return ids if name == "anterior" else np.ascontiguousarray(ids[:, ::-1])
    return sample_on(ids, frame, view, order=0)
