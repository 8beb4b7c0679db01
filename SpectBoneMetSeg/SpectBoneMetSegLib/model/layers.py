"""Layers of Keras that do in TensorFlow what Keras 3.15 does not. Imports Keras: import this inside functions only."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="SpectBoneMetSeg")
class BilinearUpsampling(keras.layers.UpSampling2D):
    """`UpSampling2D(interpolation="bilinear")`, in TensorFlow without its size check.

    Keras 3.15 compares the new size with zero in Python, which fails inside a `tf.function` whose image size is open.
    """

    def __init__(self, size: int | tuple[int, int] = 2, **options: Any) -> None:
        options["interpolation"] = "bilinear"
        super().__init__(size, **options)

    def call(self, inputs: Any) -> Any:
        """(batch, rows, columns, channels) -> (batch, size[0] * rows, size[1] * columns, channels)."""
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        import tensorflow as tf

        outputs = tf.image.resize(inputs, tf.shape(inputs)[1:3] * tf.constant(self.size), method="bilinear")
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return outputs


@keras.saving.register_keras_serializable(package="SpectBoneMetSeg")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`BatchNormalization`, which in TensorFlow learns with TensorFlow's one operation for it.

    Keras 3.15 makes it of a dozen, each a pass over the features, which on a processor takes longer than the
    convolutions do.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """(batch, rows, columns, channels) -> the same."""
        if not training or self.synchronized or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for moving, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + of_batch * (1 - self.momentum))
        return outputs
