"""What the gradient steps of all backends share."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.architecture import build_network

from ..losses.objectives import losses_of
from ..setup.config import Precision, TrainingConfig

#: Gradients of one step are scaled down to this norm.
GRADIENT_NORM = 1.0


class GradientStep(ABC):
    """Network, averaged network and optimiser of a training, stepped together.

    Attributes:
        network: a Keras model.
        average: another of the same shape.
        optimizer: Keras' AdamW, built.
    """

    def __init__(self, config: TrainingConfig) -> None:
        import keras

        with arithmetic(config.precision):
            self.network = build_network(config.network)
        # The average is what validation sees and what is kept, in the arithmetic it is read with later.
        self.average = build_network(config.network)
        self.average.set_weights(self.network.get_weights())
        self.optimizer = keras.optimizers.AdamW(config.learning_rate, weight_decay=config.weight_decay)
        self.optimizer.build(self.network.trainable_variables)
        self._losses = losses_of(config)

    @abstractmethod
    def __call__(
        self, batch: Mapping[str, NDArray[np.float32]], rate: float, keep: float, ramp: float
    ) -> dict[str, float]:
        """One step.

        Args:
            batch: of `batches.BatchSource`.
            rate: learning rate.
            keep: share of the average that stays.
            ramp: weight of the consistency loss.

        Returns:
            "loss" and its parts.
        """

    def _seen(self, batch: Mapping[str, Any], outputs: Any) -> dict[str, Any]:
        """The batch with what the network answers to it, as the losses take both."""
        probability, *regions = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {**batch, "probability": probability, **({"region_probability": regions[0]} if regions else {})}

    def _teacher(self, outputs: Any) -> Any:
        """The lesions' probabilities among what the averaged network answers."""
        return outputs[0] if isinstance(outputs, list | tuple) else outputs


@contextlib.contextmanager
def arithmetic(precision: Precision) -> Iterator[None]:
    """Layers built inside compute with this precision; their variables stay float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def clipped(gradients: Sequence[Any]) -> list[Any]:
    """Gradients scaled down together to GRADIENT_NORM."""
    from keras import ops

    norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in gradients))
    scale = GRADIENT_NORM / ops.maximum(norm, GRADIENT_NORM)
    return [gradient * scale for gradient in gradients]
