"""A physician's review of the lesions, matched to them by position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from .edits import Edits
from .measurement import measure_lesions
from .model_result import ModelResult
from .results import Classification, Decision, Lesion, Reading

DECISIONS: tuple[Decision, ...] = get_args(Decision)
CLASSIFICATIONS: tuple[Classification, ...] = get_args(Classification)
Ids = NDArray[np.uint16]
#: What is known of a lesion; a Review, or more.
Item = TypeVar("Item")


@dataclass(frozen=True)
class Review:
    """The physician's review of one lesion; until it is accepted it is abnormal uptake and nothing more."""

    decision: Decision = "open"
    classification: Classification = ""


def label_of_lesions(reading: Reading, labels: NDArray[np.integer]) -> dict[int, int]:
    """{lesion ID: the label that covers most of it}; a lesion in which no label lies is left out."""
    return _most_common_under(reading.lesion_ids, labels)


class LesionMemory(Generic[Item]):
    """What is known of lesions, by place: a lesion that a slider takes away and brings back has it back."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Nothing is known yet; `shape` is the anterior whole-body frame's (rows, columns)."""
        self._said: list[Item] = []
        self._labels = np.zeros(shape, np.int32)

    def keep(self, reading: Reading, said: Mapping[int, Item]) -> None:
        """Remember what is known of the lesions of a reading, by ID."""
        ids = reading.lesion_ids
        labels = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
        for number, known in said.items():
            self._said.append(known)
            labels[number] = len(self._said)
        inside = ids > 0
        known_here = labels[ids[inside]]
        self._labels[inside] = np.where(known_here > 0, known_here, self._labels[inside])

    def of(self, reading: Reading) -> dict[int, Item]:
        """What is known, for those lesions of another reading that overlap it most."""
        return {number: self._said[label - 1] for number, label in label_of_lesions(reading, self._labels).items()}


def reviewed(
    result: ModelResult, reading: Reading, reviews: Mapping[int, Review], edits: Edits | None = None
) -> Reading:
    """The reading as the physician left it, with all decisions in the table and in the receipt.

    Rejected lesions leave masks and outlines; they stay in the table, numbered after those that are kept.
    """
    ids = reading.lesion_ids
    said = {lesion.id: reviews.get(lesion.id, Review()) for lesion in reading.lesions}
    kept = [number for number, review in said.items() if review.decision != "rejected"]
    gone = [number for number, review in said.items() if review.decision == "rejected"]
    # Lesions are numbered head to foot, so those that stay keep their order.
    number = np.zeros(len(said) + 1, np.uint16)
    number[kept] = np.arange(1, len(kept) + 1)
    views = {name: number[mask] for name, mask in reading.view_masks.items()}
    measured = measure_lesions(result.scan, number[ids], views, result.probability)
    by_hand = set(np.unique(ids[edits.mask]).tolist()) if edits is not None else set()
    lesions = tuple(
        replace(
            _said_of(lesion, lesion.id, said[before]),
            confidence=reading.lesions[before - 1].confidence,
            edited=before in by_hand,
        )
        for lesion, before in zip(measured, kept, strict=True)
    )
    rejected = tuple(
        replace(_said_of(reading.lesions[before - 1], place, said[before]), edited=before in by_hand)
        for place, before in enumerate(gone, len(kept) + 1)
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
