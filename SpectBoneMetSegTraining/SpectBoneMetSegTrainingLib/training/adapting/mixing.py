"""Mixtures of the weights of a parent model and of the network that was trained from it.

Fine-tuning on few scans forgets some of what the parent model learnt from many. On the straight line between both sets
of weights lie networks that keep it and have learnt from the new scans (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"). Held-out patients choose the point on that line, which takes the place of early stopping.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

__all__ = ["Weights", "mixed", "shares_to_try"]

Weights = Sequence[NDArray[Any]]

#: Shares of the trained weights to choose from, and the one of a single fold.
SHARES, HALF = (0.25, 0.5, 0.75, 1.0), 0.5


def shares_to_try(folds: int) -> tuple[float, ...]:
    """Return the candidates; the few patients of a single fold would choose by chance, and none would be left to test.

    Args:
        folds: number of folds of the cross-validation.
    """
    return SHARES if folds > 1 else (HALF,)


def mixed(parent: Weights, trained: Weights, share: float) -> list[NDArray[Any]]:
    """Return parent + share x (trained - parent), array by array.

    Args:
        parent: weights of the parent model.
        trained: weights of the same shapes in the same order.
        share: 0 for the parent model, 1 for the trained network.
    """
    return [old + share * (new - old) for old, new in zip(parent, trained, strict=True)]
