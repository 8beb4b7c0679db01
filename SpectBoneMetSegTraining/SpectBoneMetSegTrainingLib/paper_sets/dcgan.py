"""A DCGAN (Radford et al. 2015) that generates pairs of thorax views with their labels.

The paper (Lin et al. 2022, Sec. 3.2.2) gives k = 3: three discriminator steps per generator step, as k in Goodfellow et
al. 2014, Alg. 1. It does not state the origin of the samples' labels.

Ours: labels are two more channels of the same image, because a sample without a label could only be used in Eq. 7;
sizes and rates; bilinear upsampling instead of transposed convolution, whose checkerboard artefacts survived short
trainings; noise on the discriminator's input and one-sided label smoothing (Salimans et al. 2016); samples come from
EMA weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError

from ..training.setup.schedule import average_decay

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Array = NDArray[np.float32]

#: Channels of an image: counts of both views, labels of both views, each from -1 to 1.
CHANNELS = ("anterior", "posterior", "anterior label", "posterior label")
#: Side of the generator's first grid in pixels.
SEED_SIZE = 4
#: The paper's k.
DISCRIMINATOR_STEPS = 3
#: Radford et al. 2015: beta_1 of Adam, slope of LeakyReLU, standard deviation of the initial weights.
BETA_1, LEAK, INITIAL_SD = 0.5, 0.2, 0.02
#: Instance noise on the discriminator's input (Sonderby et al. 2017); labels of exactly -1 would reveal real images.
INSTANCE_NOISE = 0.2
#: Learning rate of the discriminator relative to the generator's; with equal rates and k = 3 it always won.
DISCRIMINATOR_RATE = 0.2
#: Target of the discriminator for real images instead of 1 (one-sided label smoothing).
REAL_TARGET = 0.9
#: Decay per step of the generator's EMA weights.
EMA_DECAY = 0.95
#: Momentum of both networks' BatchNorm averages; Keras' 0.99 is too slow for a short training.
BATCHNORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class GeneratorConfig:
    """How to train a generator.

    Attributes:
        size: rows and columns of its images, 16, 32, 64 or 128; samples are upsampled from it.
        steps: steps of the generator.
        batch: images per step.
        learning_rate: learning rate of the generator.
        channels: channels of the discriminator's first layer, doubled in each further one.
        latent: size of the latent vector.
        discriminator_steps: discriminator steps per generator step, k.
        seed: seed of all random numbers.
    """

    size: int = 64
    steps: int = 3000
    batch: int = 16
    learning_rate: float = 1e-3
    channels: int = 24
    latent: int = 64
    discriminator_steps: int = DISCRIMINATOR_STEPS
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON values."""
        return asdict(self)

    def check(self) -> None:
        """Check the values.

        Raises:
            UserError: a size that is not 16, 32, 64 or 128, or a number below one.
        """
        if self.size not in (16, 32, 64, 128):
            raise UserError(f"A generator makes images of 16, 32, 64 or 128 pixels, not of {self.size}.")
        if min(self.steps, self.batch, self.channels, self.latent, self.discriminator_steps) < 1:
            raise UserError("Steps, batch, channels, latent numbers and discriminator steps of a generator start at 1.")


def build_generator(config: GeneratorConfig) -> keras.Model:
    """Build the generator: (batch, latent) normal numbers -> (batch, size, size, CHANNELS) from -1 to 1."""
    import keras

    layers = keras.layers
    start = keras.initializers.RandomNormal(0, INITIAL_SD)
    halvings = _halvings(config)
    width = config.channels * 2 ** (halvings - 1)
    latent = keras.Input((config.latent,))
    x = layers.Dense(SEED_SIZE**2 * width, use_bias=False, kernel_initializer=start)(latent)
    x = layers.Reshape((SEED_SIZE, SEED_SIZE, width))(x)
    for stage in range(halvings):
        x = layers.ReLU()(layers.BatchNormalization(momentum=BATCHNORM_MOMENTUM)(x))
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        last = stage == halvings - 1
        width = len(CHANNELS) if last else width // 2
        x = layers.Conv2D(width, 3, padding="same", use_bias=last, kernel_initializer=start)(x)
    x = layers.Activation("tanh")(x)
    return keras.Model(latent, x)


def build_discriminator(config: GeneratorConfig) -> keras.Model:
    """Build the discriminator: (batch, size, size, CHANNELS) -> (batch, 1) logit of being real."""
    import keras

    layers = keras.layers
    start = keras.initializers.RandomNormal(0, INITIAL_SD)
    image = keras.Input((config.size, config.size, len(CHANNELS)))
    x = layers.GaussianNoise(INSTANCE_NOISE)(image)
    for stage in range(_halvings(config)):
        width = config.channels * 2**stage
        x = layers.Conv2D(width, 4, 2, "same", use_bias=stage == 0, kernel_initializer=start)(x)
        if stage:
            x = layers.BatchNormalization(momentum=BATCHNORM_MOMENTUM)(x)
        x = layers.LeakyReLU(LEAK)(x)
    return keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))


def _halvings(config: GeneratorConfig) -> int:
    return (config.size // SEED_SIZE).bit_length() - 1


class Dcgan:
    """Generator, its EMA weights, discriminator and their optimisers, trained, saved and restored together."""

    def __init__(self, config: GeneratorConfig) -> None:
        import tensorflow as tf

        self._config = config
        self._generator, self._average = build_generator(config), build_generator(config)
        self._average.set_weights(self._generator.get_weights())
        self._discriminator = build_discriminator(config)
        self._optimizers = []
        for network, rate in ((self._discriminator, DISCRIMINATOR_RATE), (self._generator, 1.0)):
            optimizer = tf.keras.optimizers.Adam(rate * config.learning_rate, beta_1=BETA_1)
            optimizer.build(network.trainable_variables)
            self._optimizers.append(optimizer)
        self._graph = tf.function(self._step)

    def step(self, number: int, real: Array, latent: Array) -> dict[str, float]:
        """Train k steps of the discriminator and one of the generator; return the loss of each.

        Args:
            number: index of the step.
            real: real images, (k, batch, size, size, CHANNELS).
            latent: normal numbers, (k + 1, batch, latent).
        """
        import tensorflow as tf

        decay = np.float32(average_decay(EMA_DECAY, number))
        losses = self._graph(*(tf.constant(array) for array in (real, latent, decay)))
        return {name: float(value) for name, value in losses.items()}

    def sample(self, latent: Array) -> Array:
        """Generate images, (batch, size, size, CHANNELS), with the EMA weights."""
        return np.asarray(self._average(latent, training=False))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all variables of a checkpoint by name."""
        return {f"v{i}": np.array(variable) for i, variable in enumerate(self._variables())}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the variables returned by `arrays`."""
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"v{i}"])

    def _variables(self) -> list[Any]:
        networks = (self._generator, self._average, self._discriminator, *self._optimizers)
        return [variable for network in networks for variable in network.variables]

    def _step(self, real: tf.Tensor, latent: tf.Tensor, decay: tf.Tensor) -> dict[str, tf.Tensor]:
        for i in range(self._config.discriminator_steps):
            discriminator_loss = self._discriminator_step(real[i], latent[i])
        generator_loss = self._generator_step(latent[-1])
        for average, variable in zip(self._average.variables, self._generator.variables, strict=True):
            average.assign(decay * average + (1 - decay) * variable)
        return {"discriminator": discriminator_loss, "generator": generator_loss}

    def _discriminator_step(self, real: tf.Tensor, latent: tf.Tensor) -> tf.Tensor:
        """Minimise the cross-entropy of real against generated images."""
        import tensorflow as tf

        fake = self._generator(latent, training=True)
        with tf.GradientTape() as tape:
            loss = (
                _cross_entropy(REAL_TARGET, self._discriminator(real, training=True))
                + _cross_entropy(0.0, self._discriminator(fake, training=True))
            ) / 2
        variables = self._discriminator.trainable_variables
        self._optimizers[0].apply(tape.gradient(loss, variables), variables)
        return loss

    def _generator_step(self, latent: tf.Tensor) -> tf.Tensor:
        """Maximise the probability of generated images being real (non-saturating loss of Goodfellow et al. 2014)."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            fake = self._generator(latent, training=True)
            loss = _cross_entropy(1.0, self._discriminator(fake, training=True))
        variables = self._generator.trainable_variables
        self._optimizers[1].apply(tape.gradient(loss, variables), variables)
        return loss


def _cross_entropy(target: float, logit: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logit), target), logit))
