"""The run folder of a training: configuration, environment, logs, checkpoint, curves.

    RUN/config.json  environment.json  checkpoint.npz  log.csv  validation.csv  curves.png  tensorboard/

A training may be killed at any moment: files are replaced as a whole, and log rows after the last checkpoint are
removed when the training resumes, because those steps are repeated.
"""

from __future__ import annotations

import csv
import errno
import math
import os
import platform
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.model.backend import BACKENDS, gpu_names, use_backend
from SpectBoneMetSegLib.model.store import CARD_FILE

from ..dataset.files import read_json, write_json
from .setup.config import TrainingConfig

CHECKPOINT = "checkpoint.npz"
#: File of a run that was started, and its entry with the digest of the data set.
SETTINGS, OUTLINES = "config.json", "outlines_sha256"
LOG, VALIDATION = "log.csv", "validation.csv"
VALIDATION_COLUMNS = ("step", "dice")
#: Columns of the log that are not terms of the loss (times in seconds).
FRAME_COLUMNS = ("step", "loss", "learning_rate", "seconds", "step_seconds", "waiting_seconds")


def check_new_model(output: Path, *, started: bool) -> None:
    """Check that a training does not replace a model that it did not make.

    Args:
        output: model folder to write.
        started: whether the training was started before, so that a model there is its own.

    Raises:
        UserError: there is a model.
    """
    if not started and (output / CARD_FILE).exists():
        raise UserError(f"{output} is a model already; choose another folder for the new one, or remove it first.")


def prepare(run: Path, config: TrainingConfig, data: Path, outlines: str = "") -> None:
    """Create the run folder, or check that it holds the same training.

    Args:
        run: the folder.
        config: options of the training.
        data: folder of its data set.
        outlines: digest of the data set, see `dataset.digest`.

    Raises:
        UserError: the folder holds another training, its data set has changed, or the folder cannot be written.
    """
    requested = {"data": str(data.resolve()), **config.to_dict()}
    settings = run / SETTINGS
    if settings.exists():
        # A run of an older version lacks newer options; it was trained with what is now their default.
        lost = "restore it, or choose another run"
        defaults = TrainingConfig().to_dict()
        held = {**defaults, **read_json(settings, remedy=lost)}
        held["network"] = {**defaults["network"], **held["network"]}
        # Older versions stored none.
        earlier = held.pop(OUTLINES, outlines)
        if held["start_sha256"] is not None and held["start_sha256"] == requested["start_sha256"]:
            # The same weights: their folder moves when the extension is updated.
            held["start"] = requested["start"]
        if held != requested:
            raise UserError(
                f"{run} holds a training with other options ({_differences(held, requested)}); give the same ones "
                "to resume it, or choose another run. Its learning-rate schedule was made for its steps: to train "
                "longer, start a new run that starts from its model.",
                "run_folder",
                "start",
            )
        if earlier != outlines:
            # Patients of its training could now be in the test set, without any record of it.
            raise UserError(
                f"{data} has other scans, folds or outlines than when {run} was started, so this training cannot go "
                "on: start a new one.",
                "run_folder",
                "data",
            )
        backend = read_json(run / "environment.json", remedy=lost).get("backend", "tensorflow")
        if backend != use_backend():
            # Backends round differently: the result would differ from an uninterrupted training.
            raise UserError(
                f"{run} was started with {BACKENDS[backend]}; set KERAS_BACKEND={backend}, or choose another run.",
                "run_folder",
            )
        return
    try:
        write_json(run / "environment.json", environment())
        # The configuration is written last: a folder that has one is complete.
        write_json(settings, {**requested, OUTLINES: outlines})
    except OSError as error:
        raise UserError(f"{run} cannot be written ({reason_of(error)}); choose another run.", "run_folder") from error


def _differences(held: Mapping[str, Any], requested: Mapping[str, Any]) -> str:
    """List the options that differ, such as "steps 100 instead of 200"; those of the network one by one."""
    flat = []
    for values in (held, requested):
        network = values.get("network")
        own = {name: value for name, value in values.items() if name != "network"}
        flat.append({**own, **(network if isinstance(network, dict) else {"network": network})})
    names = [name for name in {**flat[0], **flat[1]} if flat[0].get(name) != flat[1].get(name)]
    return ", ".join(f"{name} {flat[0].get(name)} instead of {flat[1].get(name)}" for name in names)


def environment() -> dict[str, str]:
    """Return versions and machine, for the run folder and the model card."""
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
    """Return the seconds that a run has trained up to its last checkpoint, without pauses; 0 without a checkpoint."""
    saved = load_checkpoint(run)
    return float(saved["seconds"]) if saved else 0.0


def save_checkpoint(run: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace the checkpoint; the previous one survives a kill at any moment.

    Raises:
        OSError: the file cannot be written.
    """
    # The same name for all processes, so that the leftover of a killed one is overwritten.
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
    """Read the arrays of the checkpoint; None if there is none.

    Raises:
        UserError: the checkpoint is damaged.
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
    """Append a row to a CSV file; a new file gets the header first."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        writer.writerow([value if isinstance(value, int) else f"{value:.6g}" for value in row])


def read_rows(path: Path) -> list[dict[str, float]]:
    """Read the complete rows of a log as numbers; a truncated last row is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines(keepends=True) if line.endswith("\n")]
    reader = csv.DictReader(lines)
    width = len(reader.fieldnames or ())
    return [{key: float(value) for key, value in row.items()} for row in reader if len(row) == width]


def validations_of(run: Path) -> list[dict[str, float]]:
    """Return the validations of a run: step and pooled DSC of each."""
    return read_rows(run / VALIDATION)


def cut_logs(run: Path, step: int, added: Sequence[str] = ()) -> None:
    """Remove the log rows from `step` on, and TensorBoard's files, which `EventLog` writes again from the rest.

    Args:
        run: the run folder.
        step: first step that will be repeated.
        added: columns of LOG that a run of an older version lacks; NaN in its rows.
    """
    for name in (LOG, VALIDATION):
        path = run / name
        rows = [row for row in read_rows(path) if row["step"] < step + (name == VALIDATION)]
        if name == LOG:
            rows = [{**row, **{column: row.get(column, math.nan) for column in added}} for row in rows]
        if not rows:
            path.unlink(missing_ok=True)
            continue
        with whole_file(path) as part:
            for row in rows:
                append_row(part, list(row), [int(value) if key == "step" else value for key, value in row.items()])
    shutil.rmtree(run / "tensorboard", ignore_errors=True)


class EventLog:
    """TensorBoard event files of a run, written by TensorFlow; trainings with another backend have none."""

    def __init__(self, run: Path) -> None:
        import keras

        self._writer: Any = None
        self._folder = run / "tensorboard"
        if keras.backend.backend() != "tensorflow":
            return
        import tensorflow as tf

        folder = self._folder
        with _errors_of_the_system(folder):
            self._writer = tf.summary.create_file_writer(str(folder))
        for row in read_rows(run / LOG):
            self.write(int(row["step"]), {f"train/{key}": value for key, value in row.items() if key != "step"})
        for row in read_rows(run / VALIDATION):
            self.write(int(row["step"]), {"validation/dice": row["dice"]})

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars by name."""
        if self._writer is None:
            return
        import tensorflow as tf
        from tensorflow.core.framework.summary_pb2 import SummaryMetadata

        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
        with _errors_of_the_system(self._folder), self._writer.as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata)

    def flush(self) -> None:
        """Flush the event files to disk."""
        if self._writer is not None:
            with _errors_of_the_system(self._folder):
                self._writer.flush()


@contextmanager
def _errors_of_the_system(folder: Path) -> Iterator[None]:
    """Raise TensorFlow's own errors while it writes into a folder as an OSError, as other files do."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        full = os.strerror(errno.ENOSPC)
        if full in str(error):
            raise OSError(errno.ENOSPC, full, str(folder)) from error
        raise OSError(str(error).partition("\n")[0]) from error


def plot_curves(run: Path) -> None:
    """Plot training loss and validation DSC of a run to curves.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_rows(run / LOG)
    validations = read_rows(run / VALIDATION)
    if not rows:
        return
    figure = Figure(figsize=(7, 6 if validations else 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if validations else 1, 1, sharex=True, squeeze=False)[:, 0]
    steps = np.array([row["step"] for row in rows])
    width = max(1, len(rows) // 50)
    axes[0].plot(steps, [row["loss"] for row in rows], color="0.8", linewidth=0.6, label="every step")
    parts = [key for key in rows[0] if key not in FRAME_COLUMNS]
    for name in ("loss", *(parts if len(parts) > 1 else ())):
        smooth = np.convolve([row[name] for row in rows], np.ones(width) / width, "valid")
        axes[0].plot(steps[width - 1 :], smooth, label=f"{name.replace('_', ' ')}, mean of {width} steps")
    axes[0].set_ylabel("training loss")
    axes[0].legend(frameon=False)
    if validations:
        best = max(validations, key=lambda row: row["dice"])
        dices = [row["dice"] for row in validations]
        axes[1].plot([row["step"] for row in validations], dices, marker=".", color="tab:green")
        axes[1].plot(best["step"], best["dice"], "o", color="tab:green", label=f"kept: {best['dice']:.3f}")
        axes[1].set_ylabel("pooled DSC, validation")
        axes[1].legend(frameon=False)
    axes[-1].set_xlabel("step")
    with whole_file(run / "curves.png") as part:
        figure.savefig(part, dpi=110)
