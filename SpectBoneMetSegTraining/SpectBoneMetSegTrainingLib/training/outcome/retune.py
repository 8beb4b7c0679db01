"""Retune a model: choose thresholds and confidence on other labelled patients, with the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.engines import DeviceName, load_engine
from SpectBoneMetSegLib.model.onnx_export import export_onnx
from SpectBoneMetSegLib.model.store import ModelFolder, check_target, copy_model, halve_model, read_model

from ...dataset.budgets import patients_of
from ...dataset.opened import Data, DataSet, opened
from ...dataset.sealed import is_sealed
from ...dataset.sources import SOURCES, combined_sources, licence_with, sources_of
from ...evaluation.predictions import OperatingPoint, Prediction, level_region_of, predict_cases
from ..setup.cases import any_lesion
from ..setup.fine_tuning import model_reference
from .appearance import training_appearance
from .operating_point import Tuned, tune
from .training_scans import TRAINING_SCANS, scan_digests

#: Key in a card's metrics: the patients that chose the thresholds, and the figures on them.
TUNED = "tuned"


def retune(
    model: ModelFolder,
    data: Data,
    cases: list[str],
    output: Path,
    by: OperatingPoint = "lesions",
    device: DeviceName = "auto",
    *,
    halved: bool = False,
) -> ModelFolder:
    """Write a copy of a model with thresholds and confidence chosen on these labelled patients.

    Args:
        model: the model.
        data: data set.
        cases: labelled cases that choose the thresholds.
        output: model folder to write; its name becomes the model's.
        by: criterion for the thresholds, as in `choose_threshold`.
        device: device of the predictions.
        halved: store the weights with 16 bits, and tune the stored model.

    Raises:
        UserError: a sealed test, no labelled lesion among the cases, or the model cannot be written.
    """
    files = opened(data)
    if is_sealed(files.folder):
        raise UserError(
            f"{files.folder} is a sealed test and must not be used to choose thresholds; give another data set."
        )
    check_target(output)
    region = level_region_of(files, cases, model.card)
    if not any_lesion(files, cases, region):
        raise UserError(
            f"No lesion is labelled in the {region} of these {len(cases)} scans of {files.folder}; label some first."
        )
    with TemporaryDirectory() as temporary:
        # The stored weights are the ones that are tuned.
        source = export_onnx(halve_model(model, Path(temporary) / output.name)) if halved else model
        tuned = _tuned(source, files, cases, region, by, device)
        card = source.card
        figures = {
            "what": "thresholds and confidence were chosen on these patients",
            "data": str(files.json("dataset.json")["description"]),
            **tuned.figures,
        }
        sources = combined_sources(sources_of(files), card.training)
        fields = {
            **tuned.to_card(),
            "name": output.name,
            "appearance": card.appearance.merged_with(training_appearance(files, cases, region)),
            "metrics": {**card.metrics, TUNED: figures},
            "training": {
                **card.training,
                TRAINING_SCANS: [scan_digests(files, [], cases), *card.training.get(TRAINING_SCANS, [])],
                **sources,
            },
            "licence": licence_with(card.licence, sources.get(SOURCES, ())),
            "parent": model_reference(model.card),
        }
        return copy_model(source, output, replace(card, **fields))


def is_tuned_from(output: Path, model: ModelFolder) -> bool:
    """Return whether a folder holds a model itself, or an earlier copy of it with other thresholds."""
    if output.resolve() == model.path.resolve():
        return True
    try:
        card = read_model(output).card
    except UserError:
        return False
    return TUNED in card.metrics and card.parent == model_reference(model.card)


def _tuned(
    model: ModelFolder, data: DataSet, cases: list[str], region: Region, by: OperatingPoint, device: DeviceName
) -> Tuned:
    engine, card = load_engine(model, "auto", device), model.card

    def predictions() -> Iterator[Prediction]:
        return predict_cases(data, cases, engine.predict, card.network, region=region)

    return tune(predictions, patients_of(data), by)
