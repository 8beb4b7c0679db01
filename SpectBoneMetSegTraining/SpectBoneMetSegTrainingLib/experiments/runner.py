"""Running trainings one after the other: resumed where broken off, skipped where their result is there."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib._version import __version__
from SpectBoneMetSegLib.common.errors import UserError
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
from .nnunet.client import check_interpreter, predict_nnunet, train_nnunet, write_raw
from .plan import AnyTraining, NnunetTraining, Training, key_of
from .scales import SCALES, Scale

ABOUT = "experiment.json"


@dataclass(frozen=True)
class Workspace:
    """Where everything of the experiments lies.

    Attributes:
        benchmark: the simulated hospital.
        output: with `data` (sets), `runs` (weights, checkpoints) and `results` (small).
        scale: name of the scale.
        nnunet_python: interpreter that has nnU-Net, None for none.
    """

    benchmark: Path
    output: Path
    scale: str
    nnunet_python: Path | None = None

    @property
    def sizes(self) -> Scale:
        """Of the scale."""
        return SCALES[self.scale]

    @property
    def development(self) -> Path:
        """The data set that everything is measured on."""
        return self.benchmark / "development"


def result_file(output: Path, key: str) -> Path:
    """The result of a training."""
    return output / "results" / f"{key}.json"


def prepare(workspace: Workspace) -> dict[str, Any]:
    """Claim the output folder for this benchmark and scale, and write what the pictures show.

    Raises:
        UserError: no benchmark, or the folder belongs to another one.
    """
    asked = {
        "simulated": True,
        "benchmark": check_benchmark(workspace.benchmark),
        "d1_patients": d1_patients(workspace.benchmark),
        "scale": workspace.scale,
    }
    about = workspace.output / "results" / ABOUT
    if about.exists():
        found: dict[str, Any] = read_json(about)
        if {name: found[name] for name in asked} != asked:
            raise UserError(
                f"{workspace.output} holds experiments on other data or at another scale; choose another output "
                "folder.",
                "output",
            )
        return found
    chosen = cases_shown.choose_cases(workspace.development, _judged(workspace.development))
    try:
        _save_arrays(about.with_name("pictures.npz"), cases_shown.pictures_of(workspace.development, chosen))
        write_json(about, {**asked, "version": __version__, "pictures": chosen})
    except OSError as error:
        raise UserError(
            f"{workspace.output} cannot be written ({error.strerror}); choose another output folder.", "output"
        ) from error
    return dict(read_json(about))


def run(training: AnyTraining, workspace: Workspace) -> str:
    """Train, measure and write the result; returns "done", "was done", or why there is no result.

    Raises:
        UserError: a data set cannot be made or trained on, or nnU-Net failed.
    """
    target = result_file(workspace.output, key_of(training))
    if target.exists():
        return "was done"
    shown = prepare(workspace)["pictures"]
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
        facts, predictions = _nnunet(training, workspace, workspace.nnunet_python, data, folder, seconds)
        per_view = False
    else:
        facts, predictions = _own(training, workspace, data, folder)
        per_view = training.config.network.outputs != ("union",)
    reports, scores = measure.figures_of(predictions, patients_of(workspace.development), per_view)
    _save_arrays(target.with_suffix(".npz"), measure.masks_of(predictions, list(shown), per_view))
    write_json(
        target,
        {
            "key": key_of(training),
            "name": training.name,
            "seed": training.seed,
            "simulated": True,
            "scale": workspace.scale,
            "measured_on": "development test of the simulated benchmark, cases scored apart left out",
            "recipe": training.record(),
            **facts,
            "version": __version__,
            "figures": reports,
            "cases": scores,
        },
    )
    return "done"


def _own(
    training: Training, workspace: Workspace, data: Path, folder: Path
) -> tuple[dict[str, Any], measure.Predictions]:
    use_backend()
    import keras

    from ..training.trainer import train
    from ..training.validation import single_image_predictor

    config = training.config
    # Many trainings share this process; what earlier ones built must not fill it.
    keras.utils.clear_session()
    network = train(data, folder, config, _line(training))
    predict = single_image_predictor(network, config.network)
    judged = _judged(workspace.development)
    predictions = list(measure.predictions_of(workspace.development, judged, predict, config.network))
    seconds = training_seconds(folder)
    looks = read_rows(folder / "validation.csv")
    steps = [row["step"] for row in read_rows(folder / "log.csv")]
    facts = {
        "method": config.method if config.network.architecture == "recurrent" else "unet",
        "trained_on": _counts(data, training_cases(data, config)),
        "steps_done": int(steps[-1]) + 1 if steps else 0,
        "validation": [[int(look["step"]), round(look["dice"], 4)] for look in looks],
        "seconds": round(seconds, 1),
        "parameters": int(network.count_params()),
        "seconds_per_image": round(measure.seconds_per_image(predict, config.network), 5),
        "environment": environment(),
    }
    return facts, predictions


def _nnunet(
    training: NnunetTraining, workspace: Workspace, python: Path, data: Path, folder: Path, seconds: float
) -> tuple[dict[str, Any], measure.Predictions]:
    version = check_interpreter(python)
    settings = workspace.sizes.nnunet
    cases = training_cases(data, TrainingConfig(labels=training.labels, seed=training.seed))
    write_raw(data, cases, folder)
    told = train_nnunet(python, folder, settings, seconds, training.seed)
    judged = _judged(workspace.development)
    answers = dict(predict_nnunet(python, folder, workspace.development, judged, settings))
    predictions: measure.Predictions = [
        (union_of(load_case(workspace.development, case)), {"anterior": answers[case]}) for case in judged
    ]
    facts = {
        "method": "nnunet",
        "trained_on": _counts(data, cases),
        "steps_done": told["iterations"],
        "seconds": round(told["seconds"], 1),
        "parameters": told["parameters"],
        "environment": {"nnunetv2": version, "torch": told["torch"]},
        "settings": {
            "seconds_allowed": seconds,
            "checkpoint": "best EMA pseudo Dice on the validation patients",
            "best_ema_pseudo_dice": told["best_ema_pseudo_dice"],
            "mirroring": settings.mirroring,
            "iterations_per_epoch": settings.iterations,
            "plans": told["plans"],
        },
    }
    return facts, predictions


def _judged(development: Path) -> list[str]:
    """The cases of the development test that are not scored apart."""
    test = [record for record in records_of(development) if record["split"] == "test"]
    return [record["case"] for record in test if not record.get("flags")]


def _counts(data: Path, cases: TrainingCases) -> dict[str, int]:
    """Patients and cases of a training by their part in it."""
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


def _line(training: AnyTraining) -> Any:
    def show(step: int, steps: int, loss: float, pace: Pace) -> None:
        if step % 100 == 0 or step == steps:
            left = pace.seconds * (steps - step) / 60
            print(f"{key_of(training)}: step {step} of {steps}, loss {loss:.3f}, {left:.0f} min left", file=sys.stderr)

    return show


def _save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
