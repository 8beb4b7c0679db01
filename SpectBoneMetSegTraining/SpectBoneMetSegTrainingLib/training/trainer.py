"""Training loop: any method, with validation, early stopping, checkpoints and resume."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import exclusive_access
from SpectBoneMetSegLib.model.backend import use_backend

from ..common.pace import Pace, Stopwatch
from ..dataset.cases import LabelledCrop
from ..dataset.digest import outlines_digest
from ..dataset.opened import Data, opened
from ..phantom.store.crops import PatientStore
from . import run_folder
from .sampling.batches import CACHE_BYTES, BatchSource, CropCache, cases_with_lesions, prefetched
from .setup.cases import TrainingCases, stored_patients, training_cases
from .setup.config import TrainingConfig
from .setup.fine_tuning import start_weights, with_start
from .setup.schedule import learning_rate
from .state import TrainingState
from .steps.choice import make_deterministic
from .validation import CachedPredictions, CasePredictor, pooled_dice

if TYPE_CHECKING:
    import keras

#: Steps and seconds between checkpoints, whichever comes first.
CHECKPOINT_EVERY, CHECKPOINT_SECONDS = 100, 120.0

#: Called after every step with step, steps, loss and pace.
StepProgress = Callable[[int, int, float, Pace], None]


class TrainingInterruptedError(Exception):
    """Raised by `progress` to save a checkpoint and end the training, which can resume from this step."""


class ValidationCallback(Protocol):
    """Callback of `train`, called after every validation."""

    def __call__(self, step: int, dice: float, predict: CasePredictor, load: Callable[[str], LabelledCrop]) -> None:
        """Show or store the network's predictions.

        Args:
            step: gradient steps taken so far.
            dice: pooled DSC of all validation patients.
            predict: returns the EMA network's probability map of a case.
            load: returns a case by its name.
        """


def train(
    data: Data,
    run: Path,
    config: TrainingConfig,
    progress: StepProgress | None = None,
    devices: Sequence[str] | None = None,
    cache_bytes: int = CACHE_BYTES,
    on_validation: ValidationCallback | None = None,
) -> keras.Model:
    """Train, or resume the run in this folder, and return the EMA network with the best validation score.

    A training that is interrupted at any moment and resumed on the same machine ends with the same weights, bit for
    bit: batches are a function of seed and step, the checkpoint holds everything else, operations are deterministic.

    Args:
        data: data set.
        run: folder for configuration, log, curves and checkpoint.
        config: options of the training.
        progress: called with step, steps, loss and pace. An exception that it raises ends the training;
            TrainingInterruptedError saves a checkpoint of that step first.
        devices: names of TensorFlow's devices to train on, None for all GPUs; the other backends use one.
        cache_bytes: memory for cases read from disk, in bytes.
        on_validation: called after every validation.

    Raises:
        UserError: the folder holds another run or another process trains in it, invalid options, a damaged or too
            small data set, or the parent model is missing.
    """
    use_backend()
    config = with_start(config)
    config.check()
    data = opened(data)
    cases = training_cases(data, config)
    store = stored_patients(config)
    new = not run.exists()
    used = {"labelled": cases.labelled, "validation": cases.validation, "unlabelled": cases.unlabelled}
    run_folder.prepare(run, config, data.folder, outlines_digest(data, used))
    make_deterministic(config.seed)
    with exclusive_access(run):
        try:
            loop = _TrainingLoop(
                run,
                config,
                cases,
                TrainingState(config, devices),
                CropCache(data, cache_bytes, config.region, regions=config.network.regions),
                store,
            )
        except UserError:
            # Such as a damaged parent model: nothing was trained.
            if new:
                shutil.rmtree(run, ignore_errors=True)
            raise
        loop.run_steps(progress, on_validation)
        run_folder.plot_curves(run)
    return loop.state.result()


class _TrainingLoop:
    """The loop of one training: steps, logs, validations, checkpoints."""

    def __init__(
        self,
        run: Path,
        config: TrainingConfig,
        cases: TrainingCases,
        state: TrainingState,
        load: CropCache,
        store: PatientStore | None,
    ) -> None:
        self.run, self.config, self.cases, self.state, self.load = run, config, cases, state, load
        self.store = store
        self.first, self.earlier_seconds, self.ended = 0, 0.0, False
        saved = run_folder.load_checkpoint(run)
        if saved is not None:
            state.restore(saved)
            self.first, self.earlier_seconds = int(saved["step"]), float(saved["seconds"])
            self.ended = bool(saved["ended"])
        elif config.start:
            state.start_from(start_weights(config))
        # Also without a checkpoint: a run killed before its first one has logged steps that will be repeated.
        run_folder.cut_logs(run, self.first, ("step_seconds", "waiting_seconds"))
        self.events = run_folder.EventLog(run)

    def run_steps(self, progress: StepProgress | None, on_validation: ValidationCallback | None) -> None:
        """Train until the last step, or until early stopping."""
        config = self.config
        if self.ended:
            return
        positive = cases_with_lesions(self.load, self.cases.labelled)
        source = BatchSource(self.load, self.cases, config, positive, self.store)
        started = saved_at = time.monotonic()
        watch = Stopwatch()
        batches = watch.waiting(prefetched(source.make, self.first, config.steps))
        for step, batch in enumerate(batches, start=self.first):
            parts = self.state.step(step, batch)
            watch.stepped()
            self._log(step, parts, self.earlier_seconds + time.monotonic() - started, watch)
            done = step + 1
            if self.cases.validation and config.validate_every and done % config.validate_every == 0:
                self._validate(done, on_validation)
            self.ended = done == config.steps or self.state.early_stopping.should_stop(config.patience)
            try:
                if progress:
                    progress(done, config.steps, parts["loss"], watch.pace())
            except TrainingInterruptedError:
                self._save(done, self.earlier_seconds + time.monotonic() - started)
                raise
            now = time.monotonic()
            if self.ended or done % CHECKPOINT_EVERY == 0 or now - saved_at > CHECKPOINT_SECONDS:
                self._save(done, self.earlier_seconds + now - started)
                saved_at = now
            if self.ended:
                break

    def _validate(self, done: int, on_validation: ValidationCallback | None) -> None:
        """Measure the EMA network on the validation patients."""
        predict = CachedPredictions(self.state.predict, self.config.network)
        dice = pooled_dice(predict, map(self.load, self.cases.validation), self.config.network)
        if np.isnan(dice):
            # No lesion in these patients, so no DSC: neither the best weights nor early stopping are updated.
            return
        self.state.record_validation(dice)
        run_folder.append_row(self.run / run_folder.VALIDATION, run_folder.VALIDATION_COLUMNS, (done, dice))
        self.events.write(done, {"validation/dice": dice})
        if on_validation:
            on_validation(done, dice, predict, self.load)

    def _log(self, step: int, parts: dict[str, float], seconds: float, watch: Stopwatch) -> None:
        loss = parts["loss"]
        if not np.isfinite(loss):
            raise UserError(
                f"The loss became {loss} at step {step}; start again with a smaller learning rate.", "learning_rate"
            )
        rate = learning_rate(self.config.learning_rate, step, self.config.steps)
        times = {"seconds": seconds, "step_seconds": watch.step_seconds, "waiting_seconds": watch.waiting_seconds}
        values = {**parts, "learning_rate": rate, **times}
        run_folder.append_row(self.run / run_folder.LOG, ("step", *values), (step, *values.values()))
        self.events.write(step, {f"train/{name}": value for name, value in values.items()})

    def _save(self, done: int, seconds: float) -> None:
        self.events.flush()
        about = {"step": np.array(done), "seconds": np.array(seconds), "ended": np.array(self.ended)}
        run_folder.save_checkpoint(self.run, {**self.state.arrays(), **about})
