"""Overlap and lesion-wise figures; "ignore" pixels and lesions count neither way.

What has nothing to measure is undefined: NaN here, None in summaries, "-" in tables. No figure is better than a false
one.
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

#: A figure without anything to measure.
UNDEFINED = nan


@dataclass(frozen=True)
class Counts:
    """What is counted in images at one operating point, and the figures that pool from it; numbers or arrays (...).

    Attributes:
        true_positive: pixels.
        false_positive: pixels.
        false_negative: pixels.
        lesions: labelled lesions.
        found: those touched by a mark.
        false_alarms: connected marks that touch no lesion, labelled or ignored.
        images: views.
        negatives: those without any lesion, labelled or ignored.
        negative_alarms: false alarms on negatives.
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
        return Counts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Counts)))

    @property
    def dice(self) -> Numbers:
        """Pooled Dice similarity coefficient; undefined when there is nothing to find and nothing was marked."""
        return ratio(
            2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative, UNDEFINED
        )

    @property
    def precision(self) -> Numbers:
        """Share of the marked pixels that are lesion; undefined when none was marked."""
        return ratio(self.true_positive, self.true_positive + self.false_positive, UNDEFINED)

    @property
    def recall(self) -> Numbers:
        """Share of the lesion pixels that were marked; undefined when there are none."""
        return ratio(self.true_positive, self.true_positive + self.false_negative, UNDEFINED)

    @property
    def lesion_recall(self) -> Numbers:
        """Share of the lesions touched by a mark; undefined when there are none."""
        return ratio(self.found, self.lesions, UNDEFINED)

    @property
    def lesion_f1(self) -> Numbers:
        """Lesions touched by a mark and marks that touch one, harmonic mean of both shares; NaN without either."""
        return ratio(2 * self.found, self.lesions + self.found + self.false_alarms, UNDEFINED)

    @property
    def false_alarms_per_image(self) -> Numbers:
        """False alarms per image; 0 without images."""
        return ratio(self.false_alarms, self.images, 0.0)

    @property
    def false_alarms_per_negative(self) -> Numbers:
        """The same of negative images."""
        return ratio(self.negative_alarms, self.negatives, 0.0)

    def summary(self) -> dict[str, float | int | None]:
        """All figures, rounded, for cards and tables; None for what is undefined. Of plain numbers only."""
        names = ("dice", "precision", "recall", "lesion_recall", "false_alarms_per_image")
        return {
            **{name: None if isnan(value := getattr(self, name)) else round(float(value), 4) for name in names},
            "lesions": int(self.lesions),
            "images": int(self.images),
        }


#: The flags of a case, for which it is scored apart, and its counts by view.
CountedCase = tuple[tuple[str, ...], Mapping[ViewName, Counts]]


def by_view(cases: Iterable[CountedCase]) -> dict[str, Any]:
    """Pooled figures per view and over both, and false alarms on views without any lesion, for cards and tables.

    Flagged cases (superscan, cold lesions) stay out of these; "flagged" has the same figures for every flag.
    """
    counted = list(cases)
    flags = sorted({flag for own, _ in counted for flag in own})
    return {
        **_pooled([views for own, views in counted if not own]),
        "flagged": {flag: _pooled([views for own, views in counted if flag in own]) for flag in flags},
    }


def _pooled(cases: list[Mapping[ViewName, Counts]]) -> dict[str, Any]:
    """All figures of some cases; of a union model only "anterior" has counts."""
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


def compare(marked: Mask, label: NDArray[np.uint8], instances: NDArray[np.uint16], labelled: set[int]) -> Counts:
    """Compare one view's marks with its truth.

    Args:
        marked: (rows, columns) bool.
        label: (rows, columns) of BACKGROUND, LESION, IGNORE.
        instances: (layers, rows, columns) lesion IDs.
        labelled: the IDs that are labels, not "ignore".
    """
    from scipy import ndimage

    truth = label == LESION
    valid = label != IGNORE
    inside = [identifier for identifier in labelled if (instances == identifier).any()]
    found = sum(bool((marked & (instances == identifier).any(0)).any()) for identifier in inside)
    parts, count = ndimage.label(marked, np.ones((3, 3)))
    touched = np.unique(parts[(label != 0) & marked])
    alarms, empty = int(count - len(touched)), not label.any()
    return Counts(
        true_positive=int((marked & truth).sum()),
        false_positive=int((marked & ~truth & valid).sum()),
        false_negative=int((~marked & truth).sum()),
        lesions=len(inside),
        found=int(found),
        false_alarms=alarms,
        images=1,
        negatives=int(empty),
        negative_alarms=alarms if empty else 0,
    )
