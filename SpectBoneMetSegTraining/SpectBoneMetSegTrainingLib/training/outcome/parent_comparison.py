"""A finished model beside its parent on the patients that validated its training, and what its card tells of both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.model.store import ModelFolder, find_model, update_card
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName

from ...dataset.budgets import patients_of, training_cases
from ...dataset.cases import LabelledCrop
from ...dataset.files import read_json
from ...evaluation.predictions import Delineator, choose_threshold, predict_cases, union_of
from ...evaluation.report import compare_models, figures
from ...evaluation.scores import CaseScores, from_flat, score_cases, without_flags
from .. import run_folder
from ..setup.config import TrainingConfig
from .promotion import COMPARISON, Comparison, Difference, judge

Prediction = tuple[LabelledCrop, dict[ViewName, NDArray[np.float32]]]

#: What else is told of both models, by the names of `report.figures`.
FURTHER = ("lesion_recall", "false_alarms_per_image")
#: Points of each curve in a card.
CURVE_POINTS = 60
HOW = (
    "pooled DSC of both views on the patients that validated the training, superscans and cold lesions apart; "
    "the new model's thresholds were chosen on the other half of these patients, the parent's are its own; "
    "the moment to stop the training was chosen on these patients"
)


def compare_with_parent(model: ModelFolder, parent: str | None, data: Path, config: TrainingConfig) -> Comparison:
    """Measure a model and its parent on the same validation patients.

    The new model's thresholds were chosen on these very patients, which would flatter it; so here each half of the
    patients is measured with thresholds chosen on the other half.

    Args:
        parent: name or path; None for the model read when none is named. data, config: of the training.

    Raises:
        UserError: no such parent, or no validation patient.
    """
    earlier = find_model(parent)
    cases = training_cases(data, config).validation
    if not cases:
        raise UserError("the data set has no patients for validation.")
    patients = patients_of(data)
    first, second = (_predictions(one, data, cases) for one in (earlier, model))
    if ("union",) in (earlier.card.network.outputs, model.card.network.outputs):
        first, second = [_as_union(one) for one in first], [_as_union(one) for one in second]
    old = without_flags(score_cases(first, _delineator(earlier), patients))
    new = without_flags(_scores_with_others_thresholds(second, model, patients))
    if not new:
        raise UserError("all patients for validation are scored apart (superscans or cold lesions).")
    difference, values, before = compare_models(old, new), _pooled(new), _pooled(old)
    low, high, count = difference["dsc_low"], difference["dsc_high"], int(difference["patients"])
    return Comparison(
        f"{earlier.card.name} {earlier.card.version}",
        earlier.card.sha256,
        count,
        int(difference["cases"]),
        values["dsc"],
        before["dsc"],
        difference["dsc"],
        low,
        high,
        judge(low, high, count),
        HOW,
        {
            name: Difference(
                values[name], before[name], difference[name], difference[f"{name}_low"], difference[f"{name}_high"]
            )
            for name in FURTHER
        },
    )


def complete_card(
    model: ModelFolder, run: Path, data: Path, config: TrainingConfig, comparison: Comparison | None
) -> ModelFolder:
    """Add to a model's card what the training saw, its curves and the comparison; no names of patients or cases."""
    card = model.card
    training = {**card.training, "data_summary": data_summary(data, config), "curves": curves_of(run)}
    metrics = {**card.metrics, **({COMPARISON: comparison.to_dict()} if comparison else {})}
    return update_card(model, replace(card, training=training, metrics=metrics))


def data_summary(data: Path, config: TrainingConfig) -> dict[str, Any]:
    """How many patients, scans and lesions a training used, and a digest of its labels that names nobody."""
    cases = training_cases(data, config)
    patients = patients_of(data)
    groups = {"labelled": cases.labelled, "validation": cases.validation, "unlabelled": cases.unlabelled}
    summary: dict[str, Any] = {}
    for group, names in groups.items():
        summary[group] = {"patients": len({patients[case] for case in names}), "scans": len(names)}
    labelled = [*cases.labelled, *cases.validation]
    records = {case: data / "instances" / f"{case}.json" for case in labelled}
    summary["lesions"] = sum(len(read_json(path)["lesions"]) for path in records.values())
    files = [data / "instances" / f"{case}_{view}.nii.gz" for case in labelled for view in VIEW_NAMES]
    digests = sorted(sha256_of(path) for path in files if path.exists())
    summary["labels_sha256"] = hashlib.sha256("".join(digests).encode()).hexdigest()
    return summary


def curves_of(run: Path) -> dict[str, list[float]]:
    """Loss (means of neighbouring steps) and validation Dice of a run in at most CURVE_POINTS numbers each."""
    rows, looks = run_folder.read_rows(run / run_folder.LOG), run_folder.read_rows(run / run_folder.VALIDATION)
    groups = np.array_split(np.array([(row["step"], row["loss"]) for row in rows]), min(len(rows), CURVE_POINTS) or 1)
    steps = [(int(group[-1, 0]) + 1, round(float(group[:, 1].mean()), 4)) for group in groups if len(group)]
    kept = looks[:: -(-len(looks) // CURVE_POINTS) or 1]
    return {
        "steps": [step for step, _ in steps],
        "loss": [loss for _, loss in steps],
        "validation_steps": [int(row["step"]) for row in kept],
        "validation_dice": [round(row["dice"], 4) for row in kept],
    }


def _predictions(model: ModelFolder, data: Path, cases: Sequence[str]) -> list[Prediction]:
    from SpectBoneMetSegLib.model.engines import load_engine

    engine, network = load_engine(model, "tensorflow"), model.card.network
    return list(predict_cases(data, cases, engine.predict, network.inputs, network.outputs))


def _pooled(scores: Sequence[CaseScores]) -> dict[str, float]:
    """Every figure over all cases."""
    pooled = figures(from_flat(np.sum([one.sums.flat() for one in scores], axis=0)))
    return {name: float(value) for name, value in pooled.items()}


def _delineator(model: ModelFolder) -> Delineator:
    card = model.card
    return Delineator(card.threshold, card.seed_threshold, card.minimum_area_mm2)


def _as_union(prediction: Prediction) -> Prediction:
    """A prediction per view as one of the union, so that it can stand beside a model that draws only that."""
    crop, probabilities = prediction
    highest: NDArray[np.float32] = np.stack(list(probabilities.values())).max(axis=0)
    return union_of(crop), {"anterior": highest}


def _scores_with_others_thresholds(
    predictions: list[Prediction], model: ModelFolder, patients: dict[str, str]
) -> list[CaseScores]:
    """Scores of each half of the patients with the thresholds that suit the other half best."""
    names = sorted({patients[crop.case] for crop, _ in predictions})
    halves = [[p for p in predictions if (names.index(patients[p[0].case]) % 2) == half] for half in (0, 1)]
    if not all(halves):
        return score_cases(predictions, _delineator(model), patients)
    result = []
    for ours, others in (halves, halves[::-1]):
        area = model.card.minimum_area_mm2
        result += score_cases(ours, Delineator(*choose_threshold(others, area), area), patients)
    return result
