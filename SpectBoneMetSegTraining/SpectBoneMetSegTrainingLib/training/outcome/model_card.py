"""The model card after a training: figures, data and curves."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.model.store import ModelFolder, update_card
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ...dataset.budgets import patients_of
from ...dataset.opened import Data, opened
from .. import run_folder
from ..setup.cases import training_cases
from ..setup.config import TrainingConfig
from .promotion import COMPARISON, ParentComparison

#: Points of each curve in a card.
CURVE_POINTS = 60


def complete_card(
    model: ModelFolder, run: Path, data: Data, config: TrainingConfig, comparison: ParentComparison | None
) -> ModelFolder:
    """Add to a model's card what the training saw, its curves and the comparison; no names of patients or cases."""
    card = model.card
    training = {**card.training, "data_summary": data_summary(data, config), "curves": curves_of(run)}
    metrics = {**card.metrics, **({COMPARISON: comparison.to_dict()} if comparison else {})}
    return update_card(model, replace(card, training=training, metrics=metrics))


def data_summary(data: Data, config: TrainingConfig) -> dict[str, Any]:
    """How many patients, scans and lesions a training used, and a digest of its labels that names nobody."""
    files = opened(data)
    cases, patients = training_cases(files, config), patients_of(files)
    groups = {"labelled": cases.labelled, "validation": cases.validation, "unlabelled": cases.unlabelled}
    summary: dict[str, Any] = {}
    for group, names in groups.items():
        summary[group] = {"patients": len({patients[case] for case in names}), "scans": len(names)}
    labelled = [*cases.labelled, *cases.validation]
    summary["lesions"] = sum(len(files.json("instances", f"{case}.json")["lesions"]) for case in labelled)
    paths = [files.folder / "instances" / f"{case}_{view}.nii.gz" for case in labelled for view in VIEW_NAMES]
    digests = sorted(sha256_of(path) for path in paths if path.exists())
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
