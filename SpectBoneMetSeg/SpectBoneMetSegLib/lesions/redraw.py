"""Lesions drawn anew without the network: at another threshold, beside edits by hand, after a review.

Pure functions over one stored result of the model; fast enough to run at every move of a slider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..scan.aggregation import aggregate
from ..scan.planar import ViewName, WholeBodyScan, mirror, same_grid
from ..scan.regrid import sample_on
from .components import number_lesions
from .delineation import LesionMasks, lesion_masks
from .edits import Edits, keep_edits
from .measurement import measure_lesions
from .results import Classification, Decision, Lesion, Reading, ThoraxCrop

__all__ = [
    "CLASSIFICATIONS",
    "DECISIONS",
    "Memory",
    "ModelResult",
    "Review",
    "label_of_lesions",
    "reading_at",
    "reviewed",
]

Map = NDArray[np.float32]
Ids = NDArray[np.uint16]

DECISIONS: tuple[Decision, ...] = get_args(Decision)
CLASSIFICATIONS: tuple[Classification, ...] = get_args(Classification)


@dataclass(frozen=True)
class Review:
    """What the physician says of one lesion; until it is accepted it is abnormal uptake and nothing more."""

    decision: Decision = "open"
    classification: Classification = ""


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


def reading_at(result: ModelResult, threshold: float, minimum_area_mm2: float, edits: Edits | None = None) -> Reading:
    """The lesions at another threshold and minimum area; what was edited by hand stays as it was edited.

    The probability a lesion must reach somewhere stays the model's own, unless the threshold lies above it.
    """
    seed = max(threshold, result.model_value("seed_threshold"))
    frame = result.scan.frame
    masks = lesion_masks(dict(result.probabilities), threshold, minimum_area_mm2, frame, seed)
    if edits is not None:
        own = result.probability >= result.model_value("threshold")
        masks = keep_edits(masks, own, edits, frame, minimum_area_mm2, result.probability >= seed)
    values = {"threshold": threshold, "seed_threshold": seed, "minimum_area_mm2": minimum_area_mm2}
    return _reading(result, masks, {**values, "edited": edits is not None})


def label_of_lesions(reading: Reading, labels: NDArray[np.integer]) -> dict[int, int]:
    """{lesion ID: the label that covers most of it}; a lesion in which no label lies is left out."""
    return _most_common_under(number_lesions(reading.mask), labels)


class Memory:
    """What was said of lesions, by place: a lesion that a slider takes away and brings back has it back."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Nothing was said yet; `shape` is the anterior whole-body frame's (rows, columns)."""
        self._said: list[Review] = []
        self._labels = np.zeros(shape, np.int32)

    def keep(self, reading: Reading, reviews: Mapping[int, Review]) -> None:
        """Remember what was said of the lesions of a reading, by ID."""
        ids = number_lesions(reading.mask)
        labels = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
        for number, review in reviews.items():
            self._said.append(review)
            labels[number] = len(self._said)
        known = labels[ids]
        self._labels = np.where(known > 0, known, self._labels)

    def of(self, reading: Reading) -> dict[int, Review]:
        """What was said, for those lesions of another reading that overlap it most."""
        return {number: self._said[label - 1] for number, label in label_of_lesions(reading, self._labels).items()}


def reviewed(
    result: ModelResult, reading: Reading, reviews: Mapping[int, Review], edits: Edits | None = None
) -> Reading:
    """The reading as the physician left it, with all decisions in the table and in the receipt.

    Rejected lesions leave masks and outlines; they stay in the table, numbered after those that are kept.
    """
    ids = number_lesions(reading.mask)
    said = {lesion.id: reviews.get(lesion.id, Review()) for lesion in reading.lesions}
    kept = [number for number, review in said.items() if review.decision != "rejected"]
    gone = [number for number, review in said.items() if review.decision == "rejected"]
    # Lesions are numbered head to foot, so those that stay keep their order.
    number = np.zeros(len(said) + 1, np.uint16)
    number[kept] = np.arange(1, len(kept) + 1)
    views = {name: number[mask] for name, mask in reading.view_masks.items()}
    measured = measure_lesions(result.scan, number[ids], views, result.probability)
    lesions = tuple(_said_of(lesion, lesion.id, said[before]) for lesion, before in zip(measured, kept, strict=True))
    rejected = tuple(
        _said_of(reading.lesions[before - 1], place, said[before]) for place, before in enumerate(gone, len(kept) + 1)
    )
    by_hand = set(np.unique(ids[edits.mask]).tolist()) if edits is not None else set()
    entries = [
        {
            "lesion": lesion.id,
            "decision": lesion.decision,
            "classification": lesion.classification,
            "edited": before in by_hand,
            "area_mm2": lesion.area_mm2,
            "centroid_ras_mm": list(lesion.centroid),
        }
        for before, lesion in sorted(zip([*kept, *gone], [*lesions, *rejected], strict=True), key=lambda pair: pair[0])
    ]
    receipt = {**reading.receipt, "review": entries, "lesions": len(lesions)}
    mask = (number[ids] > 0).astype(np.uint8)
    return replace(reading, lesions=lesions, rejected=rejected, mask=mask, view_masks=views, receipt=receipt)


def _said_of(lesion: Lesion, number: int, review: Review) -> Lesion:
    return replace(lesion, id=number, decision=review.decision, classification=review.classification)


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
    return Reading(
        scan,
        result.crop,
        lesions,
        mask,
        view_masks,
        result.probability,
        result.aggregate,
        receipt,
        dict(result.probabilities),
    )


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
