"""Cross-validation folds of a public set, by patient with duplicates together, or the published split."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ...dataset.folds import FOLDS, split_by_patient
from .description import PublicSet

__all__ = ["SEED", "Sides", "folds_of", "patient_names", "published_bs80k"]

#: Random seed; fixed, so that every import has the same folds.
SEED = 42
Sides = dict[str, str]


def patient_names(found: PublicSet, patients: Collection[str]) -> dict[str, str]:
    """{number in the set: name in the data set}; twins have one name, and sets of the same people the same names."""
    people = found.people or found.name
    first = {other: group[0] for group in found.twins for other in group}
    names = {}
    for patient in patients:
        own = first.get(patient, patient)
        names[patient] = f"{people}-{int(own):05d}" if own.isdecimal() else f"{people}-{own}"
    return names


def published_bs80k(patients: Collection[str], with_regions: Collection[str]) -> Sides:
    """{patient: "train", "validation" or "test"} of Zenodo 23190333, the split of published results.

    2,340 / 292 / 293 of the 2,925 patients with images of regions, shuffled with seed 42; all other patients are in
    the training set.

    Args:
        patients: names of all patients of the set.
        with_regions: those 2,925.
    """
    names = sorted(f"{int(patient):04d}" for patient in with_regions)
    np.random.default_rng(SEED).shuffle(names)
    train, validation = int(0.8 * len(names)), int(0.1 * len(names))
    sides: Sides = dict.fromkeys(patients, "train")
    for index, name in enumerate(names):
        own = str(int(name))
        if own in sides:
            sides[own] = "train" if index < train else "validation" if index < train + validation else "test"
    return sides


def together(sides: Sides, found: PublicSet) -> Sides:
    """Return the splits with all of a patient's numbers in one: test if any is there, else validation."""
    result = dict(sides)
    for group in found.twins:
        own = [result[patient] for patient in group if patient in result]
        for side in ("test", "validation"):
            if side in own:
                result |= {patient: side for patient in group if patient in result}
                break
    return result


def folds_of(
    patients: Mapping[str, str], validation: Collection[str], with_lesions: Collection[str]
) -> list[dict[str, list[str]]]:
    """Return folds of cases; a published validation set becomes the first fold.

    Args:
        patients: {case: patient} of training and validation.
        validation: cases of the published validation set.
        with_lesions: patients with lesions.
    """
    if not validation:
        return split_by_patient(dict(patients), SEED, with_lesions=with_lesions)
    rest = {case: patient for case, patient in patients.items() if case not in validation}
    others = split_by_patient(rest, SEED, FOLDS - 1, with_lesions=with_lesions)
    held = [sorted(validation), *(fold["val"] for fold in others)]
    return [{"train": sorted(set(patients) - set(val)), "val": val} for val in held]
