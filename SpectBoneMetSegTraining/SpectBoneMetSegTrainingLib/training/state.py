"""Everything a training carries from step to step: network, optimiser, averaged network, the best one so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.backend import probabilities

from .sampling.batches import Batch
from .setup import schedule
from .setup.config import TrainingConfig
from .steps.choice import gradient_step
from .validation import EarlyStopping

if TYPE_CHECKING:
    import keras


class TrainingState:
    """Network, optimiser and averages, stepped, saved and restored together.

    The average runs over all variables, BatchNorm's moving statistics included: they belong to the weights they were
    measured with, so averaged weights need averaged statistics (as in Tarvainen & Valpola's mean teacher).
    """

    def __init__(self, config: TrainingConfig, devices: Sequence[str] | None = None) -> None:
        self._config = config
        self._step = gradient_step(config, devices)
        self._network, self._average = self._step.network, self._step.average
        self._predict = probabilities(self._average)
        self.best = EarlyStopping()
        self._best_weights: list[NDArray[Any]] | None = None

    def start_from(self, weights: list[NDArray[Any]]) -> None:
        """Give network and average these weights, `get_weights()` of a network of the same shape."""
        self._network.set_weights(weights)
        self._average.set_weights(weights)

    def step(self, number: int, batch: Batch) -> dict[str, float]:
        """One gradient step; returns "loss" and its parts."""
        config = self._config
        return self._step(
            batch,
            schedule.learning_rate(config.learning_rate, number, config.steps),
            schedule.average_decay(config.average, number),
            schedule.consistency_weight(number, config.steps),
        )

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (batch, rows, columns, outputs) of the averaged network."""
        return self._predict(inputs)

    def record_validation(self, score: float) -> None:
        """Note the averaged network's score on the validation patients; the best one's weights are kept."""
        if self.best.update(score):
            self._best_weights = self._average.get_weights()

    def result(self) -> keras.Model:
        """The averaged network: the best one seen in validation, without validation the last one."""
        network = build_network(self._config.network)
        network.set_weights(self._best_weights or self._average.get_weights())
        return network

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that a checkpoint needs, by name."""
        from keras.ops import convert_to_numpy

        arrays = {f"v{i}": convert_to_numpy(variable) for i, variable in enumerate(self._variables())}
        arrays |= {f"best{i}": array for i, array in enumerate(self._best_weights or [])}
        return {**arrays, "score": np.array(self.best.score), "looks_since": np.array(self.best.validations_since)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go back to what `arrays` gave."""
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"v{i}"])
        self.best = EarlyStopping(float(arrays["score"]), int(arrays["looks_since"]))
        count = len(self._average.get_weights()) if "best0" in arrays else 0
        self._best_weights = [arrays[f"best{i}"] for i in range(count)] or None

    def _variables(self) -> list[Any]:
        return [*self._network.variables, *self._step.optimizer.variables, *self._average.variables]
