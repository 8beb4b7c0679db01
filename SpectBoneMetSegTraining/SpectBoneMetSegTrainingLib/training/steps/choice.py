"""Choice of the gradient step by Keras backend, and deterministic operations.

The modules on_*.py import their backend: import them inside functions only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..setup.config import TrainingConfig
from .base import GradientStep


def gradient_step(config: TrainingConfig, devices: Sequence[str] | None = None) -> GradientStep:
    """Return the gradient step of the current Keras backend.

    Args:
        config: options of the training.
        devices: names of TensorFlow's devices to train on, None for all GPUs; the other backends use one.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        from .on_torch import TorchStep

        return TorchStep(config)
    if backend == "jax":
        from .on_jax import JaxStep

        return JaxStep(config)
    from .on_tensorflow import TensorFlowStep

    return TensorFlowStep(config, devices)


def make_deterministic(seed: int) -> None:
    """Seed all random numbers and enable deterministic operations; the backends guarantee these on CPUs only."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # On GPUs the gradient of bilinear upsampling is not deterministic: warn instead of failing.
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
    keras.utils.set_random_seed(seed)
