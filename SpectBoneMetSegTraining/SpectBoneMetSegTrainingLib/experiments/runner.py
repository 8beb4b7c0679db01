"""Run trainings one after the other; interrupted ones are resumed, finished ones skipped."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib._version import __version__
from SpectBoneMetSegLib.common.dates import duration
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.model.backend import use_backend

from ..common.pace import Pace
from ..dataset.budgets import patients_of
from ..dataset.cases import GENERATED, load_case, records_of
from ..dataset.files import read_json, write_json
from ..evaluation.predictions import union_of
from ..training.run_folder import environment, read_rows, training_seconds
from ..training.setup.cases import TrainingCases, training_cases
from ..training.setup.config import TrainingConfig
from . import figure10_cases as cases_shown
from . import measure
from .data_sets import check_benchmark, d1_patients, data_set
from .definitions import AnyTraining, NnunetTraining, Training, key_of
from .nnunet.client import check_interpreter, predict_nnunet, train_nnunet, write_raw
from .scales import SCALES, Scale

ABOUT = "experiment.json"


@dataclass(frozen=True)
class Workspace:
    """Folders and settings of the experiments.

    Attributes:
        benchmark: folder of the benchmark.
        output: folder with `data` (data sets), `runs` (weights, checkpoints) and `results` (small files).
        scale: name of the scale.
        nnunet_python: interpreter with nnU-Net; None without.
    """

    benchmark: Path
    output: Path
    scale: str
    nnunet_python: Path | None = None

    @property
    def sizes(self) -> Scale:
        """Sizes of the scale."""
        return SCALES[self.scale]

    @property
    def development(self) -> Path:
        """Data set that all trainings are evaluated on."""
        return self.benchmark / "development"


def result_file(output: Path, key: str) -> Path:
    """Return the path of a training's result."""
    return output / "results" / f"{key}.json"


def prepare(workspace: Workspace) -> dict[str, Any]:
    """Record benchmark and scale in the output folder, and write the cases of the pictures.

    Returns:
        The content of the record.

    Raises:
        UserError: no benchmark, or the folder belongs to another benchmark or scale.
    """
    setup = {
        "simulated": True,
        "benchmark": check_benchmark(workspace.benchmark),
        "d1_patients": d1_patients(workspace.benchmark),
        "scale": workspace.scale,
    }
    about = workspace.output / "results" / ABOUT
    if about.exists():
        found: dict[str, Any] = read_json(about, remedy="restore it, or choose another output folder")
        if {name: found[name] for name in setup} != setup:
            raise UserError(
                f"{workspace.output} holds experiments on other data or at another scale; choose another output "
                "folder.",
                "output",
            )
        return found
    chosen = cases_shown.choose_cases(workspace.development, _unflagged(workspace.development))
    try:
        _save_arrays(about.with_name("pictures.npz"), cases_shown.pictures_of(workspace.development, chosen))
        write_json(about, {**setup, "version": __version__, "pictures": chosen})
    except OSError as error:
        raise UserError(
            f"{workspace.output} cannot be written ({reason_of(error)}); choose another output folder.", "output"
        ) from error
    return dict(read_json(about))


def run(training: AnyTraining, workspace: Workspace) -> str:
    """Train, evaluate and write the result.

    Returns:
        "done", "was done", or the reason why there is no result.

    Raises:
        UserError: a data set cannot be made or trained on, or nnU-Net failed.
    """
    target = result_file(workspace.output, key_of(training))
    if target.exists():
        return "was done"
    pictured = prepare(workspace)["pictures"]
    data = data_set(workspace.benchmark, workspace.output / "data", training, workspace.sizes)
    folder = workspace.output / "runs" / key_of(training)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(training, NnunetTraining):
        if workspace.nnunet_python is None:
            return "not run: name an interpreter that has nnunetv2"
        reference = result_file(workspace.output, training.as_long_as)
        if training.as_long_as and not reference.exists():
            return f"not run: it gets the time of {training.as_long_as}, which is not done"
        seconds = read_json(reference)["seconds"] if training.as_long_as else training.seconds
        facts, predictions = _train_peer(training, workspace, workspace.nnunet_python, data, folder, seconds)
        per_view = False
    else:
        facts, predictions = _train_network(training, workspace, data, folder)
        per_view = training.config.network.outputs != ("union",)
    reports, scores = measure.metrics_of(predictions, patients_of(workspace.development), per_view=per_view)
    _save_arrays(target.with_suffix(".npz"), measure.masks_of(predictions, list(pictured), per_view=per_view))
    write_json(
        target,
        {
            "key": key_of(training),
            "name": training.name,
            "seed": training.seed,
            "simulated": True,
            "scale": workspace.scale,
            "measured_on": "development test of the simulated benchmark, without cases that are scored separately",
            "recipe": training.record(),
            **facts,
            "version": __version__,
            "figures": reports,
            "cases": scores,
        },
    )
    return "done"


def _train_network(
    training: Training, workspace: Workspace, data: Path, folder: Path
) -> tuple[dict[str, Any], measure.Predictions]:
    use_backend()
    import keras

    from ..training.trainer import train
    from ..training.validation import single_image_predictor

    config = training.config
    # Many trainings share this process; free the memory of earlier networks.
    keras.utils.clear_session()
    network = train(data, folder, config, _progress(training))
    predict = single_image_predictor(network, config.network)
    test_cases = _unflagged(workspace.development)
    predictions = list(measure.predictions_of(workspace.development, test_cases, predict, config.network))
    seconds = training_seconds(folder)
    validations = read_rows(folder / "validation.csv")
    steps = [row["step"] for row in read_rows(folder / "log.csv")]
    facts = {
        "method": config.method if config.network.architecture == "recurrent" else "unet",
        "trained_on": _counts(data, training_cases(data, config)),
        "steps_done": int(steps[-1]) + 1 if steps else 0,
        "validation": [[int(row["step"]), round(row["dice"], 4)] for row in validations],
        "seconds": round(seconds, 1),
        "parameters": int(network.count_params()),
        "seconds_per_image": round(measure.seconds_per_image(predict, config.network), 5),
        "environment": environment(),
    }
    return facts, predictions


def _train_peer(
    training: NnunetTraining, workspace: Workspace, python: Path, data: Path, folder: Path, seconds: float
) -> tuple[dict[str, Any], measure.Predictions]:
    version = check_interpreter(python)
    settings = workspace.sizes.nnunet
    cases = training_cases(data, TrainingConfig(labels=training.labels, seed=training.seed))
    write_raw(data, cases, folder)
    training_record = train_nnunet(python, folder, settings, seconds, training.seed)
    test_cases = _unflagged(workspace.development)
    probabilities = dict(predict_nnunet(python, folder, workspace.development, test_cases, settings))
    predictions: measure.Predictions = [
        (union_of(load_case(workspace.development, case)), {"anterior": probabilities[case]}) for case in test_cases
    ]
    facts = {
        "method": "nnunet",
        "trained_on": _counts(data, cases),
        "steps_done": training_record["iterations"],
        "seconds": round(training_record["seconds"], 1),
        "parameters": training_record["parameters"],
        "environment": {"nnunetv2": version, "torch": training_record["torch"]},
        "settings": {
            "seconds_allowed": seconds,
            "checkpoint": "best EMA pseudo Dice on the validation patients",
            "best_ema_pseudo_dice": training_record["best_ema_pseudo_dice"],
            "mirroring": settings.mirroring,
            "iterations_per_epoch": settings.iterations,
            "plans": training_record["plans"],
        },
    }
    return facts, predictions


def _unflagged(development: Path) -> list[str]:
    """List the cases of the development test without flags."""
    test = [record for record in records_of(development) if record["split"] == "test"]
    return [record["case"] for record in test if not record.get("flags")]


def _counts(data: Path, cases: TrainingCases) -> dict[str, int]:
    """Count labelled, validation and unlabelled patients and cases of a training."""
    patients = patients_of(data)
    counts: dict[str, int] = {}
    for part, names in (
        ("labelled", cases.labelled),
        ("validation", cases.validation),
        ("unlabelled", cases.unlabelled),
    ):
        counts[f"{part}_patients"] = len({patients[case] for case in names} - {GENERATED})
        counts[f"{part}_cases"] = len(names)
    return counts


def _progress(training: AnyTraining) -> Any:
    def show(step: int, steps: int, loss: float, pace: Pace) -> None:
        if step % 100 == 0 or step == steps:
            left = duration(pace.seconds * (steps - step))
            print(
                f"{key_of(training)}: step {step} of {steps}, loss {loss:.3f}, {left} left",
                file=sys.stderr,
            )

    return show


def _save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
