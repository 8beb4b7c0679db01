"""Keras layers with workarounds for Keras 3.15 on TensorFlow. Imports Keras: import this inside functions only."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="SpectBoneMetSeg")
class BilinearUpsampling(keras.layers.UpSampling2D):
    """`UpSampling2D(interpolation="bilinear")`, on TensorFlow without its size check.

    Keras 3.15 compares the new size with zero in Python, which fails in a `tf.function` with a dynamic image size.
    """

    def __init__(self, size: int | tuple[int, int] = 2, **options: Any) -> None:
        options["interpolation"] = "bilinear"
        super().__init__(size, **options)

    def call(self, inputs: Any) -> Any:
        """Upsample (batch, rows, columns, channels) to (batch, size[0] * rows, size[1] * columns, channels)."""
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        import tensorflow as tf

        outputs = tf.image.resize(inputs, tf.shape(inputs)[1:3] * tf.constant(self.size), method="bilinear")
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return outputs


@keras.saving.register_keras_serializable(package="SpectBoneMetSeg")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`BatchNormalization`, which on TensorFlow trains with TensorFlow's fused operation.

    Keras 3.15 composes it of a dozen operations, each a pass over the features, which on a CPU takes longer than the
    convolutions.
    """

    # Keras' signature: its callers may pass training by position.
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: FBT001
        """Normalise (batch, rows, columns, channels)."""
        if not training or self.synchronized or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for moving, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + of_batch * (1 - self.momentum))
        return outputs
