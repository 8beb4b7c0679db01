"""A physician's review of the lesions, matched to them by position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from .doubts import lesion_warnings
from .edits import Edits
from .extent import cut_by_box
from .measurement import measure_lesions
from .model_result import ModelResult
from .results import Classification, Decision, Lesion, Reading

DECISIONS: tuple[Decision, ...] = get_args(Decision)
CLASSIFICATIONS: tuple[Classification, ...] = get_args(Classification)
Ids = NDArray[np.uint16]
#: Data kept for a lesion: a Review, or more.
Item = TypeVar("Item")


@dataclass(frozen=True)
class Review:
    """A physician's review of one lesion; until it is accepted, a lesion is only abnormal uptake.

    Attributes:
        decision: "open", "accepted" or "rejected".
        classification: "benign", "equivocal", "malignant" or "".
    """

    decision: Decision = "open"
    classification: Classification = ""


def label_of_lesions(reading: Reading, labels: NDArray[np.integer]) -> dict[int, int]:
    """Return {lesion ID: label that covers most of it}, without lesions that no label overlaps."""
    return _most_common_under(reading.lesion_ids, labels)


class LesionMemory(Generic[Item]):
    """Data kept for lesions by position: a lesion that a slider removes and restores gets its data back."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Create an empty memory; `shape` is (rows, columns) of the anterior whole-body frame."""
        self._items: list[Item] = []
        self._labels = np.zeros(shape, np.int32)

    def keep(self, reading: Reading, items: Mapping[int, Item]) -> None:
        """Store the data of a reading's lesions, {lesion ID: item}."""
        ids = reading.lesion_ids
        labels = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
        for number, item in items.items():
            self._items.append(item)
            labels[number] = len(self._items)
        inside = ids > 0
        new = labels[ids[inside]]
        self._labels[inside] = np.where(new > 0, new, self._labels[inside])

    def of(self, reading: Reading) -> dict[int, Item]:
        """Return {lesion ID: the item stored for most of its pixels} of another reading."""
        return {number: self._items[label - 1] for number, label in label_of_lesions(reading, self._labels).items()}


def reviewed(
    result: ModelResult, reading: Reading, reviews: Mapping[int, Review], edits: Edits | None = None
) -> Reading:
    """Apply a review to a reading: decisions go to the lesions and to the receipt.

    Rejected lesions are removed from masks and outlines; they stay in the table, numbered after the others.

    Args:
        result: prediction that the reading was made from.
        reading: before the review.
        reviews: {lesion ID: its review}.
        edits: manual edits; lesions that they overlap are marked as edited, and the receipt counts erased ones.
    """
    ids = reading.lesion_ids
    known = {lesion.id: reviews.get(lesion.id, Review()) for lesion in reading.lesions}
    kept = [number for number, review in known.items() if review.decision != "rejected"]
    removed = [number for number, review in known.items() if review.decision == "rejected"]
    # Lesions are numbered from head to foot: those that are kept keep their order.
    new_ids = np.zeros(len(known) + 1, np.uint16)
    new_ids[kept] = np.arange(1, len(kept) + 1)
    views = {name: new_ids[mask] for name, mask in reading.view_masks.items()}
    measured = measure_lesions(result.scan, new_ids[ids], views, result.probability)
    edited = set(np.unique(ids[edits.mask]).tolist()) if edits is not None else set()
    lesions = tuple(
        replace(
            _with_review(lesion, lesion.id, known[before]),
            confidence=reading.lesions[before - 1].confidence,
            edited=before in edited,
        )
        for lesion, before in zip(measured, kept, strict=True)
    )
    rejected = tuple(
        replace(_with_review(reading.lesions[before - 1], number, known[before]), edited=before in edited)
        for number, before in enumerate(removed, len(kept) + 1)
    )
    entries = [
        {
            "lesion": lesion.id,
            "decision": lesion.decision,
            "classification": lesion.classification,
            "edited": lesion.edited,
            "area_mm2": lesion.area_mm2,
            "centroid_ras_mm": list(lesion.centroid),
        }
        for before, lesion in sorted(
            zip([*kept, *removed], [*lesions, *rejected], strict=True), key=lambda pair: pair[0]
        )
    ]
    # A slider may show areas below the model's own threshold.
    shown = min(result.limits.threshold, float(str(reading.receipt["threshold"])))
    erased = edits.erased(result.probability >= shown) if edits is not None else 0
    receipt = {**reading.receipt, "review": entries, "erased": erased, "lesions": len(lesions)}
    mask = (new_ids[ids] > 0).astype(np.uint8)
    final = replace(reading, lesions=lesions, rejected=rejected, mask=mask, view_masks=views, receipt=receipt)
    return replace(final, receipt={**receipt, **_doubts_after(reading, final)})


def _doubts_after(before: Reading, after: Reading) -> dict[str, object]:
    """Return the receipt's entries about single lesions, which a review may renumber or reject."""
    earlier, outdated = before.receipt.get("warnings"), lesion_warnings(before)
    others = [note for note in earlier if note not in outdated] if isinstance(earlier, list) else []
    return {"cut_by_box": cut_by_box(after), "warnings": [*others, *lesion_warnings(after)]}


def _with_review(lesion: Lesion, number: int, review: Review) -> Lesion:
    return replace(lesion, id=number, decision=review.decision, classification=review.classification)


def _most_common_under(ids: Ids, labels: NDArray[np.integer]) -> dict[int, int]:
    """Return {ID: most frequent label inside it}, without IDs that no label overlaps."""
    inside = (ids > 0) & (labels > 0)
    width = int(labels.max(initial=0)) + 1
    pairs = np.bincount(ids[inside].astype(np.int64) * width + labels[inside])
    table = np.pad(pairs, (0, -len(pairs) % width)).reshape(-1, width)
    return {number: int(row.argmax()) for number, row in enumerate(table) if row.any()}
