"""Which backend's step is taken, and what else a training asks of the backend.

The files on_*.py import their backend: import them inside functions only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..setup.config import TrainingConfig
from .base import GradientStep


def gradient_step(config: TrainingConfig, devices: Sequence[str] | None = None) -> GradientStep:
    """The step of the backend that Keras computes with.

    Args:
        devices: of TensorFlow, to share the work, None for all GPUs; the other backends use one.
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
    """The same seed gives the same weights on the same machine, as far as the backend can promise it: on a CPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # On a GPU the gradient of bilinear upsampling has no deterministic form; it must not end the training.
        torch.use_deterministic_algorithms(True, warn_only=True)
    keras.utils.set_random_seed(seed)
