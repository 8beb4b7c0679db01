"""A finished model beside its parent on the patients that validated its training, and what its card tells of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.store import ModelFolder, find_model, load_network

from ...dataset.budgets import patients_of
from ...dataset.opened import Data, opened
from ...evaluation.predictions import (
    Delineator,
    Prediction,
    as_union,
    choose_threshold,
    level_region_of,
    predict_cases,
)
from ...evaluation.report import compare_models, figures
from ...evaluation.scores import CaseScores, from_flat, score_cases, without_flags
from ..setup.cases import training_cases
from ..setup.config import TrainingConfig
from ..validation import single_image_predictor
from .promotion import Difference, ParentComparison, Verdict, verdict_of

#: What else is told of both models, by the names of `report.figures`.
FURTHER = ("lesion_recall", "false_alarms_per_image")


@dataclass(frozen=True)
class PairedComparison:
    """Two models on so many patients and cases: {name of `report.figures`: both and their difference}."""

    patients: int
    cases: int
    figures: dict[str, Difference]


HOW = (
    "pooled DSC of both views on the patients that validated the training, superscans and cold lesions apart; "
    "the new model's thresholds were chosen on the other half of these patients, the parent's are its own; "
    "the moment to stop the training was chosen on these patients"
)


def compare_with_parent(model: ModelFolder, parent: str | None, data: Data, config: TrainingConfig) -> ParentComparison:
    """Measure a model and its parent on the same validation patients.

    The new model's thresholds were chosen on these very patients, which would flatter it; so here each half of the
    patients is measured with thresholds chosen on the other half.

    Args:
        parent: name or path; None for the model read when none is named.
        data: of the training.
        config: of the training.

    Raises:
        UserError: no such parent, or no validation patient.
    """
    earlier = find_model(parent)
    data = opened(data)
    cases = training_cases(data, config).validation
    if not cases:
        raise UserError("the data set has no patients for validation.")
    patients = patients_of(data)
    first, second = (_predictions(one, data, cases, config.region) for one in (earlier, model))
    if ("union",) in (earlier.card.network.outputs, model.card.network.outputs):
        first, second = [as_union(one) for one in first], [as_union(one) for one in second]
    old = without_flags(score_cases(first, Delineator.of(earlier.card), patients))
    new = without_flags(_scores_with_others_thresholds(second, model, patients))
    if not new:
        raise UserError("all patients for validation are scored apart (superscans or cold lesions).")
    if not any(one.sums.lesions.any() for one in new):
        raise UserError("there is no lesion among the patients for validation.")
    beside = differences(old, new, ("dsc", *FURTHER))
    dice = beside.figures["dsc"]
    return comparison_with(earlier, beside, verdict_of(dice.low, dice.high, beside.patients), HOW)


def differences(old: Sequence[CaseScores], new: Sequence[CaseScores], names: Sequence[str]) -> PairedComparison:
    """Two models on the same cases: `names` of `report.figures`."""
    difference, values, before = compare_models(old, new), _pooled(new), _pooled(old)
    return PairedComparison(
        int(difference["patients"]),
        int(difference["cases"]),
        {
            name: Difference(
                values[name],
                before[name],
                float(difference[name]),
                float(difference[f"{name}_low"]),
                float(difference[f"{name}_high"]),
            )
            for name in names
        },
    )


def comparison_with(parent: ModelFolder, beside: PairedComparison, verdict: Verdict, how: str) -> ParentComparison:
    """The comparison as a card holds it: of pooled DSC, "dsc", and whatever else was measured."""
    dice, card = beside.figures["dsc"], parent.card
    return ParentComparison(
        f"{card.name} {card.version}",
        card.sha256,
        beside.patients,
        beside.cases,
        dice.new,
        dice.parent,
        dice.difference,
        dice.low,
        dice.high,
        verdict,
        how,
        {name: own for name, own in beside.figures.items() if name != "dsc"},
    )


def _predictions(model: ModelFolder, data: Data, cases: Sequence[str], region: Region) -> list[Prediction]:
    """A model in the region of the training; the level of counts is that of what it was taught on, where it is held."""
    network = model.card.network
    predict = single_image_predictor(load_network(model), network)
    level_region = level_region_of(data, cases, model.card)
    return list(predict_cases(data, cases, predict, network, region=region, level_region=level_region))


def _pooled(scores: Sequence[CaseScores]) -> dict[str, float]:
    """Every figure over all cases."""
    pooled = figures(from_flat(np.sum([one.sums.flat() for one in scores], axis=0)))
    return {name: float(value) for name, value in pooled.items()}


def _scores_with_others_thresholds(
    predictions: list[Prediction], model: ModelFolder, patients: dict[str, str]
) -> list[CaseScores]:
    """Scores of each half of the patients with the thresholds that suit the other half best."""
    names = sorted({patients[crop.case] for crop, _ in predictions})
    halves = [[p for p in predictions if (names.index(patients[p[0].case]) % 2) == half] for half in (0, 1)]
    if not all(halves):
        return score_cases(predictions, Delineator.of(model.card), patients)
    result = []
    for ours, others in (halves, halves[::-1]):
        area = model.card.minimum_area_mm2
        result += score_cases(ours, Delineator(*choose_threshold(others, area), area), patients)
    return result
