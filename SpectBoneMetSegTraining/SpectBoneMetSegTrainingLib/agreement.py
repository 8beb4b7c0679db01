"""Do readers agree? The area difference of Lin et al. 2022, Eq. 2, and what follows from it (Sec. 2.2).

Three readers draw closed curves on an image. Where every pair differs by at most 5 %, one of the three is taken at
random; otherwise the image is annotated again. The paper does not say what happens when that does not help: after
`ROUNDS` rounds we take the pixel majority (ours).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

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
        rounds: how often it was annotated.
        decided_by: "agreement" or "majority".
        differences: area difference of every pair of readers in the last round.
    """

    mask: Mask
    rounds: int
    decided_by: str
    differences: tuple[float, ...]


def area_difference(one: Mask, two: Mask) -> float:
    """Eq. 2: 1 - |A1 and A2| / |A1 or A2|; 0 for two empty outlines."""
    union = int((one | two).sum())
    return 1.0 - int((one & two).sum()) / union if union else 0.0


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
    found: tuple[float, ...] = ()
    for number in range(ROUNDS):
        masks = annotate(number)
        found = differences(masks)
        if max(found, default=0.0) <= limit:
            return Consensus(masks[int(rng.integers(len(masks)))], number + 1, "agreement", found)
    return Consensus(majority(masks), ROUNDS, "majority", found)
