"""From trained weights to a model with thresholds, figures and a card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.models import save_model

from .dataset import read_json
from .evaluation import Delineator, choose_threshold, evaluate_cases, predict_cases
from .trainer import TrainingConfig, training_and_validation, training_seconds

if TYPE_CHECKING:
    import keras

#: Marks of fewer than four reference pixels are noise (one lesion's blur alone covers more).
MINIMUM_AREA_MM2 = 20.0


def finish_model(
    network: keras.Model,
    data: Path,
    run: Path,
    config: TrainingConfig,
    output: Path,
    description: str,
) -> dict[str, Any]:
    """Choose thresholds on the validation patients, write the model folder, return the validation figures."""
    train_cases, validation_cases = training_and_validation(data)

    def predict(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(network(inputs[None], training=False))[0]

    predictions = list(
        predict_cases(data, validation_cases or train_cases, predict, config.network.inputs, config.network.outputs)
    )
    threshold, seed_threshold = choose_threshold(predictions, MINIMUM_AREA_MM2)
    figures = evaluate_cases(predictions, Delineator(threshold, seed_threshold, MINIMUM_AREA_MM2))
    about = read_json(data / "dataset.json")
    save_model(
        network,
        config.network,
        {
            "description": description or f"Trained on {about['description']}",
            "threshold": threshold,
            "seed_threshold": seed_threshold,
            "minimum_area_mm2": MINIMUM_AREA_MM2,
            "region": "thorax",
            "training": {
                "data": about["description"],
                "cases": len(train_cases),
                "steps": config.steps,
                "batch": config.batch,
                "patch_pixels": config.patch,
                "learning_rate": config.learning_rate,
                "seed": config.seed,
                "minutes": round(training_seconds(run) / 60, 1),
                "loss": "weighted cross-entropy + batch soft Tversky, supervised",
                "environment": read_json(run / "environment.json"),
            },
            "metrics": {"validation": {"what": "thresholds were chosen on these patients", **figures}},
        },
        output,
    )
    return figures
