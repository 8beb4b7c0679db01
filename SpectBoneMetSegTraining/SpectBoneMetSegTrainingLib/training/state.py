"""Everything a training carries from step to step: network, optimiser, averaged network, the best one so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.architecture import build_network

from .losses.objectives import losses_of
from .sampling.batches import Batch
from .setup import schedule
from .setup.config import TrainingConfig
from .validation import BestSoFar

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

#: Gradients of one step are scaled down to this norm.
GRADIENT_NORM = 1.0


class TrainingState:
    """Network, optimiser and averages, stepped, saved and restored together.

    The average runs over all variables, BatchNorm's moving statistics included: they belong to the weights they were
    measured with, so averaged weights need averaged statistics (as in Tarvainen & Valpola's mean teacher).

    On several devices each takes a part of every batch. BatchNorm and the losses still see the whole batch, so that
    the number of devices does not change the training beyond rounding; the price is their exchange at every layer.
    """

    def __init__(self, config: TrainingConfig, devices: Sequence[str] | None = None) -> None:
        import tensorflow as tf

        self._config = config
        self._strategy = strategy_for(config.batch // (2 if config.method in ("semi", "strong") else 1), devices)
        self._replicas = self._strategy.num_replicas_in_sync
        self._losses = losses_of(config)
        with self._strategy.scope():
            self._network = build_network(config.network)
            self._average = build_network(config.network)
            self._average.set_weights(self._network.get_weights())
            self._optimizer = tf.keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
            self._optimizer.build(self._network.trainable_variables)
        if self._replicas > 1:
            for layer in self._network.layers:
                if isinstance(layer, tf.keras.layers.BatchNormalization):
                    layer.synchronized = True
        self._graph = tf.function(self._graph_step)
        self._predict = tf.function(lambda inputs: self._average(inputs, training=False), reduce_retracing=True)
        self.best = BestSoFar()
        self._best_weights: list[NDArray[Any]] | None = None

    def start_from(self, weights: list[NDArray[Any]]) -> None:
        """Give network and average these weights, `get_weights()` of a network of the same shape."""
        self._network.set_weights(weights)
        self._average.set_weights(weights)

    def step(self, number: int, batch: Batch) -> dict[str, float]:
        """One gradient step; returns "loss" and its parts."""
        import tensorflow as tf

        config = self._config
        self._optimizer.learning_rate.assign(schedule.learning_rate(config.learning_rate, number, config.steps))
        keep = tf.constant(schedule.average_decay(config.average, number), tf.float32)
        ramp = tf.constant(schedule.consistency_weight(number, config.steps), tf.float32)
        parts = self._graph({name: self._spread(array) for name, array in batch.items()}, keep, ramp)
        return {name: float(value) for name, value in parts.items()}

    def _spread(self, array: NDArray[np.float32]) -> Any:
        """A tensor, or on several devices one piece for each."""
        import tensorflow as tf

        if self._replicas == 1:
            return tf.constant(array)
        pieces = np.split(array, self._replicas)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(pieces[context.replica_id_in_sync_group])
        )

    def _graph_step(self, batch: dict[str, Any], keep: tf.Tensor, ramp: tf.Tensor) -> dict[str, tf.Tensor]:
        parts = self._strategy.run(self._replica_step, args=(batch, ramp))
        parts = {name: self._strategy.experimental_local_results(value)[0] for name, value in parts.items()}
        for average, variable in zip(self._average.variables, self._network.variables, strict=True):
            self._strategy.extended.update(
                average.value, lambda old, new: old.assign(keep * old + (1 - keep) * new), args=(variable.value,)
            )
        return parts

    def _replica_step(self, batch: dict[str, tf.Tensor], ramp: tf.Tensor) -> dict[str, tf.Tensor]:
        import tensorflow as tf

        variables = self._network.trainable_variables
        with tf.GradientTape() as tape:
            seen = {**batch, "probability": self._network(batch["inputs"], training=True)}
            if "weak" in batch:
                seen["teacher"] = tf.stop_gradient(self._average(batch["weak"], training=False))
            if self._replicas > 1:
                context = tf.distribute.get_replica_context()
                seen = {name: context.all_gather(value, axis=0) for name, value in seen.items()}
            parts = self._losses(seen, ramp)
            loss = tf.add_n(list(parts.values()))
        gradients = tape.gradient(loss, variables)
        if self._replicas > 1:
            # Every device has the whole batch's loss, and gathering sums its gradient over the devices.
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
        gradients, _ = tf.clip_by_global_norm(gradients, GRADIENT_NORM)
        # Keras adds the devices' gradients up; they are all the same here.
        self._optimizer.apply([gradient / self._replicas for gradient in gradients], variables)
        return {"loss": loss, **parts}

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (batch, rows, columns, outputs) of the averaged network."""
        return np.asarray(self._predict(inputs))

    def look(self, score: float) -> None:
        """Note the averaged network's score on the validation patients; the best one's weights are kept."""
        if self.best.see(score):
            self._best_weights = self._average.get_weights()

    def result(self) -> keras.Model:
        """The averaged network: the best one seen in validation, without validation the last one."""
        network = build_network(self._config.network)
        network.set_weights(self._best_weights or self._average.get_weights())
        return network

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that a checkpoint needs, by name."""
        arrays = {f"v{i}": np.array(variable) for i, variable in enumerate(self._variables())}
        arrays |= {f"best{i}": array for i, array in enumerate(self._best_weights or [])}
        return {**arrays, "score": np.array(self.best.score), "looks_since": np.array(self.best.looks_since)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go back to what `arrays` gave."""
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"v{i}"])
        self.best = BestSoFar(float(arrays["score"]), int(arrays["looks_since"]))
        count = len(self._average.get_weights()) if "best0" in arrays else 0
        self._best_weights = [arrays[f"best{i}"] for i in range(count)] or None

    def _variables(self) -> list[Any]:
        return [*self._network.variables, *self._optimizer.variables, *self._average.variables]


def strategy_for(splittable: int, devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Mirrored over several devices, or the one device there is.

    Args:
        splittable: what the number of devices must divide; as many are used as do.
        devices: names such as "GPU:0"; None for all GPUs.
    """
    import tensorflow as tf

    names = list(devices) if devices else [device.name[-5:] for device in tf.config.list_logical_devices("GPU")]
    count = max((n for n in range(1, len(names) + 1) if splittable % n == 0), default=1)
    return tf.distribute.MirroredStrategy(names[:count]) if count > 1 else tf.distribute.get_strategy()
