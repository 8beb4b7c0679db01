"""The reader: a residual U-Net that keeps full resolution thin, with the skeleton's regions at half of it. Ours.

Full resolution has one convolution on the way down and one on the way up, so that a whole body passes in a fraction of
a second on two cores; everything else happens from half resolution on, where a lesion of 1 cm2 still has five pixels.
"""

from __future__ import annotations

from typing import Any


def reader_features(image: Any, channels: tuple[int, ...], momentum: float) -> tuple[Any, Any]:
    """Features at full resolution (channels[0]) and at half of it (channels[1]).

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
        """Two convolutions and the way past them."""
        past = x if x.shape[-1] == filters else convolve(x, filters, f"{name}_past", kernel=1)
        inner = active(convolve(x, filters, f"{name}_first"))
        return active(keras.layers.Add()([convolve(inner, filters, f"{name}_second"), past]))

    x = active(convolve(image, channels[0], "full"))
    kept = [x]
    for level, filters in enumerate(channels[1:], start=1):
        x = active(convolve(x, filters, f"down{level}", stride=2))
        x = residual(x, filters, f"level{level}")
        kept.append(x)
    half = x
    for level in range(len(channels) - 2, 0, -1):
        x = BilinearUpsampling(2)(convolve(x, channels[level], f"narrow{level}", kernel=1))
        half = x = residual(keras.layers.Concatenate()([x, kept[level]]), channels[level], f"up{level}")
    x = BilinearUpsampling(2)(convolve(x, channels[0], "narrow0", kernel=1))
    return active(convolve(keras.layers.Concatenate()([x, kept[0]]), channels[0], "out")), half
