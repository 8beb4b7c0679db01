"""Bilinear upsampling whose graph takes images of any size. Imports Keras: import this inside functions only."""

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
