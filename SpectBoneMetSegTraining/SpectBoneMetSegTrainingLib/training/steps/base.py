"""Base class of the gradient steps of all backends, precision and gradient clipping."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.architecture import build_network

from ..losses.objectives import losses_of
from ..setup.config import Precision, TrainingConfig

#: Maximum global norm of the gradients (gradient clipping).
GRADIENT_NORM = 1.0


class GradientStep(ABC):
    """Gradient step of a training: network, EMA network and optimiser, updated together.

    Attributes:
        network: the Keras model that is trained.
        average: Keras model with the exponential moving average (EMA) of its weights, the mean teacher.
        optimizer: Keras' AdamW, built.
    """

    def __init__(self, config: TrainingConfig, replicas: int = 1) -> None:
        """Build all three.

        Args:
            config: options of the training.
            replicas: number of devices whose gradients, each divided by this number, the optimiser adds.
        """
        import keras

        with arithmetic(config.precision):
            self.network = build_network(config.network)
        # The EMA network is validated and written as the model, so it has the precision of a reading.
        self.average = build_network(config.network)
        self.average.set_weights(self.network.get_weights())
        self.optimizer = keras.optimizers.AdamW(
            config.learning_rate, weight_decay=config.weight_decay, global_clipnorm=GRADIENT_NORM / replicas
        )
        self.optimizer.build(self.network.trainable_variables)
        self._losses = losses_of(config)

    @abstractmethod
    def __call__(
        self, batch: Mapping[str, NDArray[np.float32]], rate: float, decay: float, consistency: float
    ) -> dict[str, float]:
        """Take one gradient step, and update the EMA network.

        Args:
            batch: batch of `batches.BatchSource`.
            rate: learning rate.
            decay: decay of the EMA.
            consistency: weight of the consistency loss.

        Returns:
            "loss" and its terms by name.
        """

    def _with_outputs(self, batch: Mapping[str, Any], outputs: Any) -> dict[str, Any]:
        """Return the batch with the network's outputs, as the losses expect them."""
        probability, *regions = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {**batch, "probability": probability, **({"region_probability": regions[0]} if regions else {})}

    def _teacher(self, outputs: Any) -> Any:
        """Return the lesion probabilities among the outputs of the EMA network."""
        return outputs[0] if isinstance(outputs, list | tuple) else outputs


@contextlib.contextmanager
def arithmetic(precision: Precision) -> Iterator[None]:
    """Let layers that are built inside compute with this precision; their variables stay float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
