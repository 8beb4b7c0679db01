"""Inter-reader agreement: the area difference of Lin et al. 2022, Eq. 2, and the consensus rule (Sec. 2.2).

Three readers draw closed curves on an image. If every pair differs by at most 5 %, one of the three is chosen at
random; otherwise the image is annotated again. The paper does not state what happens if that does not help: after
`ROUNDS` rounds the pixel majority is used (ours).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

#: Largest area difference of readers who agree (the paper's 5 %).
LARGEST_DIFFERENCE = 0.05
#: Number of annotation rounds before the majority decides (ours).
ROUNDS = 2


@dataclass(frozen=True)
class ReaderAgreement:
    """The readers' consensus on one image.

    Attributes:
        mask: (rows, columns) bool.
        reader: index of the reader whose outline was chosen; None if the majority decided.
        differences: area difference of every pair of readers, per round.
    """

    mask: Mask
    reader: int | None
    differences: tuple[tuple[float, ...], ...]

    @property
    def rounds(self) -> int:
        """Number of annotation rounds."""
        return len(self.differences)

    @property
    def decided_by(self) -> str:
        """How the consensus was reached: "agreement" or "majority"."""
        return "majority" if self.reader is None else "agreement"


def area_difference(one: Mask, two: Mask) -> float:
    """Compute Eq. 2, `1 - |A1 and A2| / |A1 or A2|`; 0 for two empty outlines."""
    union = int((one | two).sum())
    return 1.0 - int((one & two).sum()) / union if union else 0.0


def dice(one: Mask, two: Mask) -> float:
    """Compute the Dice similarity coefficient; 1 for two empty outlines."""
    total = int(one.sum()) + int(two.sum())
    return 2 * int((one & two).sum()) / total if total else 1.0


def differences(masks: Sequence[Mask]) -> tuple[float, ...]:
    """Compute the area difference of every pair, in the order of itertools.combinations."""
    return tuple(area_difference(one, two) for one, two in combinations(masks, 2))


def majority(masks: Sequence[Mask]) -> Mask:
    """Return the pixels marked by more than half of the readers."""
    return np.stack(list(masks)).sum(0) * 2 > len(masks)


def agree(
    annotate: Callable[[int], Sequence[Mask]], rng: np.random.Generator, limit: float = LARGEST_DIFFERENCE
) -> ReaderAgreement:
    """Annotate until the readers agree, at most ROUNDS times.

    Args:
        annotate: returns the readers' masks of a round (0, 1, ...).
        rng: chooses the reader whose outline is used.
        limit: largest area difference of a pair that counts as agreement.
    """
    masks: Sequence[Mask] = ()
    found: list[tuple[float, ...]] = []
    for number in range(ROUNDS):
        masks = annotate(number)
        found.append(differences(masks))
        if max(found[-1], default=0.0) <= limit:
            reader = int(rng.integers(len(masks)))
            return ReaderAgreement(masks[reader], reader, tuple(found))
    return ReaderAgreement(majority(masks), None, tuple(found))


def compare_readers(masks: Sequence[Mask], exact: Mask, consensus: ReaderAgreement) -> dict[str, Any]:
    """Compute the agreement figures of one image, for its record.

    Args:
        masks: the readers' masks of the first round, (rows, columns) bool.
        exact: the true lesions, (rows, columns) bool.
        consensus: the readers' consensus.
    """
    return {
        "marked": bool(np.any(masks)),
        "lesions": bool(exact.any()),
        "area_differences": [[round(value, 4) for value in found] for found in consensus.differences],
        "decided_by": consensus.decided_by,
        "pair_dice": [round(dice(one, two), 4) for one, two in combinations(masks, 2)],
        "exact_dice": [round(dice(mask, exact), 4) for mask in masks],
    }


def summarise_agreement(images: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Summarise the agreement of readers over a data set, from the records of `compare_readers`.

    Images without any mark are counted but excluded from the other figures. Dice figures are means over images: of all
    pairs, of every image's best pair, and of single readers against the exact ground truth.
    """
    records = list(images)
    marked = [record for record in records if record["marked"]]
    diseased = [record for record in marked if record["lesions"]]
    return {
        "images": len(records),
        "images_with_marks": len(marked),
        "limit": LARGEST_DIFFERENCE,
        "rejected_in_round_1": _mean(max(record["area_differences"][0]) > LARGEST_DIFFERENCE for record in marked),
        "decided_by_majority": _mean(record["decided_by"] == "majority" for record in marked),
        "pair_dice": _mean(value for record in marked for value in record["pair_dice"]),
        "best_pair_dice": _mean(max(record["pair_dice"]) for record in marked),
        "exact_dice": _mean(value for record in diseased for value in record["exact_dice"]),
    }


def _mean(values: Iterable[float]) -> float | None:
    """Return the mean to four digits; None without values."""
    found = [float(value) for value in values]
    return round(sum(found) / len(found), 4) if found else None
