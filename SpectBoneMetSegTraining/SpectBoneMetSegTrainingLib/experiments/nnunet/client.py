"""nnU-Net v2 (Isensee et al. 2021) for comparison, run from its own package in a separate interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region

from ...dataset.cases import FOLDERS
from ...dataset.crop_placements import placement_of
from ...dataset.files import read_json, write_json
from ...dataset.opened import opened
from ...training.setup.cases import TrainingCases

NAME, FOLD, PLANS = "Dataset001_SpectBoneMetSeg", "0", "nnUNetPlans"
#: Spacing in mm between slices. A planar view has no depth; nnU-Net takes the axis with the largest spacing as the
#: slice axis, and gives this spacing to 2D images itself.
SLICE_SPACING_MM = 999.0


@dataclass(frozen=True)
class NnunetSettings:
    """Changes of nnU-Net's own plans, so that two cores can run it; None keeps its own choice.

    Attributes:
        batch: patches per step.
        patch: side of a patch in pixels.
        features: features of the first stage, doubled per stage up to 16 times.
        iterations: iterations per epoch.
        mirroring: average the predictions over mirror images, nnU-Net's default.
    """

    batch: int | None = None
    patch: int | None = None
    features: int | None = None
    iterations: int = 250
    mirroring: bool = True


def check_interpreter(python: Path) -> str:
    """Return the version of nnU-Net in an interpreter.

    Raises:
        UserError: it cannot import nnU-Net.
    """
    code = "import importlib.metadata as m; import torch; print(m.version('nnunetv2'))"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"{python} cannot import nnunetv2; install it there (pip install nnunetv2) or name no interpreter.",
            "nnunet_python",
        ) from error
    return done.stdout.strip()


def write_raw(data: Path, cases: TrainingCases, folder: Path) -> None:
    """Write the labelled and validation cases of a data set as nnU-Net's raw folder, unless it is complete already."""
    target = folder / "raw" / NAME
    if (target / "dataset.json").exists():
        return
    chosen = [*cases.labelled, *cases.validation]
    for case in chosen:
        for name in (f"{case}_0000", f"{case}_0001"):
            _copy_thick(data / FOLDERS["train"][0], target / "imagesTr", name)
        _copy_thick(data / str(FOLDERS["train"][1]), target / "labelsTr", case)
    # nnU-Net reads the splits from the folder of preprocessed data, which may not exist yet.
    write_json(
        folder / "preprocessed" / NAME / "splits_final.json", [{"train": cases.labelled, "val": cases.validation}]
    )
    write_json(target / "dataset.json", {**read_json(data / "dataset.json"), "numTraining": len(chosen)})


def _copy_thick(source: Path, target: Path, name: str) -> None:
    import SimpleITK as sitk  # noqa: N813

    target.mkdir(parents=True, exist_ok=True)
    image = sitk.ReadImage(str(source / f"{name}.nii.gz"))
    image.SetSpacing((*image.GetSpacing()[:2], SLICE_SPACING_MM))
    sitk.WriteImage(image, str(target / f"{name}.nii.gz"), useCompression=True)


def train_nnunet(python: Path, folder: Path, settings: NnunetSettings, seconds: float, seed: int) -> dict[str, Any]:
    """Plan, preprocess and train on `folder`/raw, or resume an interrupted training.

    Returns:
        "seconds", "iterations", "parameters", "best_ema_pseudo_dice", and the "plans" used.

    Raises:
        UserError: a step of nnU-Net failed.
    """
    plans = folder / "preprocessed" / NAME / f"{PLANS}.json"
    settings_file = folder / "settings.json"
    if not settings_file.exists():
        module = "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints"
        _call(python, folder, module, "plan_and_preprocess_entry", ["-d", "1", "-c", "2d", "-np", "2"])
        write_json(plans, adapted_plans(read_json(plans), settings))
        write_json(settings_file, read_json(plans)["configurations"]["2d"])
    trainers = folder / "trainers"
    trainers.mkdir(exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("trainer.py"), trainers / "nnunet_trainer.py")
    environment = {
        "nnUNet_extTrainer": str(trainers),
        "SPECTBONEMETSEG_SECONDS": str(seconds),
        "SPECTBONEMETSEG_ITERATIONS": str(settings.iterations),
        "SPECTBONEMETSEG_SEED": str(seed),
    }
    fold = result_folder(folder) / f"fold_{FOLD}"
    if not (fold / "checkpoint_final.pth").exists():
        resume = ["--c"] if (fold / "checkpoint_latest.pth").exists() else []
        options = ["1", "2d", FOLD, "-tr", "TimedTrainer", "-device", _device(python), *resume]
        _call(python, folder, "nnunetv2.run.run_training", "run_training_entry", options, environment)
    return {**read_json(fold / "seconds.json"), "plans": read_json(settings_file)}


def adapted_plans(plans: dict[str, Any], settings: NnunetSettings) -> dict[str, Any]:
    """Change batch, patch and features in nnU-Net's plans; a smaller patch has fewer stages."""
    changed = {**plans["configurations"]["2d"]}
    arguments = {**changed["architecture"]["arch_kwargs"]}
    if settings.batch:
        changed["batch_size"] = settings.batch
    if settings.patch:
        changed["patch_size"] = [settings.patch, settings.patch]
        # The coarsest grid keeps at least 4 pixels, as in nnU-Net's own planning.
        stages = min(arguments["n_stages"], int(np.log2(settings.patch // 4)) + 1)
        for name in ("features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage"):
            arguments[name] = arguments[name][:stages]
        arguments["n_conv_per_stage_decoder"] = arguments["n_conv_per_stage_decoder"][: stages - 1]
        arguments["n_stages"] = stages
    if settings.features:
        count = len(arguments["features_per_stage"])
        arguments["features_per_stage"] = [settings.features * min(2**stage, 16) for stage in range(count)]
    changed["architecture"] = {**changed["architecture"], "arch_kwargs": arguments}
    return {**plans, "configurations": {**plans["configurations"], "2d": changed}}


def predict_nnunet(
    python: Path, folder: Path, data: Path, cases: list[str], settings: NnunetSettings, region: Region = "thorax"
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Predict the test cases of a data set, all of their images.

    Yields:
        Case and lesion probability, (rows, columns) of the region on the reference grid.

    Raises:
        UserError: nnU-Net failed.
    """
    images, predictions = folder / "imagesTs", folder / "predictions"
    for case in cases:
        for name in (f"{case}_0000", f"{case}_0001"):
            if not (images / f"{name}.nii.gz").exists():
                _copy_thick(data / FOLDERS["test"][0], images, name)
    if any(not (predictions / f"{case}.npz").exists() for case in cases):
        options = ["-i", str(images), "-o", str(predictions), "-d", "1", "-c", "2d", "-f", FOLD, "-tr", "TimedTrainer"]
        options += ["-chk", "checkpoint_best.pth", "--save_probabilities", "-npp", "1", "-nps", "1"]
        options += ["-device", _device(python), *([] if settings.mirroring else ["--disable_tta"])]
        extra = {"nnUNet_extTrainer": str(folder / "trainers"), **dict.fromkeys(VARIABLES, "1")}
        _call(python, folder, "nnunetv2.inference.predict_from_raw_data", "predict_entry_point", options, extra)
    for case in cases:
        with np.load(predictions / f"{case}.npz") as saved:
            lesion = np.asarray(saved["probabilities"][1, 0], np.float32)
        placement = placement_of(opened(data), case, region)
        # Regridding spreads counts over their area; a probability is averaged over it.
        area = placement.counts(np.ones_like(lesion))
        yield case, np.divide(placement.counts(lesion), area, out=np.zeros_like(area), where=area > 0)


#: Environment variables that our trainer requires; without effect in prediction.
VARIABLES = ("SPECTBONEMETSEG_SECONDS", "SPECTBONEMETSEG_ITERATIONS", "SPECTBONEMETSEG_SEED")


def result_folder(folder: Path) -> Path:
    """Return the folder of the trained model, as nnU-Net names it."""
    return folder / "results" / NAME / f"TimedTrainer__{PLANS}__2d"


def _device(python: Path) -> str:
    done = subprocess.run(
        [python, "-c", "import torch; print('cuda' if torch.cuda.is_available() else 'cpu')"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _call(
    python: Path, folder: Path, module: str, entry: str, options: list[str], extra: Mapping[str, str] | None = None
) -> None:
    """Run one of nnU-Net's commands, with its output in `folder`/nnunet.log."""
    environment = {
        **os.environ,
        "nnUNet_raw": str(folder / "raw"),
        "nnUNet_preprocessed": str(folder / "preprocessed"),
        "nnUNet_results": str(folder / "results"),
        "nnUNet_def_n_proc": "2",
        "nnUNet_n_proc_DA": "1",
        **(extra or {}),
    }
    code = f"from {module} import {entry}; {entry}()"
    log = folder / "nnunet.log"
    with log.open("ab") as stream:
        done = subprocess.run(
            [python, "-c", code, *options], env=environment, stdout=stream, stderr=stream, check=False
        )
    if done.returncode:
        raise UserError(f"nnU-Net's {entry} failed with status {done.returncode}; see {log}.")
