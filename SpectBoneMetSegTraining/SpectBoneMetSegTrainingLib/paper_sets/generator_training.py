"""Training of the generator, with checkpoints, a log and contact sheets of its samples.

    RUN/generator.json  environment.json  log.csv  samples_<step>.png  checkpoint.npz

An interrupted training can be resumed and reaches the same weights, as with `trainer`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.model.backend import import_tensorflow

from ..common.progress import Progress
from ..dataset.files import claim_folder, write_json
from ..training import run_folder
from .dcgan import CHANNELS, Dcgan, GeneratorConfig

Array = NDArray[np.float32]

#: Steps or seconds between checkpoints, whichever comes first; number of contact sheets per training.
CHECKPOINT_EVERY, CHECKPOINT_SECONDS, SHEETS = 200, 120.0, 6
#: Images are shifted by up to this share of their side, against overfitting to few scans.
SHIFT_SHARE = 0.04
#: Number of real images and of samples on a sheet.
SHOWN_REAL, SHOWN_SAMPLES = 6, 18
#: Streams of random numbers: for steps, for samples on sheets, for requested samples.
STEPS, SHEET, SAMPLES = 0, 1, 2


def train_generator(
    images: Array, run: Path, config: GeneratorConfig, progress: Progress | None = None, about: Iterable[str] = ()
) -> Dcgan:
    """Train a generator, or resume an interrupted run in the same folder.

    Args:
        images: (n, size, size, CHANNELS) from -1 to 1, n from 2.
        run: working folder.
        config: configuration of the generator.
        progress: called with step and steps, every 50 steps.
        about: names of the cases, for the record.

    Raises:
        UserError: the folder holds another run or cannot be written, too few images, or losses that are not finite.
    """
    tf = import_tensorflow()
    config.check()
    if len(images) < 2:
        raise UserError("A generator needs at least two labelled training cases with both views.")
    claim_folder(run, "generator.json", {**config.to_dict(), "cases": list(about)}, "generator")
    write_json(run / "environment.json", run_folder.environment())
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(config.seed)
    gan = Dcgan(config)
    saved = run_folder.load_checkpoint(run)
    first, seconds_before = 0, 0.0
    if saved is not None:
        gan.restore(saved)
        first, seconds_before = int(saved["step"]), float(saved["seconds"])
    run_folder.cut_logs(run, first)
    started = saved_at = time.monotonic()
    for step in range(first, config.steps):
        losses = gan.step(step, *_batch(images, config, step))
        now = time.monotonic()
        if not np.isfinite(list(losses.values())).all():
            raise UserError(f"The generator's losses became {losses} at step {step}; start again with another seed.")
        row = {"step": step, **losses, "seconds": seconds_before + now - started}
        run_folder.append_row(run / run_folder.LOG, tuple(row), list(row.values()))
        done = step + 1
        last = done == config.steps
        if last or done % max(1, config.steps // SHEETS) == 0:
            _write_sheet(run / f"samples_{done:05d}.png", images, gan, config)
        if last or done % CHECKPOINT_EVERY == 0 or now - saved_at > CHECKPOINT_SECONDS:
            counters = {"step": np.array(done), "seconds": np.array(seconds_before + now - started)}
            run_folder.save_checkpoint(run, {**gan.arrays(), **counters})
            saved_at = now
        if progress and (last or done % 50 == 0):
            progress(done, config.steps)
    return gan


def draw_samples(gan: Dcgan, config: GeneratorConfig, count: int) -> Array:
    """Generate (count, size, size, CHANNELS) images; the first ones do not depend on `count`."""
    latent = _normal((config.seed, SAMPLES), (count, config.latent))
    return np.concatenate([gan.sample(latent[i : i + config.batch]) for i in range(0, count, config.batch)])


def _batch(images: Array, config: GeneratorConfig, step: int) -> tuple[Array, Array]:
    """Draw real images and latent vectors of a step, from seed and step only."""
    rng = np.random.default_rng((config.seed, STEPS, step))
    repeats = config.discriminator_steps
    chosen = images[rng.integers(len(images), size=repeats * config.batch)]
    reach = max(1, round(SHIFT_SHARE * config.size))
    shifted = np.stack([_shifted(image, reach, rng) for image in chosen])
    latent = rng.standard_normal((repeats + 1, config.batch, config.latent)).astype(np.float32)
    return shifted.reshape(repeats, config.batch, *images.shape[1:]), latent


def _shifted(image: Array, reach: int, rng: np.random.Generator) -> Array:
    """Flip left to right at random, and shift by whole pixels with edge padding."""
    flipped = image[:, ::-1] if rng.random() < 0.5 else image
    row, column = rng.integers(0, 2 * reach + 1, 2)
    padded = np.pad(flipped, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    return padded[row : row + image.shape[0], column : column + image.shape[1]]


def _normal(seed: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _write_sheet(path: Path, images: Array, gan: Dcgan, config: GeneratorConfig) -> None:
    """Draw real images above samples, both views side by side, with outlined labels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    samples = gan.sample(_normal((config.seed, SHEET), (SHOWN_SAMPLES, config.latent)))
    shown = [*images[np.arange(SHOWN_REAL) % len(images)], *samples]
    columns = SHOWN_REAL
    rows = len(shown) // columns
    figure = Figure(figsize=(2.4 * columns, 1.35 * rows), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for number, (axes, image) in enumerate(zip(figure.subplots(rows, columns).flat, shown, strict=True)):
        half = len(CHANNELS) // 2
        views = np.concatenate([image[..., i] for i in range(half)], axis=1)
        labels = np.concatenate([image[..., half + i] for i in range(half)], axis=1)
        axes.imshow(views, cmap="gray_r", vmin=-1, vmax=0.6, interpolation="nearest")
        if (labels > 0).any():
            axes.contour(labels, [0.0], colors="tab:red", linewidths=0.8)
        axes.set_title("training image" if number < columns else "generated", fontsize=7)
        axes.set_axis_off()
    with whole_file(path) as part:
        figure.savefig(part, dpi=110)
