"""The "reader" architecture (ours): a residual U-Net with few channels at full resolution, and regions at half.

Full resolution has one convolution in the encoder and one in the decoder, so that a whole body takes a fraction of a
second on two cores. All other layers work at half resolution or less, where a lesion of 1 cm2 still has five pixels.
"""

from __future__ import annotations

from typing import Any


def reader_features(image: Any, channels: tuple[int, ...], momentum: float) -> tuple[Any, Any]:
    """Return features at full resolution (channels[0]) and at half resolution (channels[1]).

    Args:
        image: Keras tensor; rows and columns are multiples of 2 ** (len(channels) - 1).
        channels: per level, full resolution first.
        momentum: of BatchNorm's averages.
    """
    import keras

    from .layers import BilinearUpsampling, FusedBatchNormalization

    def convolve(x: Any, filters: int, name: str, stride: int = 1, kernel: int = 3) -> Any:
        x = keras.layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(x)
        return FusedBatchNormalization(momentum=momentum, name=f"{name}_norm")(x)

    def active(x: Any) -> Any:
        return keras.layers.ReLU()(x)

    def residual(x: Any, filters: int, name: str) -> Any:
        """Apply a residual block of two convolutions."""
        identity = x if x.shape[-1] == filters else convolve(x, filters, f"{name}_past", kernel=1)
        inner = active(convolve(x, filters, f"{name}_first"))
        return active(keras.layers.Add()([convolve(inner, filters, f"{name}_second"), identity]))

    x = active(convolve(image, channels[0], "full"))
    skipped = [x]
    for level, filters in enumerate(channels[1:], start=1):
        x = active(convolve(x, filters, f"down{level}", stride=2))
        x = residual(x, filters, f"level{level}")
        skipped.append(x)
    half = x
    for level in range(len(channels) - 2, 0, -1):
        x = BilinearUpsampling(2)(convolve(x, channels[level], f"narrow{level}", kernel=1))
        half = x = residual(keras.layers.Concatenate()([x, skipped[level]]), channels[level], f"up{level}")
    x = BilinearUpsampling(2)(convolve(x, channels[0], "narrow0", kernel=1))
    return active(convolve(keras.layers.Concatenate()([x, skipped[0]]), channels[0], "out")), half
