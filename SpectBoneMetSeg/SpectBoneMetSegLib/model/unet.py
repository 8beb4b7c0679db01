"""The network for comparison: a plain U-Net (Ronneberger et al. 2015), with the settings of the paper's network.

As published: two 3x3 convolutions with ReLU per level, 2x2 max pooling, 2x2 up-convolutions and skip connections. Not
as published, but usual today: zero padding keeps the size, and BatchNorm follows every convolution.
"""

from __future__ import annotations

from typing import Any


def unet_features(image: Any, channels: tuple[int, ...], momentum: float) -> Any:
    """Return features at full resolution, (batch, rows, columns, channels[0]).

    Args:
        image: Keras tensor; rows and columns are multiples of 2 ** len(channels).
        channels: per level above the bottleneck; the bottleneck has twice the last.
        momentum: of BatchNorm's averages.
    """
    import keras

    from .layers import FusedBatchNormalization

    def convolve(x: Any, filters: int, name: str) -> Any:
        for number in (1, 2):
            x = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"{name}_conv{number}",
            )(x)
            x = FusedBatchNormalization(momentum=momentum, name=f"{name}_norm{number}")(x)
            x = keras.layers.ReLU()(x)
        return x

    x, skipped = image, []
    for level, filters in enumerate(channels, start=1):
        x = convolve(x, filters, f"down{level}")
        skipped.append(x)
        x = keras.layers.MaxPooling2D(2, 2)(x)
    x = convolve(x, 2 * channels[-1], "bottom")
    for level in range(len(channels), 0, -1):
        x = keras.layers.Conv2DTranspose(channels[level - 1], 2, strides=2, name=f"up{level}_transpose")(x)
        x = keras.layers.Concatenate()([skipped[level - 1], x])
        x = convolve(x, channels[level - 1], f"up{level}")
    return x
