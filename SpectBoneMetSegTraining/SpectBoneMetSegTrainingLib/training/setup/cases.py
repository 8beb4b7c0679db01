"""Which cases a training learns from, validates on and uses without labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

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
from .config import TrainingConfig

#: Of the lesions outlined in scans of the whole body at least so many lie outside the thorax, where the whole body was
#: looked at: about half of all metastases do. A lesion that the thorax box just misses is no such sign.
SHARE_OUTSIDE = 0.1


@dataclass(frozen=True)
class TrainingCases:
    """Names of the cases: labelled to learn from, validation (labelled too), unlabelled."""

    labelled: list[str]
    validation: list[str]
    unlabelled: list[str]


def any_lesion(data: Data, cases: Iterable[str], region: Region) -> bool:
    """Whether a labelled lesion lies in that region of some case."""
    return any(shows_lesion(load_case(data, case, region=region)) for case in cases)


def outlined_region(data: Data, cases: Iterable[str]) -> Region:
    """Where the readers outlined: the whole body, or the thorax alone although the images show the whole body.

    Outside of what they looked at, bone without an outline is not known to be healthy.

    Raises:
        UserError: a file is missing or unreadable.
    """
    names = list(cases)
    if stored_region(data, names) != "whole-body":
        return "thorax"
    lesions = outside = 0
    for case in names:
        (first, end), (left, right) = load_placement(data, case).reference
        layers = [each for each in load_case(data, case, region="whole-body").instances.values() if each.size]
        everywhere = {int(number) for each in layers for number in np.unique(each)} - {0}
        box = (slice(None), slice(max(first, 0), end), slice(max(left, 0), right))
        inside = {int(number) for each in layers for number in np.unique(each[box])} - {0}
        lesions += len(everywhere)
        outside += len(everywhere - inside)
    return "whole-body" if outside > SHARE_OUTSIDE * lesions else "thorax"


def training_and_validation(
    data: Data, validation_folds: Collection[int] = (VALIDATION_FOLD,)
) -> tuple[list[str], list[str]]:
    """Labelled training and validation cases when every label is used, validated by the data set's folds named.

    Raises:
        UserError: not a data set, or one without training cases.
    """
    files = opened(data)
    cases_of(files, "train")
    try:
        folds = files.json("splits.json")["folds"]
        held = sorted(case for number in validation_folds for case in folds[number]["val"])
        if len(validation_folds) == 1:
            taught = folds[next(iter(validation_folds))]["train"]
        else:
            # Some cases are only ever measured and stand on no training side.
            taught = sorted({case for fold in folds for case in fold["train"]} - set(held))
    except (KeyError, IndexError, TypeError) as error:
        path = files.folder / "splits.json"
        raise UserError(f"{path} holds no folds; make the data set again or restore the file.") from error
    if not taught:
        raise UserError(f"{files.folder} holds no labelled training case; simulate or label some first.")
    return taught, held


def training_cases(data: Data, config: TrainingConfig) -> TrainingCases:
    """The cases a training uses.

    An unsupervised training uses labels for validation only: its labelled cases join the unlabelled ones. It may do
    without any.

    Raises:
        UserError: not a data set, no training case, fewer patients or samples than the budget, or `labelled_cases`
            that are no labelled training cases.
    """
    data = opened(data)
    bare = config.method == "unsupervised" and not cases_of(data, "train")
    labelled, validation = ([], []) if bare else training_and_validation(data, config.validation_folds)
    patients = patients_of(data)
    rest: list[str] = []
    if config.labels is not None or config.labelled_cases is not None:
        everyone = {case: patients[case] for case in (*labelled, *validation)}
        labelled, validation, rest = _within_budget(data, everyone, config)
    known = {patients[case] for case in (*labelled, *validation, *cases_of(data, "test"))}
    unlabelled = rest + [case for case in cases_of(data, "unlabelled") if patients[case] not in known]
    if config.method == "unsupervised":
        labelled, unlabelled = [], labelled + unlabelled
        if not unlabelled:
            raise UserError(f"{data.folder} holds no scan to learn from; simulate or gather some first.")
    elif config.method == "supervised":
        unlabelled = []
    elif not unlabelled:
        raise UserError(
            f"{data.folder} holds no unlabelled case for the method {config.method}; add some or ask for fewer labels."
        )
    return TrainingCases(sorted(labelled), sorted(validation), sorted(unlabelled))


def _within_budget(
    data: DataSet, everyone: Mapping[str, str], config: TrainingConfig
) -> tuple[list[str], list[str], list[str]]:
    """(labelled, validation, rest) of the {case: patient} that have labels, as the config allows to use them."""
    if GENERATED in everyone.values():
        # What a generator learnt from the labels of all would slip past the budget, and into the validation patients.
        raise UserError(
            f"{data.folder} holds generated cases: choose its labels when making it (`augment`), not in training."
        )
    pool = dict(everyone)
    if config.labelled_cases is not None:
        foreign = sorted(set(config.labelled_cases) - set(everyone))
        if foreign:
            raise UserError(
                f"{foreign[0]} is no labelled training case of {data.folder}; choose other labelled cases.",
                "labelled_cases",
            )
        pool = {case: everyone[case] for case in config.labelled_cases}
    units = len(set(pool.values())) if config.budget_by == "patient" else len(pool)
    labels = units if config.labels is None else config.labels
    records = [record for record in records_of(data) if record["case"] in pool]
    marked = patients_with_lesions(data, records)
    labelled, validation, rest = draw_budget(pool, labels, config.budget_by, config.seed, marked)
    used = {pool[case] for case in (*labelled, *validation)}
    rest += [case for case, patient in everyone.items() if case not in pool and patient not in used]
    # Some cases (superscans, say) are only ever measured, never learnt from.
    learnable = {case for fold in data.json("splits.json")["folds"] for case in fold["train"]}
    labelled, rest = ([case for case in group if case in learnable] for group in (labelled, rest))
    if not labelled and config.method != "unsupervised":
        raise UserError(f"The {labels} {config.budget_by}s drawn hold nothing to learn from; ask for more.", "labels")
    return labelled, validation, rest
