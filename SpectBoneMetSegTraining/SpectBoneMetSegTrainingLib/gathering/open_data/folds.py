"""Cross-validation folds of a public set, by patient with duplicates together, or the published split."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.plural import pluralize

from ...dataset.folds import FOLDS, split_by_patient
from .description import PublicSet
from .listing import Listing, files_in

__all__ = ["SEED", "Sides", "case_names", "folds_of", "patient_names", "published_bs80k", "sides_of"]

#: Random seed; fixed, so that every import has the same folds.
SEED = 42
Sides = dict[str, str]
#: Number of patients with pictures of regions; the published split is a shuffle of exactly these.
WITH_REGIONS = 2925
#: Folders of these pictures, a whole one of which names the patients.
REGION_FOLDER = re.compile("(?:(?:ankle|chest|elbow|knee|sho)[LR]|head|pelvis|vertbra)(?:ANT|POST)", re.IGNORECASE)
REGION_PICTURE = re.compile(r"(\d+)\.jpg", re.IGNORECASE)
#: Splits in manifest.csv; patients of the set that its authors did not use are in our training set.
SPLIT_WORDS = {"train": "train", "validation": "validation", "val": "validation", "test": "test", "unused": "train"}
OWN_FOLDS = f"folds of our own, seed {SEED}, not the published split"


def sides_of(found: PublicSet, listing: Listing, folder: Path) -> tuple[Sides, str]:
    """Return {patient: "train", "validation" or "test"}, and where that is from in words; "" of sets without a split.

    The published split of BS-80K is the one that the set's manifest states, or else formed from the pictures of
    regions. Without either, all patients are in the training set.

    Args:
        found: description of the set.
        listing: its files.
        folder: where the scans lie.
    """
    patients = listing.patients()
    if (found.people or found.name) != "bs80k":
        return dict.fromkeys(patients, "train"), ""
    formed, about = _formed(patients, folder)
    stated = {patient: SPLIT_WORDS.get("".join(words)) for patient, words in listing.sides.items()}
    unclear = [patient for patient, side in stated.items() if side is None]
    if unclear:
        words = " and ".join(sorted(listing.sides[unclear[0]]))
        about = f"manifest.csv puts patient {unclear[0]} into the split {words!r}, so its splits were not used. {about}"
    elif stated:
        formed = {patient: stated.get(patient) or formed[patient] for patient in patients}
        others = sum(patient not in stated for patient in patients)
        rest = f" It does not name {pluralize(others, 'patient')} of the scans. {about}" if others else ""
        about = f"The published split, as manifest.csv states it.{rest}"
    return together(formed, found), about


def _formed(patients: Collection[str], folder: Path) -> tuple[Sides, str]:
    """Return the published split as formed from the pictures of regions, or all patients as "train", and a sentence."""
    regions = _region_patients(folder)
    whole = {frozenset(ids) for ids in regions.values() if len(ids) == WITH_REGIONS}
    if len(whole) == 1:
        about = f"The published split, formed from the {WITH_REGIONS} pictures of a region."
        return published_bs80k(patients, whole.pop()), about
    why = "BS-80K's folders of regions are not there"
    if whole:
        why = "BS-80K's folders of regions show different patients"
    elif regions:
        most = max(regions, key=lambda path: len(regions[path]))
        why = (
            f"None of BS-80K's folders of regions has the published {WITH_REGIONS} pictures ({most.name} has "
            f"{len(regions[most])})"
        )
    return dict.fromkeys(patients, "train"), f"{why}: {OWN_FOLDS}."


def _region_patients(folder: Path) -> dict[Path, set[str]]:
    """Return {folder of a region: patients with a picture in it}."""
    regions: dict[Path, set[str]] = {}
    for path in files_in(folder):
        name = REGION_PICTURE.fullmatch(path.name)
        if name is not None and REGION_FOLDER.fullmatch(path.parent.name):
            regions.setdefault(path.parent, set()).add(str(int(name[1])))
    return regions


def patient_names(found: PublicSet, patients: Collection[str]) -> dict[str, str]:
    """{number in the set: name in the data set}; twins have one name, and sets of the same people the same names."""
    people = found.people or found.name
    first = {other: group[0] for group in found.twins for other in group}
    names = {}
    for patient in patients:
        own = first.get(patient, patient)
        names[patient] = f"{people}-{int(own):05d}" if own.isdecimal() else f"{people}-{own}"
    return names


def case_names(found: PublicSet, patients: Collection[str]) -> dict[str, str]:
    """Return {patient: name of the case}.

    Raises:
        UserError: two patients would have one name, also on a system that takes upper and lower case for the same.
    """
    names: dict[str, str] = {}
    owner: dict[str, str] = {}
    for patient in patients:
        names[patient] = f"{found.name}_{patient}".replace(" ", "-").replace("/", "-")
        other = owner.setdefault(names[patient].casefold(), patient)
        if other != patient:
            raise UserError(
                f"Patients {other!r} and {patient!r} of {found.title} would have one name, {names[patient]}; rename "
                "the files or folders of one of them, then import again."
            )
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
