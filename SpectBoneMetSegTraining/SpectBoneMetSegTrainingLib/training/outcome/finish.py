"""From a data set to a model with thresholds, figures and a card: training and what follows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.packages import is_there
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.store import check_target, find_model, save_model

from ...dataset.budgets import patients_of
from ...dataset.files import read_json
from ...dataset.opened import Data, opened
from ...dataset.sealed import is_sealed
from ...dataset.sources import SOURCES, combined_sources, licence_with, sources_of
from ...evaluation.predictions import Delineator, Prediction, evaluate_cases, predict_cases
from ...phantom.cohort.patient_store import RECORD as STORE_RECORD
from ...phantom.store.crops import PatientStore
from ..losses.objectives import describe_loss
from ..run_folder import training_seconds, validations_of
from ..setup.cases import TrainingCases, any_lesion, training_cases
from ..setup.config import TrainingConfig
from ..setup.fine_tuning import parent_of, with_start
from ..trainer import StepProgress, ValidationCallback, train
from ..validation import single_image_predictor
from .appearance import training_appearance
from .operating_point import MINIMUM_AREA_MM2, Tuned, tune
from .training_scans import TRAINING_SCANS, training_scans

if TYPE_CHECKING:
    import keras


def train_and_finish(
    data: Data,
    run: Path,
    config: TrainingConfig,
    output: Path,
    description: str = "",
    progress: StepProgress | None = None,
    devices: Sequence[str] | None = None,
    on_validation: ValidationCallback | None = None,
) -> dict[str, Any]:
    """Train, or go on where the run was broken off, choose thresholds, and write the model folder.

    Args:
        data: as in `trainer.train`.
        run: as in `trainer.train`.
        config: as in `trainer.train`.
        progress: as in `trainer.train`.
        devices: as in `trainer.train`.
        on_validation: as in `trainer.train`.
        output: model folder to write; its name is the model's.
        description: one sentence for its card.

    Returns:
        Figures on the validation patients ("what" says on whom else), as in the card; empty where no label was used.

    Raises:
        UserError: whatever cannot be trained on, started from or written, most of it before any work.
    """
    data = opened(data)
    check_request(data, output)
    config = with_start(config)
    network = train(data, run, config, progress, devices, on_validation=on_validation)
    return finish_model(network, data, run, config, output, description)


def check_request(data: Data, output: Path) -> None:
    """Refuse what must not be trained on and where no model can be written.

    Raises:
        UserError: says why.
    """
    folder = opened(data).folder
    if is_sealed(folder):
        raise UserError(f"{folder} is a sealed test and is never trained on; choose another data set.", "data")
    check_target(output)


def finish_model(
    network: keras.Model, data: Data, run: Path, config: TrainingConfig, output: Path, description: str
) -> dict[str, Any]:
    """Choose thresholds on the patients that validated the training, write the model, return its figures.

    Only labels inside the training's budget are looked at. A budget without validation patients leaves its training
    patients, one without any label the middle.
    """
    data = opened(data)
    cases = training_cases(data, config)
    measured = cases.validation or cases.labelled

    predict = single_image_predictor(network, config.network)

    def predictions() -> Iterator[Prediction]:
        return predict_cases(data, measured, predict, config.network, region=config.region)

    tuned = Tuned(Delineator(minimum_area_mm2=MINIMUM_AREA_MM2), None, {})
    figures: dict[str, Any] = {}
    if measured:
        what = (
            "thresholds were chosen on these patients"
            if cases.validation
            else "no patient validated: these were trained on, and thresholds were chosen on them"
        )
        if not any_lesion(data, measured, config.region):
            what = "there is no lesion among these patients, so no threshold was chosen and no Dice measured"
            tuned = replace(tuned, figures=evaluate_cases(predictions(), tuned.limits))
        else:
            tuned = tune(predictions, patients_of(data), config.operating_point)
            if cases.validation and not validations_of(run):
                what += "; the training never looked at them on the way"
        figures = {"what": what, **tuned.figures}
    about = data.json("dataset.json")
    parents = find_model(config.start).card if config.start else None
    sources = combined_sources(sources_of(data), parents.training if parents else {})
    licence = licence_with(parents.licence if parents else ModelCard.licence, sources.get(SOURCES, ()))
    model = save_model(
        network,
        config.network,
        {
            "description": description or f"Trained on {about['description']}",
            **tuned.to_card(),
            "region": config.region,
            "appearance": training_appearance(data, [*cases.labelled, *cases.validation], config.region),
            "parent": parent_of(config),
            "training": {
                "data": about["description"],
                **training_record(run, config, cases),
                TRAINING_SCANS: training_scans(data, cases, config),
                **sources,
            },
            "licence": licence,
            "metrics": {"validation": figures} if figures else {},
        },
        output,
    )
    if is_there("onnx"):
        # Whoever reads with the model need not have TensorFlow.
        from SpectBoneMetSegLib.model.onnx_export import export_onnx

        export_onnx(model)
    return figures


def _stored(config: TrainingConfig) -> dict[str, Any]:
    """Which stored patients a training drew scans of, for its card."""
    if config.store is None:
        return {}
    about = read_json(Path(config.store) / STORE_RECORD)
    # As many as are there: a store may still be in the making.
    count = len(PatientStore(Path(config.store)))
    who = f"{count} simulated (simulator {about['version']}, seed {about['seed']}, site {about['site']})"
    return {"stored_patients": who, "share_of_patches_from_stored_patients": config.store_share}


def training_record(run: Path, config: TrainingConfig, cases: TrainingCases) -> dict[str, Any]:
    """How the model was trained, for its card."""
    return {
        "loss": describe_loss(config),
        "labels": "all" if config.labels is None else f"{config.labels} by {config.budget_by}",
        "cases": len(cases.labelled),
        "validation_cases": len(cases.validation),
        "unlabelled_cases": len(cases.unlabelled),
        **_stored(config),
        "start": parent_of(config) or "random weights",
        **config.to_card(),
        "minutes": round(training_seconds(run) / 60, 1),
        "environment": read_json(run / "environment.json"),
    }
