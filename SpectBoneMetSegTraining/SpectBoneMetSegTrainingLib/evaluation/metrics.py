"""Pixel-wise and lesion-wise metrics; "ignore" pixels and lesions are excluded.

A metric without anything to measure is undefined: NaN here, None in summaries, "-" in tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName

from ..dataset.cases import IGNORE, LESION
from .paper_metrics import Count, Numbers, ratio

Mask = NDArray[np.bool_]

#: Value of a metric without anything to measure.
UNDEFINED = nan


@dataclass(frozen=True)
class Counts:
    """Counts of images at one operating point, and their pooled metrics; numbers or arrays (...).

    A detection is an 8-connected component of the predicted mask.

    Attributes:
        true_positive: pixels.
        false_positive: pixels.
        false_negative: pixels.
        lesions: labelled lesions.
        found: lesions touched by a detection.
        false_alarms: detections that touch no lesion, labelled or ignored.
        images: views.
        negatives: views without any lesion, labelled or ignored.
        negative_alarms: false alarms on negative views.
    """

    true_positive: Count = 0
    false_positive: Count = 0
    false_negative: Count = 0
    lesions: Count = 0
    found: Count = 0
    false_alarms: Count = 0
    images: Count = 0
    negatives: Count = 0
    negative_alarms: Count = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(Counts)))

    @property
    def dice(self) -> Numbers:
        """Pooled Dice similarity coefficient; undefined if label and prediction are both empty."""
        return ratio(
            2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative, UNDEFINED
        )

    @property
    def precision(self) -> Numbers:
        """Share of the predicted pixels that are lesion; undefined without any."""
        return ratio(self.true_positive, self.true_positive + self.false_positive, UNDEFINED)

    @property
    def recall(self) -> Numbers:
        """Share of the lesion pixels that were predicted; undefined without any."""
        return ratio(self.true_positive, self.true_positive + self.false_negative, UNDEFINED)

    @property
    def lesion_recall(self) -> Numbers:
        """Share of the lesions touched by a detection (lesion sensitivity); undefined without any."""
        return ratio(self.found, self.lesions, UNDEFINED)

    @property
    def lesion_f1(self) -> Numbers:
        """Lesion-wise F1: found lesions against missed ones and false alarms; NaN without either."""
        return ratio(2 * self.found, self.lesions + self.found + self.false_alarms, UNDEFINED)

    @property
    def false_alarms_per_image(self) -> Numbers:
        """False alarms per image; 0 without images."""
        return ratio(self.false_alarms, self.images, 0.0)

    @property
    def false_alarms_per_negative(self) -> Numbers:
        """False alarms per negative image; 0 without negative images."""
        return ratio(self.negative_alarms, self.negatives, 0.0)

    def summary(self) -> dict[str, float | int | None]:
        """Return the metrics, rounded, for cards and tables; None if undefined. For scalar counts only."""
        names = ("dice", "precision", "recall", "lesion_recall", "false_alarms_per_image")
        return {
            **{name: None if isnan(value := getattr(self, name)) else round(float(value), 4) for name in names},
            "lesions": int(self.lesions),
            "images": int(self.images),
        }


#: Flags of a case, for which it is scored separately, and its counts by view.
CountedCase = tuple[tuple[str, ...], Mapping[ViewName, Counts]]


def by_view(cases: Iterable[CountedCase]) -> dict[str, Any]:
    """Return pooled metrics per view and over both, and false alarms on views without lesions, for cards and tables.

    Flagged cases (cold lesions) are excluded; "flagged" has the same metrics for every flag.
    """
    counted = list(cases)
    flags = sorted({flag for own, _ in counted for flag in own})
    return {
        **_pooled([views for own, views in counted if not own]),
        "flagged": {flag: _pooled([views for own, views in counted if flag in own]) for flag in flags},
    }


def _pooled(cases: list[Mapping[ViewName, Counts]]) -> dict[str, Any]:
    """Return the pooled metrics of some cases; for a union model only "anterior" has counts."""
    views = {name: sum((case[name] for case in cases if name in case), Counts()) for name in VIEW_NAMES}
    both = sum(views.values(), Counts())
    return {
        "cases": len(cases),
        "both views": both.summary(),
        **{name: own.summary() for name, own in views.items()},
        "views without any lesion": {
            "images": int(both.negatives),
            "false_alarms_per_image": round(float(both.false_alarms_per_negative), 4),
        },
    }


def compare(mask: Mask, label: NDArray[np.uint8], instances: NDArray[np.uint16], labelled: set[int]) -> Counts:
    """Compare the predicted mask of a view with its labels.

    Args:
        mask: (rows, columns) bool, predicted.
        label: (rows, columns) of BACKGROUND, LESION, IGNORE.
        instances: (layers, rows, columns) lesion IDs.
        labelled: IDs of the labelled lesions; the others are "ignore".
    """
    from scipy import ndimage

    truth = label == LESION
    valid = label != IGNORE
    inside, found = labelled & _identifiers(instances), labelled & _identifiers(instances[:, mask])
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    touched = np.unique(parts[(label != 0) & mask])
    alarms, empty = int(count - len(touched)), not label.any()
    return Counts(
        true_positive=int((mask & truth).sum()),
        false_positive=int((mask & ~truth & valid).sum()),
        false_negative=int((~mask & truth).sum()),
        lesions=len(inside),
        found=len(found),
        false_alarms=alarms,
        images=1,
        negatives=int(empty),
        negative_alarms=alarms if empty else 0,
    )


def _identifiers(instances: NDArray[np.uint16]) -> set[int]:
    """Return the lesion IDs in an array; not `np.unique`, which sorts it."""
    return set(np.flatnonzero(np.bincount(instances.ravel())).tolist())
