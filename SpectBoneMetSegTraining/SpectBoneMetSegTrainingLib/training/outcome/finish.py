"""Train on a data set and finish the model: thresholds, confidence, figures and model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.packages import is_installed
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
    """Train, or resume an interrupted run, choose thresholds, and write the model folder.

    Args:
        data: as in `trainer.train`.
        run: as in `trainer.train`.
        config: as in `trainer.train`.
        progress: as in `trainer.train`.
        devices: as in `trainer.train`.
        on_validation: as in `trainer.train`.
        output: model folder to write; its name becomes the model's.
        description: one sentence for the model card.

    Returns:
        Figures on the validation patients, as in the card ("what" names the patients); empty if no label was used.

    Raises:
        UserError: invalid data, parent model or output, mostly before the training starts.
    """
    data = opened(data)
    check_request(data, output)
    config = with_start(config)
    network = train(data, run, config, progress, devices, on_validation=on_validation)
    return finish_model(network, data, run, config, output, description)


def check_request(data: Data, output: Path) -> None:
    """Check that the data set may be trained on and the output can be written.

    Raises:
        UserError: a sealed test set, or an output that cannot be written.
    """
    folder = opened(data).folder
    if is_sealed(folder):
        raise UserError(f"{folder} is a sealed test and is never trained on; choose another data set.", "data")
    check_target(output)


def finish_model(
    network: keras.Model, data: Data, run: Path, config: TrainingConfig, output: Path, description: str
) -> dict[str, Any]:
    """Choose thresholds on the validation patients, write the model and return its figures.

    Only labels within the training's label budget are used. Without validation patients the training patients choose
    the thresholds; without any label they are 0.5.

    Raises:
        UserError: a file of the data set is missing or unreadable, or the model cannot be written.
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
            else "there were no validation patients: thresholds were chosen on these, which were trained on"
        )
        if not any_lesion(data, measured, config.region):
            what = "there is no lesion among these patients, so no threshold was chosen and no DSC measured"
            tuned = replace(tuned, figures=evaluate_cases(predictions(), tuned.limits))
        else:
            tuned = tune(predictions, patients_of(data), config.operating_point)
            if cases.validation and not validations_of(run):
                what += "; the training ran without validation"
        figures = {"what": what, **tuned.figures}
    about = data.json("dataset.json")
    parent = find_model(config.start).card if config.start else None
    sources = combined_sources(sources_of(data), parent.training if parent else {})
    licence = licence_with(parent.licence if parent else ModelCard.licence, sources.get(SOURCES, ()))
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
    if is_installed("onnx"):
        # With ONNX, reading works without TensorFlow.
        from SpectBoneMetSegLib.model.onnx_export import export_onnx

        export_onnx(model)
    return figures


def _stored(config: TrainingConfig) -> dict[str, Any]:
    """Return the store of simulated patients that a training used, for its card."""
    if config.store is None:
        return {}
    about = read_json(Path(config.store) / STORE_RECORD, remedy="make the patient store again or restore the file")
    # The patients present: the store may still be growing.
    count = len(PatientStore(Path(config.store)))
    patients = f"{count} simulated (simulator {about['version']}, seed {about['seed']}, site {about['site']})"
    return {"stored_patients": patients, "share_of_patches_from_stored_patients": config.store_share}


def training_record(run: Path, config: TrainingConfig, cases: TrainingCases) -> dict[str, Any]:
    """Return options, cases and environment of a training, for the model card."""
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
