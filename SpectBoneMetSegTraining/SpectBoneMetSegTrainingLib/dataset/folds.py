"""Cross-validation folds by patient."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

FOLDS = 5
#: Fold whose held-out patients are the validation set of a training that may use every label.
VALIDATION_FOLD = 0

__all__ = ["FOLDS", "VALIDATION_FOLD", "extend_split", "split_by_patient"]


def split_by_patient(
    patients: dict[str, str],
    seed: int,
    folds: int = FOLDS,
    generated: Collection[str] = (),
    with_lesions: Collection[str] = (),
) -> list[dict[str, list[str]]]:
    """Draw cross-validation folds in which no patient is both in the training and in the validation set.

    Args:
        patients: case -> patient.
        seed: seed of the shuffle.
        folds: number of folds.
        generated: cases without a patient, sampled from a generator trained on the training patients of
            VALIDATION_FOLD; they belong to the training set of that fold only.
        with_lesions: patients with a labelled lesion in their scans. They are spread so that every fold holds one out
            if possible; a single one is used for training, not for validation.

    Returns:
        {"train": cases, "val": cases} of each fold.
    """
    names = sorted(set(patients.values()))
    order = np.random.default_rng(seed).permutation(len(names))
    sides = [[names[i] for i in order[fold::folds]] for fold in range(folds)]
    _spread(sides, set(with_lesions))
    result = []
    for held in sides:
        val = sorted(case for case, patient in patients.items() if patient in held)
        result.append({"train": sorted(set(patients) - set(val)), "val": val})
    result[VALIDATION_FOLD]["train"] += sorted(generated)
    return result


def _spread(sides: list[list[str]], with_lesions: set[str]) -> None:
    """Exchange patients between the held-out sets, in place, until as many of them as possible have lesions.

    Sets that have lesions already stay as drawn, so that data sets with many lesions are split as in earlier versions.
    """
    first = [VALIDATION_FOLD, *(fold for fold in range(len(sides)) if fold != VALIDATION_FOLD)]

    def lesions_in(fold: int) -> list[str]:
        return [name for name in sides[fold] if name in with_lesions]

    if sum(len(lesions_in(fold)) for fold in first) == 1:
        # The only patient with lesions is needed for training.
        first = first[1:] if len(sides) > 1 else first
    for fold in first:
        donor = max(range(len(sides)), key=lambda other: len(lesions_in(other)))
        # VALIDATION_FOLD comes first: it may take the only one of another fold.
        spare = len(lesions_in(donor)) - (1 if donor in first and fold != VALIDATION_FOLD else 0)
        if lesions_in(fold) or spare < 1:
            continue
        moved = lesions_in(donor)[-1]
        sides[donor].remove(moved)
        replacement = next((name for name in sides[fold] if name not in with_lesions), None)
        sides[fold].append(moved)
        if replacement is not None:
            sides[fold].remove(replacement)
            sides[donor].append(replacement)


def extend_split(
    folds: list[dict[str, list[str]]], patients: dict[str, str], seed: int, with_lesions: Collection[str] = ()
) -> tuple[list[dict[str, list[str]]], dict[str, int]]:
    """Add new cases to existing folds: known patients stay in their fold, their new cases join them.

    New patients are assigned in an order drawn from the seed, each to the fold that holds out the fewest patients; one
    with lesions to the first fold that has none.

    Args:
        folds: as returned by `split_by_patient`.
        patients: case -> patient of all cases, old and new.
        seed: seed of the order.
        with_lesions: patients with a labelled lesion in their scans.

    Returns:
        The folds, and {new patient: index of the fold that holds it out}.
    """
    fold_of = {patients[case]: i for i, fold in enumerate(folds) for case in fold["val"] if case in patients}
    new = sorted(set(patients.values()) - set(fold_of))
    held = [sum(fold == i for fold in fold_of.values()) for i in range(len(folds))]
    joined: dict[str, int] = {}
    for i in np.random.default_rng(seed).permutation(len(new)):
        choice = list(range(len(folds)))
        if new[i] in with_lesions:
            covered = {fold_of[name] for name in with_lesions if name in fold_of}
            # The first one of all is used for training, the second for validation.
            without_lesions = [fold for fold in choice if fold not in covered and (covered or fold != VALIDATION_FOLD)]
            choice = (without_lesions[:1] if covered else without_lesions) or choice
        fold = min(choice, key=lambda fold: held[fold])
        joined[new[i]] = fold_of[new[i]] = fold
        held[fold] += 1
    known = {case for fold in folds for case in (*fold["train"], *fold["val"])}
    added = sorted(set(patients) - known)
    result = [
        {
            "train": sorted([*fold["train"], *(case for case in added if fold_of[patients[case]] != i)]),
            "val": sorted([*fold["val"], *(case for case in added if fold_of[patients[case]] == i)]),
        }
        for i, fold in enumerate(folds)
    ]
    return result, joined
