"""Who may learn from whom: cross-validation folds by patient."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

FOLDS = 5

__all__ = ["FOLDS", "split_by_patient"]


def split_by_patient(
    patients: dict[str, str], seed: int, folds: int = FOLDS, not_trained_on: Collection[str] = ()
) -> list[dict[str, list[str]]]:
    """Cross-validation folds in which no patient stands on both sides.

    Args:
        patients: case -> patient. seed: of the shuffle.
        not_trained_on: cases that may be held out but stand on no training side.
    """
    names = sorted(set(patients.values()))
    order = np.random.default_rng(seed).permutation(len(names))
    result = []
    for fold in range(folds):
        held = {names[i] for i in order[fold::folds]}
        val = sorted(case for case, patient in patients.items() if patient in held)
        result.append({"train": sorted(set(patients) - set(val) - set(not_trained_on)), "val": val})
    return result
