"""The folder of a training: configuration, environment, logs, checkpoint, curves.

    RUN/config.json  environment.json  checkpoint.npz  log.csv  validation.csv  curves.png  tensorboard/

Everything can be cut off at any moment: files are replaced whole, and what was logged after the last checkpoint is
forgotten when the training goes on, because those steps run again.
"""

from __future__ import annotations

import csv
import math
import os
import platform
import shutil
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.backend import BACKENDS, gpu_names, use_backend

from ..dataset.files import read_json, write_json
from .setup.config import TrainingConfig

CHECKPOINT = "checkpoint.npz"
LOG, VALIDATION = "log.csv", "validation.csv"
VALIDATION_COLUMNS = ("step", "dice")
#: Columns of the log that are not parts of the loss.
FRAME_COLUMNS = ("step", "loss", "learning_rate", "seconds", "step_seconds", "waiting_seconds")


def prepare(run: Path, config: TrainingConfig, data: Path) -> None:
    """Make the folder, or check that it holds this very training.

    Raises:
        UserError: it holds another training, or cannot be written.
    """
    asked = {"data": str(data.resolve()), **config.to_dict()}
    settings = run / "config.json"
    if settings.exists():
        # An older program's run lacks the options that came later; it was trained with what is now their default.
        first = TrainingConfig().to_dict()
        held = {**first, **read_json(settings)}
        held["network"] = {**first["network"], **held["network"]}
        if held != asked:
            raise UserError(
                f"{run} holds a training with other options ({_differences(held, asked)}); give it the same ones to go "
                "on, or choose another run. Its schedule was made for its steps: to learn for longer, start a new "
                "run that starts from its model.",
                "run_folder",
                "start",
            )
        begun = read_json(run / "environment.json").get("backend", "tensorflow")
        if begun != use_backend():
            # Every backend rounds in its own way: it would not end as an unbroken training does.
            raise UserError(
                f"{run} was begun with {BACKENDS[begun]}; set KERAS_BACKEND={begun}, or choose another run.",
                "run_folder",
            )
        return
    try:
        write_json(run / "environment.json", environment())
        # The configuration comes last: a folder with one is whole.
        write_json(settings, asked)
    except OSError as error:
        raise UserError(f"{run} cannot be written ({error.strerror}); choose another run.", "run_folder") from error


def _differences(held: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """What two trainings were asked differently, "steps 100 instead of 200" say; of the network each part by itself."""
    flat = []
    for values in (held, asked):
        network = values.get("network")
        own = {name: value for name, value in values.items() if name != "network"}
        flat.append({**own, **(network if isinstance(network, dict) else {"network": network})})
    names = [name for name in {**flat[0], **flat[1]} if flat[0].get(name) != flat[1].get(name)]
    return ", ".join(f"{name} {flat[0].get(name)} instead of {flat[1].get(name)}" for name in names)


def environment() -> dict[str, str]:
    """Versions and machine, for the run folder and the model card."""
    from importlib import import_module

    backend = use_backend()
    import keras

    return {
        "python": sys.version.split()[0],
        "backend": backend,
        backend: str(import_module(backend).__version__),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "gpus": str(len(gpu_names())),
    }


def training_seconds(run: Path) -> float:
    """Seconds a run has trained up to its last checkpoint, pauses left out; 0 without one."""
    saved = load_checkpoint(run)
    return float(saved["seconds"]) if saved else 0.0


def save_checkpoint(run: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace the checkpoint; the last whole one survives a cut at any moment."""
    # One name for all processes, so that what a killed one leaves is written over.
    part = run / "checkpoint.part.npz"
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(run / CHECKPOINT)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def load_checkpoint(run: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays of the checkpoint, None if there is none.

    Raises:
        UserError: it is damaged.
    """
    path = run / CHECKPOINT
    if not path.exists():
        return None
    try:
        with np.load(path) as saved:
            return dict(saved)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged; delete {run} and train again.") from error


def append_row(path: Path, columns: Sequence[str], row: Sequence[float | int]) -> None:
    """Add a row to a CSV file, and the header to a new one."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        writer.writerow([value if isinstance(value, int) else f"{value:.6g}" for value in row])


def read_rows(path: Path) -> list[dict[str, float]]:
    """The whole rows of a log as numbers; a last one cut short is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines(keepends=True) if line.endswith("\n")]
    reader = csv.DictReader(lines)
    width = len(reader.fieldnames or ())
    return [{key: float(value) for key, value in row.items()} for row in reader if len(row) == width]


def validations_of(run: Path) -> list[dict[str, float]]:
    """The looks at the validation patients: step and pooled Dice."""
    return read_rows(run / VALIDATION)


def cut_logs(run: Path, step: int, added: Sequence[str] = ()) -> None:
    """Forget what was logged at `step` and later, and draw TensorBoard's files anew from what is left.

    Args:
        added: columns of LOG that an older program's run lacks; nan in its rows.
    """
    for name in (LOG, VALIDATION):
        path = run / name
        rows = [row for row in read_rows(path) if row["step"] < step + (name == VALIDATION)]
        if name == LOG:
            rows = [{**row, **{column: row.get(column, math.nan) for column in added}} for row in rows]
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        for row in rows:
            append_row(part, list(row), [int(value) if key == "step" else value for key, value in row.items()])
        if rows:
            part.replace(path)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(run / "tensorboard", ignore_errors=True)


class EventLog:
    """TensorBoard event files of a run, written by TensorFlow's core: a training with another backend has none."""

    def __init__(self, run: Path) -> None:
        import keras

        self._writer: Any = None
        if keras.backend.backend() != "tensorflow":
            return
        import tensorflow as tf

        folder = run / "tensorboard"
        self._writer = tf.summary.create_file_writer(str(folder))
        for row in read_rows(run / LOG):
            self.write(int(row["step"]), {f"train/{key}": value for key, value in row.items() if key != "step"})
        for row in read_rows(run / VALIDATION):
            self.write(int(row["step"]), {"validation/dice": row["dice"]})

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add scalars."""
        if self._writer is None:
            return
        import tensorflow as tf
        from tensorflow.core.framework.summary_pb2 import SummaryMetadata

        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata)

    def flush(self) -> None:
        """Bring what was written to disk."""
        if self._writer is not None:
            self._writer.flush()


def plot_curves(run: Path) -> None:
    """Draw training loss and validation Dice of a run to curves.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_rows(run / LOG)
    looks = read_rows(run / VALIDATION)
    if not rows:
        return
    figure = Figure(figsize=(7, 6 if looks else 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if looks else 1, 1, sharex=True, squeeze=False)[:, 0]
    steps = np.array([row["step"] for row in rows])
    width = max(1, len(rows) // 50)
    axes[0].plot(steps, [row["loss"] for row in rows], color="0.8", linewidth=0.6, label="every step")
    parts = [key for key in rows[0] if key not in FRAME_COLUMNS]
    for name in ("loss", *(parts if len(parts) > 1 else ())):
        smooth = np.convolve([row[name] for row in rows], np.ones(width) / width, "valid")
        axes[0].plot(steps[width - 1 :], smooth, label=f"{name.replace('_', ' ')}, mean of {width} steps")
    axes[0].set_ylabel("training loss")
    axes[0].legend(frameon=False)
    if looks:
        best = max(looks, key=lambda row: row["dice"])
        axes[1].plot([row["step"] for row in looks], [row["dice"] for row in looks], marker=".", color="tab:green")
        axes[1].plot(best["step"], best["dice"], "o", color="tab:green", label=f"kept: {best['dice']:.3f}")
        axes[1].set_ylabel("pooled Dice, validation")
        axes[1].legend(frameon=False)
    axes[-1].set_xlabel("step")
    part = run / "curves.part.png"
    figure.savefig(part, dpi=110)
    part.replace(run / "curves.png")
