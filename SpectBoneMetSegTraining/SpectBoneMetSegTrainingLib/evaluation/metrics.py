"""Overlap and lesion-wise figures; "ignore" pixels and lesions count neither way.

What has nothing to measure is undefined: NaN here, None in summaries, "-" in tables. No figure is better than a false
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from ..dataset.cases import IGNORE, LESION

Mask = NDArray[np.bool_]

#: A figure without anything to measure.
UNDEFINED = nan


@dataclass(frozen=True)
class Counts:
    """Sums that pool over images: pixels, lesions and false alarms."""

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    lesions: int = 0
    found: int = 0
    false_alarms: int = 0
    images: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))

    @property
    def dice(self) -> float:
        """Pooled Dice similarity coefficient; undefined when there is nothing to find and nothing was marked."""
        total = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / total if total else UNDEFINED

    @property
    def precision(self) -> float:
        """Share of the marked pixels that are lesion; undefined when none was marked."""
        marked = self.true_positive + self.false_positive
        return self.true_positive / marked if marked else UNDEFINED

    @property
    def recall(self) -> float:
        """Share of the lesion pixels that were marked; undefined when there are none."""
        there = self.true_positive + self.false_negative
        return self.true_positive / there if there else UNDEFINED

    @property
    def lesion_recall(self) -> float:
        """Share of the lesions touched by a mark; undefined when there are none."""
        return self.found / self.lesions if self.lesions else UNDEFINED

    @property
    def lesion_f1(self) -> float:
        """Lesions touched by a mark and marks that touch one, harmonic mean of both shares; 0 without either."""
        total = self.lesions + self.found + self.false_alarms
        return 2 * self.found / total if total else 0.0

    @property
    def false_alarms_per_image(self) -> float:
        """Connected marks that touch no lesion, labelled or ignored, per image."""
        return self.false_alarms / self.images if self.images else 0.0

    def summary(self) -> dict[str, float | int | None]:
        """All figures, rounded, for cards and tables; None for what is undefined."""
        names = ("dice", "precision", "recall", "lesion_recall", "false_alarms_per_image")
        return {
            **{name: None if isnan(value := getattr(self, name)) else round(value, 4) for name in names},
            "lesions": self.lesions,
            "images": self.images,
        }


def _values(counts: Counts) -> tuple[int, ...]:
    return tuple(getattr(counts, name) for name in Counts.__dataclass_fields__)


def compare(marked: Mask, label: NDArray[np.uint8], instances: NDArray[np.uint16], labelled: set[int]) -> Counts:
    """Compare one view's marks with its truth.

    Args:
        marked: (rows, columns) bool.
        label: (rows, columns) of BACKGROUND, LESION, IGNORE.
        instances: (layers, rows, columns) lesion IDs; labelled: the IDs that are labels, not "ignore".
    """
    from scipy import ndimage

    truth = label == LESION
    valid = label != IGNORE
    inside = [identifier for identifier in labelled if (instances == identifier).any()]
    found = sum(bool((marked & (instances == identifier).any(0)).any()) for identifier in inside)
    parts, count = ndimage.label(marked, np.ones((3, 3)))
    touched = np.unique(parts[(label != 0) & marked])
    return Counts(
        true_positive=int((marked & truth).sum()),
        false_positive=int((marked & ~truth & valid).sum()),
        false_negative=int((~marked & truth).sum()),
        lesions=len(inside),
        found=int(found),
        false_alarms=int(count - len(touched)),
        images=1,
    )
