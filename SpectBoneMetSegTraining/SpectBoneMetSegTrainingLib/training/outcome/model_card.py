"""Complete the model card after a training: data summary, learning curves, comparison with the parent model."""

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

#: Maximum number of points of a learning curve in a card.
CURVE_POINTS = 60


def complete_card(
    model: ModelFolder, run: Path, data: Data, config: TrainingConfig, comparison: ParentComparison | None
) -> ModelFolder:
    """Add data summary, learning curves and comparison to a model card; no names of patients or cases."""
    card = model.card
    training = {**card.training, "data_summary": data_summary(data, config), "curves": curves_of(run)}
    metrics = {**card.metrics, **({COMPARISON: comparison.to_dict()} if comparison else {})}
    return update_card(model, replace(card, training=training, metrics=metrics))


def data_summary(data: Data, config: TrainingConfig) -> dict[str, Any]:
    """Count the patients, scans and lesions of a training, and digest its labels, without any name."""
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
    """Return the learning curves of a run, loss (block means) and validation DSC, in at most CURVE_POINTS points."""
    rows, validations = run_folder.read_rows(run / run_folder.LOG), run_folder.validations_of(run)
    groups = np.array_split(np.array([(row["step"], row["loss"]) for row in rows]), min(len(rows), CURVE_POINTS) or 1)
    steps = [(int(group[-1, 0]) + 1, round(float(group[:, 1].mean()), 4)) for group in groups if len(group)]
    kept = validations[:: -(-len(validations) // CURVE_POINTS) or 1]
    return {
        "steps": [step for step, _ in steps],
        "loss": [loss for _, loss in steps],
        "validation_steps": [int(row["step"]) for row in kept],
        "validation_dice": [round(row["dice"], 4) for row in kept],
    }
