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
    with_lesions: Collection[str] = (),
) -> list[dict[str, list[str]]]:
    """Cross-validation folds in which no patient stands on both sides.

    Args:
        patients: case -> patient.
        seed: of the shuffle.
        with_lesions: patients in whose scans a lesion is labelled. They are spread so that no fold that can hold one
            out is without; a single one teaches and does not validate.
        not_trained_on: cases that may be held out but stand on no training side.
        generated: cases of no patient, made from those who train in VALIDATION_FOLD: they join them and no other fold.
    """
    names = sorted(set(patients.values()))
    order = np.random.default_rng(seed).permutation(len(names))
    sides = [[names[i] for i in order[fold::folds]] for fold in range(folds)]
    _spread(sides, set(with_lesions))
    result = []
    for held in sides:
        val = sorted(case for case, patient in patients.items() if patient in held)
        result.append({"train": sorted(set(patients) - set(val) - set(not_trained_on)), "val": val})
    result[VALIDATION_FOLD]["train"] += sorted(generated)
    return result


def _spread(sides: list[list[str]], with_lesions: set[str]) -> None:
    """Exchange patients between the held-out sides, in place, until lesions stand wherever they can.

    Nothing is exchanged where they stand already, so that sets with many of them are drawn as they always were.
    """
    first = [VALIDATION_FOLD, *(fold for fold in range(len(sides)) if fold != VALIDATION_FOLD)]

    def having(fold: int) -> list[str]:
        return [name for name in sides[fold] if name in with_lesions]

    if sum(len(having(fold)) for fold in first) == 1:
        # Somebody has to be learnt from.
        first = first[1:] if len(sides) > 1 else first
    for fold in first:
        giver = max(range(len(sides)), key=lambda other: len(having(other)))
        # What validates is served first, also by a fold that has but one.
        spare = len(having(giver)) - (1 if giver in first and fold != VALIDATION_FOLD else 0)
        if having(fold) or spare < 1:
            continue
        given = having(giver)[-1]
        sides[giver].remove(given)
        back = next((name for name in sides[fold] if name not in with_lesions), None)
        sides[fold].append(given)
        if back is not None:
            sides[fold].remove(back)
            sides[giver].append(back)


def extend_split(
    folds: list[dict[str, list[str]]], patients: dict[str, str], seed: int, with_lesions: Collection[str] = ()
) -> tuple[list[dict[str, list[str]]], dict[str, int]]:
    """Existing folds with new cases in them: known patients stay where they are, their new cases go with them.

    New patients come in an order drawn from the seed, each to the fold that holds out the fewest patients; one with
    lesions to the first fold that has none.

    Args:
        folds: as from `split_by_patient`.
        patients: case -> patient of all cases, old and new.
        seed: of the order.
        with_lesions: patients in whose scans a lesion is labelled.

    Returns:
        The folds, and for every new patient the fold that holds it out.
    """
    place = {patients[case]: i for i, fold in enumerate(folds) for case in fold["val"] if case in patients}
    new = sorted(set(patients.values()) - set(place))
    held = [sum(fold == i for fold in place.values()) for i in range(len(folds))]
    joined: dict[str, int] = {}
    for i in np.random.default_rng(seed).permutation(len(new)):
        choice = list(range(len(folds)))
        if new[i] in with_lesions:
            having = {place[name] for name in with_lesions if name in place}
            # The very first one teaches; the second validates.
            bare = [fold for fold in choice if fold not in having and (having or fold != VALIDATION_FOLD)]
            choice = (bare[:1] if having else bare) or choice
        fold = min(choice, key=lambda fold: held[fold])
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
