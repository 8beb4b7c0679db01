"""Batch normalisation in one pass over the features. Imports Keras: import this inside functions only."""

from __future__ import annotations

from typing import Any

import keras


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
