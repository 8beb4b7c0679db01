"""Do readers agree? The area difference of Lin et al. 2022, Eq. 2, and what follows from it (Sec. 2.2).

Three readers draw closed curves on an image. Where every pair differs by at most 5 %, one of the three is taken at
random; otherwise the image is annotated again. The paper does not say what happens when that does not help: after
`ROUNDS` rounds we take the pixel majority (ours).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

#: The paper's limit.
LARGEST_DIFFERENCE = 0.05
#: Ours: how often an image is annotated before the majority decides.
ROUNDS = 2


@dataclass(frozen=True)
class Consensus:
    """The agreed ground truth of one image.

    Attributes:
        mask: (rows, columns) bool.
        reader: index of the reader whose outline was taken; None where the majority decided.
        differences: per round the area difference of every pair of readers.
    """

    mask: Mask
    reader: int | None
    differences: tuple[tuple[float, ...], ...]

    @property
    def rounds(self) -> int:
        """How often the image was annotated."""
        return len(self.differences)

    @property
    def decided_by(self) -> str:
        """ "agreement" or "majority"."""
        return "majority" if self.reader is None else "agreement"


def area_difference(one: Mask, two: Mask) -> float:
    """Eq. 2: `1 - |A1 and A2| / |A1 or A2|`; 0 for two empty outlines."""
    union = int((one | two).sum())
    return 1.0 - int((one & two).sum()) / union if union else 0.0


def dice(one: Mask, two: Mask) -> float:
    """Dice similarity coefficient; 1 for two empty outlines."""
    total = int(one.sum()) + int(two.sum())
    return 2 * int((one & two).sum()) / total if total else 1.0


def differences(masks: Sequence[Mask]) -> tuple[float, ...]:
    """Area difference of every pair, in the order of itertools.combinations."""
    return tuple(area_difference(one, two) for one, two in combinations(masks, 2))


def majority(masks: Sequence[Mask]) -> Mask:
    """Pixels that more than half of the readers marked."""
    return np.stack(list(masks)).sum(0) * 2 > len(masks)


def agree(
    annotate: Callable[[int], Sequence[Mask]], rng: np.random.Generator, limit: float = LARGEST_DIFFERENCE
) -> Consensus:
    """Annotate until the readers agree, at most ROUNDS times.

    Args:
        annotate: gives the readers' masks of a round (0, 1, ...).
        rng: picks the reader whose outline is taken.
        limit: largest area difference of a pair that still counts as agreement.
    """
    masks: Sequence[Mask] = ()
    found: list[tuple[float, ...]] = []
    for number in range(ROUNDS):
        masks = annotate(number)
        found.append(differences(masks))
        if max(found[-1], default=0.0) <= limit:
            reader = int(rng.integers(len(masks)))
            return Consensus(masks[reader], reader, tuple(found))
    return Consensus(majority(masks), None, tuple(found))


def compare_readers(masks: Sequence[Mask], exact: Mask, consensus: Consensus) -> dict[str, Any]:
    """What one image tells of its readers, for the record.

    Args:
        masks: the readers' marks of the first round.
        exact: (rows, columns) the true lesions.
        consensus: what came of it.
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
    """How well readers agree over a data set, from the records of `compare_readers`.

    Images on which nobody marked anything are counted but tell nothing: there all readers agree. Dice figures are means
    over images: of all pairs, of every image's best pair, and of single readers against the exact truth.
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
    """Mean to four digits; None of nothing."""
    found = [float(value) for value in values]
    return round(sum(found) / len(found), 4) if found else None
