"""Plan of an adaptation: how many trainings of how many steps fit into the time limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.card import ModelCard

from ...dataset.budgets import patients_of
from ...dataset.cases import cases_of, records_of, stored_region
from ...dataset.digest import outlines_digest
from ...dataset.folds import FOLDS
from ...dataset.opened import Data, opened
from ..setup.cases import any_lesion, outlined_region, training_and_validation
from ..setup.config import TrainingConfig
from ..setup.presets import RATE_FINE_TUNING
from .mixing import shares_to_try

__all__ = [
    "AdaptationPlan",
    "AdaptationTimes",
    "base_config",
    "digest_of_cases",
    "groups_of_folds",
    "labelled_patients",
    "make_plan",
    "region_to_train",
]

#: Minimum number of labelled patients for a cross-validation.
MINIMUM_LABELLED_PATIENTS = 4
#: Limits of the steps of one training: fewer have no effect, more overfit to few labels.
MINIMUM_STEPS, MAXIMUM_STEPS = 40, 600
#: The end (comparison with the parent model, calibration, report) takes about as long as so many evaluations.
FINAL_EVALUATIONS = 3
#: Reason for the thorax if it was inferred from the outlines.
FEW_OUTSIDE_THORAX = "Only the thorax is trained: hardly any outline lies outside it."
#: Share of the time limit that is kept as a reserve: with none, an adaptation of 30 minutes took 31.
RESERVE = 0.05
#: Side of a patch in pixels, patches per step.
PATCH, BATCH = 128, 8
#: Reasons for a single training.
NO_TIME, ONE_FOLD, ONE_WITH_LESION = (
    "there is no time for more",
    "one fold is requested",
    "only one fold holds an outlined lesion",
)
#: Keys in plan.json and in model cards, where they differ from the attribute.
KEYS = {"region_reason": "taught"}
#: Share of the labelled patches that come from the store of simulated patients, if there is one.
STORE_SHARE = 0.3


@dataclass(frozen=True)
class AdaptationTimes:
    """How long the parts of an adaptation take on this machine, in seconds.

    Attributes:
        spent: before the first training: scans gathered, these times measured.
        start: of a training until the end of its first step.
        step: of a further step.
        prediction: of a held-out case.
        evaluation: of a case's prediction at all operating points.
    """

    spent: float
    start: float
    step: float
    prediction: float
    evaluation: float

    def other(self, runs: int, cases: int) -> float:
        """Return the seconds of everything but the gradient steps.

        Args:
            runs: number of trainings; a single one has a single fold.
            cases: number of held-out cases, over all folds.
        """
        shares = len(shares_to_try(runs))
        of_case = shares * self.prediction + (shares + FINAL_EVALUATIONS) * self.evaluation
        return self.spent + runs * self.start + cases * of_case


@dataclass(frozen=True)
class AdaptationPlan:
    """Plan of an adaptation.

    Attributes:
        groups: groups of folds of the data set that are held out together; a single group means no final training.
        steps: gradient steps of each training.
        minutes: estimated time of the whole adaptation.
        patients: number of labelled patients.
        region: region that is trained; None in plans of an earlier version.
        region_reason: a sentence with the region and the reason for it.
        single_reason: why there is a single training, where there is one.
        outlines: digest of the outlines, see `digest_of_cases`; "" in plans of an earlier version.
    """

    groups: tuple[tuple[int, ...], ...]
    steps: int
    minutes: float
    patients: int
    region: Region | None = None
    region_reason: str = ""
    single_reason: str = NO_TIME
    outlines: str = ""

    @property
    def runs(self) -> int:
        """Number of trainings."""
        return trainings_of(self.groups)

    @property
    def sentence(self) -> str:
        """The plan in one sentence."""
        if self.runs > 1:
            how = f"{len(self.groups)} short trainings, each without one fold of the patients, and one with all of them"
        else:
            how = f"one training, without its validation patients: {self.single_reason}"
        return (
            f"{how}, {self.steps} steps each: about {self.minutes:.0f} minutes for {self.patients} labelled patients."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values = {**asdict(self), "groups": [list(group) for group in self.groups]}
        return {KEYS.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AdaptationPlan:
        """Return the plan from the values of `to_dict`."""
        names = {key: name for name, key in KEYS.items()}
        plain = {names.get(key, key): value for key, value in values.items()}
        return cls(**{**plain, "groups": tuple(tuple(group) for group in values["groups"])})


def base_config(
    card: ModelCard,
    start: str,
    data: Data,
    store: Path | None = None,
    seed: int = 0,
    region: Region = "thorax",
    *,
    unlabelled: bool,
) -> TrainingConfig:
    """Return the options shared by all trainings of an adaptation.

    Args:
        card: card of the parent model.
        start: name or path of the parent model.
        data: data set of the labelled patients.
        store: folder of simulated patients, None for none.
        seed: seed of all random numbers.
        region: region to train on, see `region_to_train`.
        unlabelled: whether there are unlabelled scans.
    """
    return TrainingConfig(
        batch=BATCH,
        patch=PATCH,
        learning_rate=RATE_FINE_TUNING,
        seed=seed,
        network=card.network,
        method="strong" if unlabelled else "supervised",
        region=region,
        operating_point="lesions",
        by_instance=True,
        validate_every=0,
        patience=0,
        store=None if store is None else str(store.resolve()),
        store_share=STORE_SHARE,
        start=start,
        start_sha256=card.sha256,
    )


def region_to_train(card: ModelCard, data: Data, requested: Region | None) -> tuple[Region, str]:
    """Return the region covered by model, images and outlines, and a sentence with the reason.

    Args:
        card: card of the parent model.
        data: data set.
        requested: region that the readers examined; None to infer it from their outlines.

    Raises:
        UserError: the whole body is requested, but the model or the images cover the thorax only.
    """
    labelled, validation = training_and_validation(data)
    cases = [*labelled, *validation]
    if requested == "whole-body":
        _check_whole_body(card, data, cases)
    if card.trained_region != "whole-body":
        return "thorax", f"Only the thorax is trained, because {card.name} covers no more."
    if stored_region(data, cases) != "whole-body":
        return "thorax", "Only the thorax is trained, because the images show no more."
    if requested == "thorax":
        return "thorax", "Only the thorax is trained."
    if requested is None and outlined_region(data, cases) == "thorax":
        return "thorax", FEW_OUTSIDE_THORAX
    return "whole-body", "The whole body is trained."


def _check_whole_body(card: ModelCard, data: Data, cases: Sequence[str]) -> None:
    if card.trained_region != "whole-body":
        raise UserError(
            f"{card.name} covers the thorax only; start from another model, or leave the region out.", "start"
        )
    if stored_region(data, cases) != "whole-body":
        raise UserError(
            f"{opened(data).folder} holds images of the thorax only; gather it again, or leave the region out.",
            "region",
        )


def groups_of_folds(data: Data, most: int, region: Region) -> tuple[tuple[int, ...], ...]:
    """Combine folds into at most `most` groups, each with a held-out lesion in the region.

    Raises:
        UserError: no lesion is outlined in the region.
    """
    data = opened(data)
    folds = data.json("splits.json")["folds"]
    present = {record["case"] for record in records_of(data)}
    held_out = {number: [case for case in fold["val"] if case in present] for number, fold in enumerate(folds)}
    positive = [number for number, cases in held_out.items() if any_lesion(data, cases, region)]
    if not positive:
        where = "" if region == "whole-body" else f" in the {region}"
        raise UserError(f"No lesion is outlined{where} in {data.folder}; outline some first.")
    count = max(1, min(most, len(positive)))
    groups = [positive[index::count] for index in range(count)]
    others = (number for number, cases in held_out.items() if cases and number not in positive)
    for index, number in enumerate(others):
        groups[index % count].append(number)
    # A fold with a lesion comes first: it represents its group if there is time for a single fold only.
    return tuple(map(tuple, groups))


def labelled_patients(data: Data) -> int:
    """Return the number of labelled training and validation patients of a data set."""
    labelled, validation = training_and_validation(data)
    names = patients_of(data)
    return len({names[case] for case in (*labelled, *validation)})


def digest_of_cases(data: Data) -> str:
    """Return the digest of all cases that an adaptation may use, and of their folds."""
    used = {f"fold {fold}": training_and_validation(data, (fold,))[1] for fold in range(FOLDS)}
    return outlines_digest(data, {**used, "unlabelled": cases_of(data, "unlabelled")})


def make_plan(
    data: Data,
    minutes: float,
    folds: int,
    times: Callable[[], AdaptationTimes],
    steps: int | None = None,
    region: Region = "thorax",
    region_reason: str = "",
) -> AdaptationPlan:
    """Return the plan that fits into the time limit.

    Args:
        data: data set.
        minutes: time limit of the whole adaptation.
        folds: maximum number of folds.
        times: measures how long its parts take.
        steps: gradient steps of each training, whatever the time; None for as many as fit.
        region: region of the body to train on.
        region_reason: a sentence with the region and the reason for it.

    Raises:
        UserError: too few labelled patients.
    """
    patients = labelled_patients(data)
    if patients < MINIMUM_LABELLED_PATIENTS:
        raise UserError(
            f"{patients} labelled patient{' is' if patients == 1 else 's are'} too few for an adaptation: label "
            f"{MINIMUM_LABELLED_PATIENTS} or more, preferably those on which the model is worst.",
            command="rank",
        )
    measured = times()
    groups = groups_of_folds(data, folds, region)
    single = NO_TIME if len(groups) > 1 else ONE_FOLD if folds == 1 else ONE_WITH_LESION
    while steps is None and len(groups) > 1 and _steps_that_fit(data, groups, minutes, measured) < MINIMUM_STEPS:
        groups = groups_of_folds(data, len(groups) - 1, region) if len(groups) > 2 else groups[:1]
    if len(groups) == 1:
        # All other folds are used for training.
        groups = ((groups[0][0],),)
    wanted = steps or min(max(int(_steps_that_fit(data, groups, minutes, measured)), MINIMUM_STEPS), MAXIMUM_STEPS)
    runs = trainings_of(groups)
    total = (measured.other(runs, _held_out(data, groups)) + runs * wanted * measured.step) / 60
    return AdaptationPlan(groups, wanted, total, patients, region, region_reason, single)


def trainings_of(groups: Sequence[Sequence[int]]) -> int:
    """Return the number of trainings: one per group, and one on all patients if there are several groups."""
    return len(groups) + (len(groups) > 1)


def _steps_that_fit(data: Data, groups: Sequence[Sequence[int]], minutes: float, times: AdaptationTimes) -> float:
    """Return the gradient steps of each training for which there is time; negative if there is no time at all."""
    runs = trainings_of(groups)
    return (60 * minutes * (1 - RESERVE) - times.other(runs, _held_out(data, groups))) / runs / times.step


def _held_out(data: Data, groups: Sequence[Sequence[int]]) -> int:
    """Return the number of held-out cases over all groups."""
    return sum(len(training_and_validation(data, group)[1]) for group in groups)
