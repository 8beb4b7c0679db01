"""Who may learn from whom: cross-validation folds by patient."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

FOLDS = 5
#: Fold whose held-out patients validate a training that may use every label.
VALIDATION_FOLD = 0

__all__ = ["FOLDS", "VALIDATION_FOLD", "extend_split", "split_by_patient"]


def split_by_patient(
    patients: dict[str, str],
    seed: int,
    folds: int = FOLDS,
    not_trained_on: Collection[str] = (),
    generated: Collection[str] = (),
) -> list[dict[str, list[str]]]:
    """Cross-validation folds in which no patient stands on both sides.

    Args:
        patients: case -> patient. seed: of the shuffle.
        not_trained_on: cases that may be held out but stand on no training side.
        generated: cases of no patient, made from those who train in VALIDATION_FOLD: they join them and no other fold.
    """
    names = sorted(set(patients.values()))
    order = np.random.default_rng(seed).permutation(len(names))
    result = []
    for fold in range(folds):
        held = {names[i] for i in order[fold::folds]}
        val = sorted(case for case, patient in patients.items() if patient in held)
        result.append({"train": sorted(set(patients) - set(val) - set(not_trained_on)), "val": val})
    result[VALIDATION_FOLD]["train"] += sorted(generated)
    return result


def extend_split(
    folds: list[dict[str, list[str]]], patients: dict[str, str], seed: int
) -> tuple[list[dict[str, list[str]]], dict[str, int]]:
    """Existing folds with new cases in them: known patients stay where they are, their new cases go with them.

    New patients come in an order drawn from the seed, each to the fold that holds out the fewest patients.

    Args:
        folds: as from `split_by_patient`. patients: case -> patient of all cases, old and new. seed: of the order.

    Returns:
        The folds, and for every new patient the fold that holds it out.
    """
    place = {patients[case]: i for i, fold in enumerate(folds) for case in fold["val"] if case in patients}
    new = sorted(set(patients.values()) - set(place))
    held = [sum(fold == i for fold in place.values()) for i in range(len(folds))]
    joined: dict[str, int] = {}
    for i in np.random.default_rng(seed).permutation(len(new)):
        fold = held.index(min(held))
        joined[new[i]] = place[new[i]] = fold
        held[fold] += 1
    known = {case for fold in folds for case in (*fold["train"], *fold["val"])}
    added = sorted(set(patients) - known)
    result = [
        {
            "train": sorted([*fold["train"], *(case for case in added if place[patients[case]] != i)]),
            "val": sorted([*fold["val"], *(case for case in added if place[patients[case]] == i)]),
        }
        for i, fold in enumerate(folds)
    ]
    return result, joined
