"""Paired comparison of a trained model with its parent model on the validation patients, for the model card."""

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

#: Further figures of both models, by their names in `report.figures`.
FURTHER = ("lesion_recall", "false_alarms_per_image")


@dataclass(frozen=True)
class PairedComparison:
    """Paired comparison of two models.

    Attributes:
        patients: number of patients.
        cases: number of scans.
        figures: {name in `report.figures`: both values and their difference}.
    """

    patients: int
    cases: int
    figures: dict[str, Difference]


HOW = (
    "pooled DSC of both views on the validation patients, without patients with cold lesions; the new model's "
    "thresholds were chosen on the other half of these patients, the parent model's are its own; early stopping used "
    "these patients"
)


def compare_with_parent(model: ModelFolder, parent: str | None, data: Data, config: TrainingConfig) -> ParentComparison:
    """Compare a model with its parent model on the same validation patients.

    The new model's thresholds were chosen on these patients, which would bias the comparison in its favour. Here each
    half of the patients is measured with thresholds chosen on the other half.

    Args:
        model: the new model.
        parent: name or path of the parent model; None for the default model.
        data: data set of the training.
        config: options of the training.

    Raises:
        UserError: no such parent model, or no validation patient with a lesion.
    """
    earlier = find_model(parent)
    data = opened(data)
    cases = training_cases(data, config).validation
    if not cases:
        raise UserError("the data set has no validation patients.")
    patients = patients_of(data)
    first, second = (_predictions(each, data, cases, config.region) for each in (earlier, model))
    if ("union",) in (earlier.card.network.outputs, model.card.network.outputs):
        first, second = [as_union(each) for each in first], [as_union(each) for each in second]
    old = without_flags(score_cases(first, Delineator.of(earlier.card), patients))
    new = without_flags(_cross_validated_scores(second, model, patients))
    if not new:
        raise UserError("all validation patients are scored separately (cold lesions).")
    if not any(scores.sums.lesions.any() for scores in new):
        raise UserError("there is no lesion in the validation patients.")
    paired = differences(old, new, ("dsc", *FURTHER))
    dice = paired.figures["dsc"]
    return comparison_with(earlier, paired, verdict_of(dice.low, dice.high, paired.patients), HOW)


def differences(old: Sequence[CaseScores], new: Sequence[CaseScores], names: Sequence[str]) -> PairedComparison:
    """Compare two models on the same cases: the figures of `report.figures` in `names`."""
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


def comparison_with(parent: ModelFolder, paired: PairedComparison, verdict: Verdict, how: str) -> ParentComparison:
    """Return the comparison for the card: pooled DSC, and the other figures as `further`."""
    dice, card = paired.figures["dsc"], parent.card
    return ParentComparison(
        f"{card.name} {card.version}",
        card.sha256,
        paired.patients,
        paired.cases,
        dice.new,
        dice.parent,
        dice.difference,
        dice.low,
        dice.high,
        verdict,
        how,
        {name: own for name, own in paired.figures.items() if name != "dsc"},
    )


def _predictions(model: ModelFolder, data: Data, cases: Sequence[str], region: Region) -> list[Prediction]:
    """Predict cases in the region of the training; the count level comes from the model's own training region."""
    network = model.card.network
    predict = single_image_predictor(load_network(model), network)
    level_region = level_region_of(data, cases, model.card)
    return list(predict_cases(data, cases, predict, network, region=region, level_region=level_region))


def _pooled(scores: Sequence[CaseScores]) -> dict[str, float]:
    """Return every figure pooled over all cases."""
    pooled = figures(from_flat(np.sum([case.sums.flat() for case in scores], axis=0)))
    return {name: float(value) for name, value in pooled.items()}


def _cross_validated_scores(
    predictions: list[Prediction], model: ModelFolder, patients: dict[str, str]
) -> list[CaseScores]:
    """Score each half of the patients with the best thresholds of the other half."""
    names = sorted({patients[crop.case] for crop, _ in predictions})
    halves = [[p for p in predictions if (names.index(patients[p[0].case]) % 2) == half] for half in (0, 1)]
    if not all(halves):
        return score_cases(predictions, Delineator.of(model.card), patients)
    result = []
    for ours, others in (halves, halves[::-1]):
        area = model.card.minimum_area_mm2
        result += score_cases(ours, Delineator(*choose_threshold(others, area), area), patients)
    return result
