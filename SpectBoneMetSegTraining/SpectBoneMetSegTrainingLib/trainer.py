"""Supervised training of the network on a data set of labelled crops, with checkpoints and resume."""

from __future__ import annotations

import csv
import platform
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.engines import import_tensorflow
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegLib.network import NetworkConfig, build_network, pooling_divisor

from .augmentation import random_patch
from .dataset import LESION, LabelledCrop, cases_of, load_case, read_json, write_json

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

#: Cross-validation fold whose held-out patients choose the thresholds.
VALIDATION_FOLD = 0
CHECKPOINT_EVERY = 100
WARMUP_STEPS = 50
PREFETCH = 2

Progress = Callable[[int, int, float, float], None]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes:
        steps: gradient steps; batch: patches per step; patch: rows and columns of a patch.
        learning_rate: peak of the cosine schedule; weight_decay: of AdamW.
        average: of the exponential moving average of the weights.
        seed: of patches and initial weights; network: shape of the network.
    """

    steps: int = 3500
    batch: int = 8
    patch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    average: float = 0.99
    seed: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "network": self.network.to_dict()}


def training_and_validation(data: Path) -> tuple[list[str], list[str]]:
    """Cases of the data set's VALIDATION_FOLD.

    Raises:
        UserError: not a data set, or one without training cases.
    """
    cases_of(data, "train")
    fold = read_json(data / "splits.json")["folds"][VALIDATION_FOLD]
    if not fold["train"]:
        raise UserError(f"{data} holds no labelled training case; simulate or label some first.")
    return fold["train"], fold["val"]


def train(data: Path, run: Path, config: TrainingConfig, progress: Progress | None = None) -> keras.Model:
    """Train, or go on where a run in this folder was broken off, and return the averaged network.

    Args:
        data: data set. run: folder for configuration, log, curves and checkpoints.
        progress: called with step, steps, loss and seconds per step.

    Raises:
        UserError: the folder holds another run, or a bad patch size.
    """
    tf = import_tensorflow()
    if config.patch % pooling_divisor(config.network):
        raise UserError(
            f"--patch {config.patch} must be a multiple of {pooling_divisor(config.network)} for this network."
        )
    _prepare(run, config, data)
    tf.keras.utils.set_random_seed(config.seed)
    network = build_network(config.network)
    state = _State(network, config)
    first = state.restore(run)
    crops = [load_case(data, case) for case in training_and_validation(data)[0]]
    started, before = time.monotonic(), training_seconds(run)
    for step, batch in zip(range(first, config.steps), _batches(crops, config, first), strict=True):
        loss = float(state.step(step, *batch))
        if not np.isfinite(loss):
            raise UserError(f"The loss became {loss} at step {step}; start again with a smaller --learning-rate.")
        _log(run, step, loss)
        if progress:
            progress(step + 1, config.steps, loss, (time.monotonic() - started) / (step + 1 - first))
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == config.steps:
            state.save(run, step + 1)
            write_json(run / "seconds.json", round(before + time.monotonic() - started, 1))
    plot_curve(run)
    return state.averaged()


def training_seconds(run: Path) -> float:
    """Seconds a run has trained up to its last checkpoint, pauses left out."""
    path = run / "seconds.json"
    return float(read_json(path)) if path.exists() else 0.0


def _batches(
    crops: list[LabelledCrop], config: TrainingConfig, first: int
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """Batches of the steps from `first`, made in threads while the network works."""
    with ThreadPoolExecutor(PREFETCH) as pool:
        waiting = deque(
            pool.submit(make_batch, crops, config, s) for s in range(first, min(first + PREFETCH, config.steps))
        )
        for step in range(first, config.steps):
            batch = waiting.popleft().result()
            if step + PREFETCH < config.steps:
                waiting.append(pool.submit(make_batch, crops, config, step + PREFETCH))
            yield batch


def make_batch(crops: list[LabelledCrop], config: TrainingConfig, step: int) -> tuple[NDArray[np.float32], ...]:
    """Inputs, labels and weights (batch, n, n, channels) of one step; the same step gives the same patches.

    Every second patch comes from a case with labelled lesions.
    """
    rng = np.random.default_rng((config.seed, step))
    positive = [crop for crop in crops if any((label == LESION).any() for label in crop.labels.values())]
    patches = []
    for i in range(config.batch):
        pool = positive if i % 2 == 0 and positive else crops
        crop = pool[int(rng.integers(len(pool)))]
        patches.append(random_patch(crop, config.patch, config.network.inputs, config.network.outputs, rng))
    return (
        np.stack([patch.inputs for patch in patches]),
        np.stack([patch.label for patch in patches]),
        np.stack([patch.weight for patch in patches]),
    )


class _State:
    """Network, optimiser and moving average, saved and restored together."""

    def __init__(self, network: keras.Model, config: TrainingConfig) -> None:
        import tensorflow as tf

        self._network = network
        self._config = config
        self._optimizer = tf.keras.optimizers.AdamW(
            config.learning_rate, weight_decay=config.weight_decay, global_clipnorm=1.0
        )
        self._optimizer.build(network.trainable_variables)
        self._average = [tf.Variable(variable.value, trainable=False) for variable in network.trainable_variables]
        self._graph = tf.function(self._graph_step, jit_compile=False)

    def step(self, number: int, inputs: Any, label: Any, weight: Any) -> tf.Tensor:
        """One gradient step; returns the loss."""
        import tensorflow as tf

        config = self._config
        warm = min(1.0, (number + 1) / WARMUP_STEPS)
        rate = config.learning_rate * warm * (0.02 + 0.49 * (1 + np.cos(np.pi * number / config.steps)))
        # Early on the average follows closely, so that the random start does not linger in it.
        keep = min(config.average, (1 + number) / (10 + number))
        self._optimizer.learning_rate.assign(rate)
        return self._graph(tf.constant(inputs), tf.constant(label), tf.constant(weight), tf.constant(keep, tf.float32))

    def _graph_step(self, inputs: tf.Tensor, label: tf.Tensor, weight: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from .losses import segmentation_loss

        with tf.GradientTape() as tape:
            loss = segmentation_loss(self._network(inputs, training=True), label, weight)
        gradients = tape.gradient(loss, self._network.trainable_variables)
        self._optimizer.apply(gradients, self._network.trainable_variables)
        for average, variable in zip(self._average, self._network.trainable_variables, strict=True):
            average.assign(keep * average + (1 - keep) * variable.value)
        return loss

    def averaged(self) -> keras.Model:
        """The network with the averaged weights."""
        for average, variable in zip(self._average, self._network.trainable_variables, strict=True):
            variable.assign(average)
        return self._network

    def save(self, run: Path, step: int) -> None:
        """Write a checkpoint; the last whole one survives a cut at any moment."""
        variables = [*self._network.variables, *self._optimizer.variables, *self._average]
        part = run / "checkpoint.part.npz"
        arrays = {f"v{i}": np.asarray(variable) for i, variable in enumerate(variables)}
        np.savez(part, allow_pickle=False, step=np.array(step), **arrays)
        part.replace(run / "checkpoint.npz")

    def restore(self, run: Path) -> int:
        """Load the checkpoint if there is one; returns the step to go on with."""
        path = run / "checkpoint.npz"
        if not path.exists():
            return 0
        variables = [*self._network.variables, *self._optimizer.variables, *self._average]
        with np.load(path) as saved:
            for i, variable in enumerate(variables):
                variable.assign(saved[f"v{i}"])
            step = int(saved["step"])
        _cut_log(run, step)
        return step


def _prepare(run: Path, config: TrainingConfig, data: Path) -> None:
    asked = {"data": str(data.resolve()), **config.to_dict()}
    settings = run / "config.json"
    if settings.exists():
        if read_json(settings) != asked:
            raise UserError(f"{run} holds a training with other options; choose another --run or delete that folder.")
        return
    try:
        write_json(settings, asked)
    except OSError as error:
        raise UserError(f"{run} cannot be written ({error.strerror}); choose another --run.") from error
    write_json(run / "environment.json", environment())


def environment() -> dict[str, str]:
    """Versions and machine, for the run folder and the model card."""
    import keras
    import tensorflow as tf

    return {
        "python": sys.version.split()[0],
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "gpus": str(len(tf.config.list_physical_devices("GPU"))),
    }


def _log(run: Path, step: int, loss: float) -> None:
    path = run / "log.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss"])
        writer.writerow([step, f"{loss:.6f}"])


def _cut_log(run: Path, step: int) -> None:
    """Forget logged steps after the checkpoint: they will be run again."""
    path = run / "log.csv"
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(lines[: step + 1]) + "\n", encoding="utf-8")


def plot_curve(run: Path) -> None:
    """Draw the loss curve of a run to curves.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = np.loadtxt(run / "log.csv", delimiter=",", skiprows=1, ndmin=2)
    width = max(1, len(rows) // 50)
    smooth = np.convolve(rows[:, 1], np.ones(width) / width, "valid")
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(rows[:, 0], rows[:, 1], color="0.8", linewidth=0.6, label="every step")
    axes.plot(rows[width - 1 :, 0], smooth, color="tab:blue", label=f"mean of {width} steps")
    axes.set_xlabel("step")
    axes.set_ylabel("training loss")
    axes.legend(frameon=False)
    figure.savefig(run / "curves.png", dpi=110)
