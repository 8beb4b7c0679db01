"""Labelled training cases, validation cases and unlabelled cases of a training."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region

from ...dataset.budgets import draw_budget, patients_of
from ...dataset.cases import (
    GENERATED,
    cases_of,
    load_case,
    load_placement,
    patients_with_lesions,
    records_of,
    shows_lesion,
    stored_region,
)
from ...dataset.folds import VALIDATION_FOLD
from ...dataset.opened import Data, DataSet, opened
from ...phantom.store.crops import PatientStore
from .config import TrainingConfig

#: If more than this share of the lesions outlined in whole-body scans lies outside the thorax, the readers examined the
#: whole body: about half of all metastases lie there. A few lesions that the thorax box just misses do not count.
SHARE_OUTSIDE = 0.1


@dataclass(frozen=True)
class TrainingCases:
    """Names of the cases of a training.

    Attributes:
        labelled: labelled cases for training.
        validation: labelled cases for validation.
        unlabelled: cases used without labels.
    """

    labelled: list[str]
    validation: list[str]
    unlabelled: list[str]


def any_lesion(data: Data, cases: Iterable[str], region: Region) -> bool:
    """Return whether any case has a labelled lesion in the region.

    Raises:
        UserError: a file is missing or unreadable.
    """
    return any(shows_lesion(load_case(data, case, region=region)) for case in cases)


def outlined_region(data: Data, cases: Iterable[str]) -> Region:
    """Infer the region that the readers examined: the whole body, or only the thorax of whole-body images.

    Outside of that region, bone without an outline is not known to be healthy.

    Raises:
        UserError: a file is missing or unreadable.
    """
    names = list(cases)
    if stored_region(data, names) != "whole-body":
        return "thorax"
    lesions = outside = 0
    for case in names:
        (first, end), (left, right) = load_placement(data, case).reference
        layers = [layer for layer in load_case(data, case, region="whole-body").instances.values() if layer.size]
        everywhere = {int(number) for layer in layers for number in np.unique(layer)} - {0}
        box = (slice(None), slice(max(first, 0), end), slice(max(left, 0), right))
        inside = {int(number) for layer in layers for number in np.unique(layer[box])} - {0}
        lesions += len(everywhere)
        outside += len(everywhere - inside)
    return "whole-body" if outside > SHARE_OUTSIDE * lesions else "thorax"


def training_and_validation(
    data: Data, validation_folds: Collection[int] = (VALIDATION_FOLD,)
) -> tuple[list[str], list[str]]:
    """Return (labelled training cases, validation cases) when every label is used.

    Args:
        data: data set.
        validation_folds: folds of the data set whose cases validate.

    Raises:
        UserError: not a data set, or one without training cases.
    """
    files = opened(data)
    cases_of(files, "train")
    try:
        folds = files.json("splits.json")["folds"]
        held = sorted(case for number in validation_folds for case in folds[number]["val"])
        if len(validation_folds) == 1:
            training = folds[next(iter(validation_folds))]["train"]
        else:
            # Some cases are only used for evaluation: no fold trains on them.
            training = sorted({case for fold in folds for case in fold["train"]} - set(held))
    except (KeyError, IndexError, TypeError) as error:
        path = files.folder / "splits.json"
        raise UserError(f"{path} holds no folds; create the data set again or restore the file.") from error
    if not training:
        raise UserError(f"{files.folder} holds no labelled training case; simulate or label some first.")
    return training, held


def training_cases(data: Data, config: TrainingConfig) -> TrainingCases:
    """Return the cases that a training uses.

    An unsupervised training uses labels for validation only, and works without any: its labelled training cases join
    the unlabelled ones.

    Raises:
        UserError: not a data set, no training case, fewer patients or samples than the budget, or `labelled_cases`
            that are not labelled training cases.
    """
    data = opened(data)
    no_labels = config.method == "unsupervised" and not cases_of(data, "train")
    labelled, validation = ([], []) if no_labels else training_and_validation(data, config.validation_folds)
    patients = patients_of(data)
    rest: list[str] = []
    if config.labels is not None or config.labelled_cases is not None:
        with_labels = {case: patients[case] for case in (*labelled, *validation)}
        labelled, validation, rest = _within_budget(data, with_labels, config)
    known = {patients[case] for case in (*labelled, *validation, *cases_of(data, "test"))}
    unlabelled = rest + [case for case in cases_of(data, "unlabelled") if patients[case] not in known]
    if config.method == "unsupervised":
        labelled, unlabelled = [], labelled + unlabelled
        if not unlabelled:
            raise UserError(f"{data.folder} holds no scan to train on; simulate or gather some first.")
    elif config.method == "supervised":
        unlabelled = []
    elif not unlabelled:
        raise UserError(
            f"{data.folder} holds no unlabelled case for the method {config.method}; add some or ask for fewer labels."
        )
    return TrainingCases(sorted(labelled), sorted(validation), sorted(unlabelled))


def _within_budget(
    data: DataSet, with_labels: Mapping[str, str], config: TrainingConfig
) -> tuple[list[str], list[str], list[str]]:
    """Split the {case: patient} with labels into (labelled, validation, unlabelled) cases within the label budget."""
    if GENERATED in with_labels.values():
        # A generator trained on all labels would leak them past the budget, and from the validation patients.
        raise UserError(
            f"{data.folder} holds generated cases: set its label budget when creating it (`augment`), not in training."
        )
    pool = dict(with_labels)
    if config.labelled_cases is not None:
        foreign = sorted(set(config.labelled_cases) - set(with_labels))
        if foreign:
            raise UserError(
                f"{foreign[0]} is not a labelled training case of {data.folder}; choose other labelled cases.",
                "labelled_cases",
            )
        pool = {case: with_labels[case] for case in config.labelled_cases}
    units = len(set(pool.values())) if config.budget_by == "patient" else len(pool)
    labels = units if config.labels is None else config.labels
    records = [record for record in records_of(data) if record["case"] in pool]
    positive = patients_with_lesions(data, records)
    labelled, validation, rest = draw_budget(pool, labels, config.budget_by, config.seed, positive)
    used = {pool[case] for case in (*labelled, *validation)}
    rest += [case for case, patient in with_labels.items() if case not in pool and patient not in used]
    # A case that splits.json gives to no training set is used for evaluation only.
    trainable = {case for fold in data.json("splits.json")["folds"] for case in fold["train"]}
    labelled, rest = ([case for case in group if case in trainable] for group in (labelled, rest))
    if not labelled and config.method != "unsupervised":
        raise UserError(f"The {labels} {config.budget_by}s drawn hold no training case; use more labels.", "labels")
    return labelled, validation, rest


def stored_patients(config: TrainingConfig) -> PatientStore | None:
    """Open the store of simulated patients of a training; None without one.

    Raises:
        UserError: the folder holds no patients.
    """
    return None if config.store is None else PatientStore(Path(config.store), config.region)
