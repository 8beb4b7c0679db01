"""How many trainings of how many steps fit into the time that somebody gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.card import ModelCard

from ...common.pace import Pace
from ...dataset.budgets import patients_of
from ...dataset.cases import records_of, stored_region
from ...dataset.opened import Data, opened
from ..setup.cases import any_lesion, outlined_region, training_and_validation
from ..setup.config import TrainingConfig
from ..setup.presets import RATE_FINE_TUNING
from ..trainer import train

__all__ = [
    "Plan",
    "base_config",
    "groups_of_folds",
    "labelled_patients",
    "make_plan",
    "region_to_train",
    "step_seconds",
]

#: With fewer patients nobody can be left out for the others.
MINIMUM_LABELLED_PATIENTS = 4
#: Steps of one training: below the first there is nothing to learn, beyond the last few labels are learnt by heart.
MINIMUM_STEPS, MAXIMUM_STEPS = 40, 600
#: Of the time that is given so much goes into steps; the rest into looks, thresholds and the page.
TRAINING_SHARE = 0.7
#: Steps that are timed; the first one builds the graph.
TIMED_STEPS = 5
#: Parts of a training after each of which the patients who were left out are judged.
VALIDATIONS = 4
#: Said where the outlines alone speak for the thorax.
FEW_OUTSIDE_THORAX = "The thorax alone is taught: hardly an outline lies outside."
PATCH, BATCH = 128, 8
#: Keys in plan.json and in model cards, where they differ from the attribute.
KEYS = {"validate_every": "look_every", "region_reason": "taught"}
#: Of the labelled patches so many come from a store of simulated patients where one is given.
STORE_SHARE = 0.3


@dataclass(frozen=True)
class Plan:
    """What will be trained.

    Attributes:
        groups: folds of the data set, those together that are left out together; one of them alone: no second training.
        steps: of each training.
        validate_every: steps between two looks.
        minutes: about how long all of it takes.
        patients: labelled ones.
        region: that is taught; None in plans of an earlier program.
        region_reason: that in words, and why.
    """

    groups: tuple[tuple[int, ...], ...]
    steps: int
    validate_every: int
    minutes: float
    patients: int
    region: Region | None = None
    region_reason: str = ""

    @property
    def runs(self) -> int:
        """How many trainings there are."""
        return len(self.groups) + (len(self.groups) > 1)

    @property
    def sentence(self) -> str:
        """The plan in words."""
        if len(self.groups) > 1:
            how = f"{len(self.groups)} short trainings, each without some of the patients, and one with all of them"
        else:
            how = "one training, without the patients who judge it: there is no time for more"
        return (
            f"{how}, {self.steps} steps each: about {self.minutes:.0f} minutes for {self.patients} labelled patients."
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = {**asdict(self), "groups": [list(group) for group in self.groups]}
        return {KEYS.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Plan:
        """The inverse of `to_dict`."""
        names = {key: name for name, key in KEYS.items()}
        plain = {names.get(key, key): value for key, value in values.items()}
        return cls(**{**plain, "groups": tuple(tuple(group) for group in values["groups"])})


def base_config(
    card: ModelCard,
    start: str,
    data: Data,
    unlabelled: bool,
    store: Path | None = None,
    seed: int = 0,
    region: Region = "thorax",
) -> TrainingConfig:
    """What all trainings share: the start, its network, the region.

    Args:
        start: name or path of the model.
        unlabelled: whether there are scans without labels.
        region: that is taught, see `region_to_train`.
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
        patience=0,
        store=None if store is None else str(store.resolve()),
        store_share=STORE_SHARE,
        start=start,
        start_sha256=card.sha256,
    )


def region_to_train(card: ModelCard, data: Data, asked: Region | None) -> tuple[Region, str]:
    """The region that the model, the images and the outlines know, and a sentence that says so.

    Args:
        card: of the model to begin with.
        asked: what the readers looked at; None for what their outlines tell.

    Raises:
        UserError: the whole body is asked for of a model or of images that know the thorax alone.
    """
    labelled, held = training_and_validation(data)
    cases = [*labelled, *held]
    if asked == "whole-body":
        _check_whole_body(card, data, cases)
    if card.trained_region != "whole-body":
        return "thorax", f"The thorax alone is taught, for {card.name} knows no more."
    if stored_region(data, cases) != "whole-body":
        return "thorax", "The thorax alone is taught, for the pictures show no more."
    if asked == "thorax":
        return "thorax", "The thorax alone is taught."
    if asked is None and outlined_region(data, cases) == "thorax":
        return "thorax", FEW_OUTSIDE_THORAX
    return "whole-body", "The whole body is taught."


def _check_whole_body(card: ModelCard, data: Data, cases: Sequence[str]) -> None:
    if card.trained_region != "whole-body":
        raise UserError(
            f"{card.name} knows the thorax alone; begin with another model, or leave the region out.", "start"
        )
    if stored_region(data, cases) != "whole-body":
        raise UserError(
            f"{opened(data).folder} holds pictures of the thorax alone; gather it anew, or leave the region out.",
            "region",
        )


def groups_of_folds(data: Data, most: int, region: Region) -> tuple[tuple[int, ...], ...]:
    """Folds put together into at most so many groups, each of which leaves out somebody with a lesion of the region."""
    data = opened(data)
    folds = data.json("splits.json")["folds"]
    known = {record["case"] for record in records_of(data)}
    held = {number: [case for case in fold["val"] if case in known] for number, fold in enumerate(folds)}
    leading = [number for number, own in held.items() if any_lesion(data, own, region)]
    if not leading:
        where = "" if region == "whole-body" else f" in the {region}"
        raise UserError(f"No lesion is outlined{where} in {data.folder}; outline some first.")
    count = max(1, min(most, len(leading)))
    groups = [leading[place::count] for place in range(count)]
    for place, number in enumerate(number for number, own in held.items() if own and number not in leading):
        groups[place % count].append(number)
    # One with a lesion comes first: it stands for its group where there is time for one fold alone.
    return tuple(map(tuple, groups))


def step_seconds(data: Data, folder: Path, config: TrainingConfig) -> float:
    """Seconds a step takes here, measured on a few."""
    times: list[float] = []

    class EnoughError(Exception):
        """Enough steps were timed."""

    def progress(step: int, steps: int, _loss: float, _pace: Pace) -> None:
        times.append(monotonic())
        if step > TIMED_STEPS:
            raise EnoughError

    with suppress(EnoughError):
        train(data, folder, replace(config, steps=TIMED_STEPS + 2, validate_every=0), progress)
    return (times[-1] - times[0]) / max(len(times) - 1, 1)


def labelled_patients(data: Data) -> int:
    """How many patients of a data set have labels to learn from or to judge by."""
    labelled, held = training_and_validation(data)
    names = patients_of(data)
    return len({names[case] for case in (*labelled, *held)})


def make_plan(
    data: Data,
    minutes: float,
    folds: int,
    seconds: Callable[[], float],
    steps: int | None = None,
    region: Region = "thorax",
    region_reason: str = "",
) -> Plan:
    """The plan that fits.

    Args:
        minutes: that all of it may take.
        folds: at most so many parts of the patients are left out in turn.
        seconds: a step takes.
        steps: of each training, whatever the time; None for what fits.
        region: of the body that is learnt.
        region_reason: that in words.

    Raises:
        UserError: too few labelled patients.
    """
    patients = labelled_patients(data)
    if patients < MINIMUM_LABELLED_PATIENTS:
        raise UserError(
            f"{patients} labelled patients are too few to adapt to: label "
            f"{MINIMUM_LABELLED_PATIENTS} or more, best those that the model reads worst.",
            command="rank",
        )
    each = seconds()
    budget = TRAINING_SHARE * 60 * minutes / each
    groups = groups_of_folds(data, folds, region)
    while steps is None and len(groups) > 1 and budget / (len(groups) + 1) < MINIMUM_STEPS:
        groups = groups_of_folds(data, len(groups) - 1, region) if len(groups) > 2 else groups[:1]
    if len(groups) == 1:
        # Whoever is not left out teaches.
        groups = ((groups[0][0],),)
    runs = len(groups) + (len(groups) > 1)
    wanted = steps or int(min(max(budget / runs, MINIMUM_STEPS), MAXIMUM_STEPS))
    every = max(1, wanted // VALIDATIONS)
    total = runs * wanted * each / 60 / TRAINING_SHARE
    return Plan(groups, every * (wanted // every), every, total, patients, region, region_reason)
