"""Build the segmentation network of Lin et al. 2022 (Sec. 2.3) in Keras 3: dilated residual, inception, recurrent.

The paper does not state layer order, channels and dilation rates. What follows its text cites the equation or section;
every other choice is a field of `NetworkConfig` or a named constant marked "ours". Keras is imported inside the
functions, so that importing this module is cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..scan.skeleton_regions import REGIONS
from .backend import use_backend
from .config import STEM_KERNEL, NetworkConfig, pooling_divisor

if TYPE_CHECKING:
    import keras


#: Ours: channels of the 1x1 reductions before the wide inception branches, per channel of the branch.
INCEPTION_REDUCTION = 1

#: Ours: momentum of the BatchNorm averages. Keras' 0.99 needs more steps to converge than a short training has.
BATCHNORM_MOMENTUM = 0.95

#: Ours: initial probability of every pixel. Lesions are rare, so a low value avoids large initial losses.
PRIOR_PROBABILITY = 0.02

#: Ours: initial scale of W_R relative to W_F, so that the features of an untrained step do not mask the image.
RECURRENT_START = 0.1

#: Ours: initial negative slope of PReLU; with Keras' 0 it would start as a plain ReLU.
PRELU_START = 0.1


class _Step:
    """Creates the layers of one recurrent step, with names and, if tied, shared weights."""

    def __init__(self, number: int, shared: dict[str, keras.Layer] | None) -> None:
        self._prefix = f"step{number}_"
        self._shared = shared

    def shareable(self, name: str, make: Callable[[str], keras.Layer]) -> keras.Layer:
        """Return the layer of that name: this step's own, or the one that all tied steps share."""
        if self._shared is None:
            return make(self._prefix + name)
        if name not in self._shared:
            self._shared[name] = make("tied_" + name)
        return self._shared[name]

    def conv(
        self, x: Any, filters: int, kernel: int | tuple[int, int], name: str, *, bias: bool = False, **options: Any
    ) -> Any:
        """Convolve x with zero padding to the same size; no bias by default, because BatchNorm follows."""
        import keras

        layer = self.shareable(
            name,
            lambda full: keras.layers.Conv2D(
                filters,
                kernel,
                padding="same",
                use_bias=bias,
                name=full,
                **{"kernel_initializer": "he_normal", **options},
            ),
        )
        return layer(x)

    def norm_prelu(self, x: Any, name: str) -> Any:
        """Apply BatchNorm of this step, then PReLU with one slope per channel."""
        import keras

        from .layers import FusedBatchNormalization

        x = FusedBatchNormalization(momentum=BATCHNORM_MOMENTUM, name=f"{self._prefix}{name}_norm")(x)
        start = keras.initializers.Constant(PRELU_START)
        layer = self.shareable(
            f"{name}_prelu",
            lambda full: keras.layers.PReLU(shared_axes=[1, 2], alpha_initializer=start, name=full),
        )
        return layer(x)


def _residual_block(step: _Step, x: Any, filters: int, dilations: tuple[int, int], name: str) -> Any:
    """Apply two dilated 3x3 convolutions with BatchNorm and PReLU, and add a 1x1 convolution of the input (Fig. 2)."""
    import keras

    identity = step.conv(x, filters, 1, f"{name}_identity", bias=True)
    for number, rate in enumerate(dilations, start=1):
        x = step.conv(x, filters, 3, f"{name}_conv{number}", dilation_rate=rate)
        x = step.norm_prelu(x, f"{name}_conv{number}")
    return keras.layers.Add()([x, identity])


def _plain_block(step: _Step, x: Any, filters: int, name: str) -> Any:
    """Apply the plain block of the ablation (Table 5): no dilation, no identity path."""
    for number in (1, 2):
        x = step.norm_prelu(step.conv(x, filters, 3, f"{name}_conv{number}"), f"{name}_conv{number}")
    return x


def _inception_block(step: _Step, x: Any, filters: int, name: str) -> Any:
    """Halve the grid by five branches, concatenated to `filters` channels (Sec. 2.3.2, Fig. 3).

    Ours: 1x3/3x1 and 1x7/7x1 in sequence, a 1x1 reduction before the wide branches, BatchNorm and PReLU once after
    the concatenation, equal channels per branch with the remainder to max pooling. The 1x1 branch reads 2x2 means: with
    stride 2 it would skip three pixels of four, and TensorFlow 2.21 on a CPU crashes on its gradient for few channels.
    """
    import keras

    width = filters // 5
    reduced = width * INCEPTION_REDUCTION
    branches = [step.conv(keras.layers.AveragePooling2D(2, 2)(x), width, 1, f"{name}_1x1")]
    for side in (3, 7):
        y = step.conv(x, reduced, 1, f"{name}_{side}x{side}_reduce")
        y = step.conv(y, width, (1, side), f"{name}_1x{side}", strides=(1, 2))
        branches.append(step.conv(y, width, (side, 1), f"{name}_{side}x1", strides=(2, 1)))
    y = step.conv(x, reduced, 1, f"{name}_5x5_reduce")
    branches.append(step.conv(y, width, 5, f"{name}_5x5", strides=2))
    y = step.conv(x, filters - 4 * width, 1, f"{name}_pool_reduce")
    branches.append(keras.layers.MaxPooling2D(2, 2)(y))
    return step.norm_prelu(keras.layers.Concatenate()(branches), name)


def _extract(step: _Step, x: Any, config: NetworkConfig) -> tuple[Any, list[Any]]:
    """Run the feature extraction once; return coarse features, and each stage's features before halving the grid."""
    import keras

    stages = []
    for stage, (filters, dilations) in enumerate(zip(config.channels, config.dilations, strict=True)):
        name = f"stage{stage + 1}"
        if config.blocks == "dilated-residual":
            x = _residual_block(step, x, filters, dilations, name)
        else:
            x = _plain_block(step, x, filters, name)
        stages.append(x)
        if config.inception:
            x = _inception_block(step, x, filters, f"{name}_inception")
        else:
            x = keras.layers.MaxPooling2D(2, 2)(x)
    return x, stages


def _recurrent_extraction(image: Any, config: NetworkConfig) -> tuple[Any, list[Any]]:
    """Apply Eq. 5: x(t) = extract_t(W_F(t) u + up(W_R(t) x(t-1)) + b), with the image u at every step, without x(0)."""
    import keras

    from .layers import BilinearUpsampling

    shared: dict[str, keras.Layer] | None = {} if config.tied else None
    features: Any = None
    stages: list[Any] = []
    for number in range(1, config.recurrent_steps + 1):
        step = _Step(number, shared)
        kernel = STEM_KERNEL[config.stem_stride]
        x = step.conv(image, config.stem_channels, kernel, "feedforward", strides=config.stem_stride)
        if features is not None:
            # A 1x1 convolution and bilinear upsampling commute; the convolution is cheaper on the coarse grid.
            start = keras.initializers.VarianceScaling(RECURRENT_START**2)
            back = step.conv(features, config.stem_channels, 1, "recurrent", kernel_initializer=start)
            back = BilinearUpsampling(2 ** len(config.channels))(back)
            x = keras.layers.Add()([x, back])
        # The bias b of Eq. 5 is BatchNorm's.
        features, stages = _extract(step, step.norm_prelu(x, "stem"), config)
    return features, stages


def _upsample(image: Any, features: Any, stages: list[Any], config: NetworkConfig) -> Any:
    """Upsample to full resolution: per level bilinear doubling, skip connection and a 3x3 convolution."""
    import keras

    from .layers import BilinearUpsampling

    step = _Step(0, {})
    levels = [(f"up{number}", filters) for number, filters in enumerate(config.channels, start=1)]
    skips = list(stages)
    if config.stem_stride == 2:
        levels.insert(0, ("up0", config.stem_channels))
        if config.skip_connections:
            skips.insert(0, step.norm_prelu(step.conv(image, config.stem_channels, 3, "detail"), "detail"))
    x = features
    for level in reversed(range(len(levels))):
        name, filters = levels[level]
        x = BilinearUpsampling(2)(x)
        if config.skip_connections:
            x = keras.layers.Concatenate()([x, skips[level]])
        x = step.norm_prelu(step.conv(x, filters, 3, name), name)
    return x


def build_network(config: NetworkConfig, height: int | None = None, width: int | None = None) -> keras.Model:
    """Build the untrained network.

    Args:
        config: the architecture.
        height: input rows, a multiple of `pooling_divisor(config)`; None for any size.
        width: input columns, likewise.

    Returns:
        Keras model from (batch, rows, columns, inputs) to (batch, rows, columns, outputs) float32 probabilities;
        `training=True` switches BatchNorm to the batch's statistics. With `config.regions` it returns a list of these
        and the probabilities of the regions.

    Raises:
        ValueError: a size is not a multiple of `pooling_divisor(config)`.
        UserError: no backend of Keras, see `backend.use_backend`.
    """
    # Before Keras, whose import would print TensorFlow's start-up messages.
    use_backend()
    import keras

    divisor = pooling_divisor(config)
    if any(side is not None and (side < divisor or side % divisor) for side in (height, width)):
        raise ValueError(f"height {height} and width {width} must be multiples of {divisor}")
    image = keras.Input((height, width, len(config.inputs)), name="counts", dtype="float32")
    half = None
    if config.architecture == "unet":
        from .unet import unet_features

        full = unet_features(image, config.channels, BATCHNORM_MOMENTUM)
    elif config.architecture == "reader":
        from .reader_network import reader_features

        full, half = reader_features(image, config.channels, BATCHNORM_MOMENTUM)
    else:
        features, stages = _recurrent_extraction(image, config)
        full = _upsample(image, features, stages, config)
    outputs = _probabilities(full, len(config.outputs), "probability")
    if config.regions:
        outputs = [outputs, _probabilities(half, len(config.outputs) * len(REGIONS), "regions")]
    return keras.Model(image, outputs, name="spect_bone_met_seg")


def coarsest_features(network: keras.Model, config: NetworkConfig) -> Any:
    """Return the symbolic output of the coarsest layer of a built network, before the decoder.

    Args:
        network: built by `build_network`.
        config: its architecture.

    Returns:
        Keras tensor, (batch, rows, columns, channels).
    """
    from .layers import BilinearUpsampling

    if config.architecture == "unet":
        return network.get_layer(f"up{len(config.channels)}_transpose").input
    if config.architecture == "reader":
        return network.get_layer(f"narrow{len(config.channels) - 2}_conv").input
    # One for every feedback step of the recurrence, then the first of the decoder: its input is the coarsest.
    upsamplings = [layer for layer in network.layers if isinstance(layer, BilinearUpsampling)]
    return upsamplings[config.recurrent_steps - 1].input


def _probabilities(features: Any, count: int, name: str) -> Any:
    """Return `count` sigmoid probabilities per pixel."""
    import math

    import keras

    return keras.layers.Conv2D(
        count,
        1,
        activation="sigmoid",
        bias_initializer=keras.initializers.Constant(math.log(PRIOR_PROBABILITY / (1 - PRIOR_PROBABILITY))),
        dtype="float32",
        name=name,
    )(features)
