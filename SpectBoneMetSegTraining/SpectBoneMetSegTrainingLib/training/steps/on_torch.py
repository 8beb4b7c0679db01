"""Gradient step in PyTorch: autograd on one device, the GPU if Keras finds one."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import torch
from numpy.typing import NDArray

from .base import GradientStep


class TorchStep(GradientStep):
    """See `base.GradientStep`."""

    def __call__(
        self, batch: Mapping[str, NDArray[np.float32]], rate: float, decay: float, consistency: float
    ) -> dict[str, float]:
        """See `base.GradientStep`."""
        self.optimizer.learning_rate.assign(rate)
        variables = self.network.trainable_variables
        tensors = {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}
        if "weak" in tensors:
            with torch.no_grad():
                tensors["teacher"] = self._teacher(self.average(tensors["weak"], training=False))
        parts = self._losses(self._with_outputs(tensors, self.network(tensors["inputs"], training=True)), consistency)
        loss = sum(parts.values())
        gradients = torch.autograd.grad(loss, [variable.value for variable in variables])
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            for average, variable in zip(self.average.variables, self.network.variables, strict=True):
                average.assign(decay * average.value + (1 - decay) * variable.value)
        return {name: float(value.detach()) for name, value in {"loss": loss, **parts}.items()}
