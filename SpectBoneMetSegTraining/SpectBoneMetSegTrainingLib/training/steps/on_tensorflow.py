"""Gradient step in TensorFlow: one graph, on one device or mirrored over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..setup.config import MIXED, TrainingConfig
from .base import GradientStep


class TensorFlowStep(GradientStep):
    """See `base.GradientStep`.

    On several devices each one processes a part of every batch. BatchNorm and losses still use the whole batch, so that
    the number of devices changes the training only by rounding; this costs communication at every layer.
    """

    def __init__(self, config: TrainingConfig, devices: Sequence[str] | None = None) -> None:
        self._strategy = strategy_for(config.batch // (2 if config.method in MIXED else 1), devices)
        self._replicas = self._strategy.num_replicas_in_sync
        with self._strategy.scope():
            super().__init__(config, self._replicas)
        if self._replicas > 1:
            for layer in self.network.layers:
                if isinstance(layer, tf.keras.layers.BatchNormalization):
                    layer.synchronized = True
        self._graph = tf.function(self._graph_step)

    def __call__(
        self, batch: Mapping[str, NDArray[np.float32]], rate: float, decay: float, consistency: float
    ) -> dict[str, float]:
        """See `base.GradientStep`."""
        self.optimizer.learning_rate.assign(rate)
        pieces = {name: self._distributed(array) for name, array in batch.items()}
        parts = self._graph(pieces, tf.constant(decay, tf.float32), tf.constant(consistency, tf.float32))
        return {name: float(value) for name, value in parts.items()}

    def _distributed(self, array: NDArray[np.float32]) -> Any:
        """Return a tensor, or one part per device."""
        if self._replicas == 1:
            return tf.constant(array)
        pieces = np.split(array, self._replicas)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(pieces[context.replica_id_in_sync_group])
        )

    def _graph_step(self, batch: dict[str, Any], decay: tf.Tensor, consistency: tf.Tensor) -> dict[str, tf.Tensor]:
        parts = self._strategy.run(self._replica_step, args=(batch, consistency))
        parts = {name: self._strategy.experimental_local_results(value)[0] for name, value in parts.items()}
        for average, variable in zip(self.average.variables, self.network.variables, strict=True):
            self._strategy.extended.update(
                average.value, lambda old, new: old.assign(decay * old + (1 - decay) * new), args=(variable.value,)
            )
        return parts

    def _replica_step(self, batch: dict[str, tf.Tensor], consistency: tf.Tensor) -> dict[str, tf.Tensor]:
        variables = self.network.trainable_variables
        with tf.GradientTape() as tape:
            tensors = self._with_outputs(batch, self.network(batch["inputs"], training=True))
            if "weak" in batch:
                tensors["teacher"] = tf.stop_gradient(self._teacher(self.average(batch["weak"], training=False)))
            if self._replicas > 1:
                context = tf.distribute.get_replica_context()
                tensors = {name: context.all_gather(value, axis=0) for name, value in tensors.items()}
            parts = self._losses(tensors, consistency)
            loss = tf.add_n(list(parts.values()))
        gradients = tape.gradient(loss, variables)
        if self._replicas > 1:
            # Every device has the loss of the whole batch, and all_gather sums its gradient over the devices.
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
        # Keras sums the gradients of the devices, which are all equal here.
        self.optimizer.apply([gradient / self._replicas for gradient in gradients], variables)
        return {"loss": loss, **parts}


def strategy_for(splittable: int, devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Return a strategy that mirrors the training over several devices, or the default one for a single device.

    Args:
        splittable: batch size that the number of devices must divide; the largest possible number is used.
        devices: names such as "GPU:0"; None for all GPUs.
    """
    names = list(devices) if devices else [device.name[-5:] for device in tf.config.list_logical_devices("GPU")]
    count = max((n for n in range(1, len(names) + 1) if splittable % n == 0), default=1)
    return tf.distribute.MirroredStrategy(names[:count]) if count > 1 else tf.distribute.get_strategy()
