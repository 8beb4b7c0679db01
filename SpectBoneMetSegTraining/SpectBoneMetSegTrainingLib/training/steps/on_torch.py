"""The gradient step in PyTorch: autograd, on one device; Keras takes the GPU if there is one."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import torch
from numpy.typing import NDArray

from .base import GradientStep, clipped


class TorchStep(GradientStep):
    """See `base.GradientStep`."""

    def __call__(
        self, batch: Mapping[str, NDArray[np.float32]], rate: float, keep: float, ramp: float
    ) -> dict[str, float]:
        """See `base.GradientStep`."""
        self.optimizer.learning_rate.assign(rate)
        variables = self.network.trainable_variables
        seen = {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}
        if "weak" in seen:
            with torch.no_grad():
                seen["teacher"] = self._teacher(self.average(seen["weak"], training=False))
        parts = self._losses(self._seen(seen, self.network(seen["inputs"], training=True)), ramp)
        loss = sum(parts.values())
        gradients = torch.autograd.grad(loss, [variable.value for variable in variables])
        with torch.no_grad():
            self.optimizer.apply(clipped(gradients), variables)
            for average, variable in zip(self.average.variables, self.network.variables, strict=True):
                average.assign(keep * average.value + (1 - keep) * variable.value)
        return {name: float(value.detach()) for name, value in {"loss": loss, **parts}.items()}
