"""State of a training from step to step: network, optimiser, EMA network, best weights in validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.architecture import build_network

from .sampling.batches import Batch
from .setup import schedule
from .setup.config import TrainingConfig
from .steps.choice import gradient_step
from .validation import EarlyStopping, single_image_predictor

if TYPE_CHECKING:
    import keras


class TrainingState:
    """Network, optimiser and exponential moving average (EMA) of the weights, saved and restored together.

    The EMA runs over all variables, BatchNorm's moving statistics included: these belong to the weights that they were
    measured with, so averaged weights need averaged statistics (as in Tarvainen & Valpola's mean teacher).

    Attributes:
        early_stopping: best validation score, and validations since.
    """

    def __init__(self, config: TrainingConfig, devices: Sequence[str] | None = None) -> None:
        self._config = config
        self._step = gradient_step(config, devices)
        self._network, self._average = self._step.network, self._step.average
        self._predict = single_image_predictor(self._average, config.network)
        self.early_stopping = EarlyStopping()
        self._best_weights: list[NDArray[Any]] | None = None

    def start_from(self, weights: list[NDArray[Any]]) -> None:
        """Set network and EMA network to these weights, `get_weights()` of a network of the same shape."""
        self._network.set_weights(weights)
        self._average.set_weights(weights)

    def step(self, number: int, batch: Batch) -> dict[str, float]:
        """Take one gradient step; return "loss" and its parts."""
        config = self._config
        return self._step(
            batch,
            schedule.learning_rate(config.learning_rate, number, config.steps),
            schedule.average_decay(config.average, number),
            schedule.consistency_weight(number, config.steps),
        )

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the EMA network's probability maps (rows, columns, outputs) of one image (rows, columns, inputs)."""
        return self._predict(inputs)

    def record_validation(self, score: float) -> None:
        """Record the EMA network's score on the validation patients; keep its weights if it is the best so far."""
        if self.early_stopping.update(score):
            self._best_weights = self._average.get_weights()

    def result(self) -> keras.Model:
        """Return the EMA network with the best validation score; without validation the last one."""
        network = build_network(self._config.network)
        network.set_weights(self._best_weights or self._average.get_weights())
        return network

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays of a checkpoint by name."""
        from keras.ops import convert_to_numpy

        arrays = {f"v{i}": convert_to_numpy(variable) for i, variable in enumerate(self._variables())}
        arrays |= {f"best{i}": array for i, array in enumerate(self._best_weights or [])}
        return {
            **arrays,
            "score": np.array(self.early_stopping.score),
            "looks_since": np.array(self.early_stopping.validations_since),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the state from the arrays of a checkpoint."""
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"v{i}"])
        self.early_stopping = EarlyStopping(float(arrays["score"]), int(arrays["looks_since"]))
        count = len(self._average.get_weights()) if "best0" in arrays else 0
        self._best_weights = [arrays[f"best{i}"] for i in range(count)] or None

    def _variables(self) -> list[Any]:
        return [*self._network.variables, *self._step.optimizer.variables, *self._average.variables]
