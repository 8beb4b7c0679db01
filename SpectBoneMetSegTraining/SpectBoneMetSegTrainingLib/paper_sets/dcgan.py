"""A DCGAN (Radford et al. 2015) that draws pairs of thorax views together with their labels.

The paper (Lin et al. 2022, Sec. 3.2.2) gives k = 3: three steps of the discriminator for each of the generator, as k in
Goodfellow et al. 2014, Alg. 1. Where its samples' labels came from it does not say.

Ours: labels are two more channels of the same image, because a sample without a label could only serve Eq. 7; sizes and
rates; bilinear enlargement instead of strided deconvolution, whose chequerboard survived short trainings; noise on what
the discriminator sees and one-sided label smoothing (Salimans et al. 2016); samples come from averaged weights.
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
#: Side of the grid that the generator starts from.
SEED_SIZE = 4
#: The paper's k.
DISCRIMINATOR_STEPS = 3
#: Radford et al. 2015: of Adam, of LeakyReLU, of the initial weights.
BETA_1, LEAK, START_SPREAD = 0.5, 0.2, 0.02
#: Noise on what the discriminator sees (Sonderby et al. 2017): labels of exactly -1 must not give real images away.
INSTANCE_NOISE = 0.2
#: The discriminator's learning rate relative to the generator's: at the same rate and k = 3 it was never fooled again.
DISCRIMINATOR_RATE = 0.2
#: What the discriminator should say of real images instead of 1.
REAL = 0.9
#: Decay per step of the generator's averaged weights.
AVERAGE = 0.95
#: Of both networks' BatchNorm averages; Keras' 0.99 lags behind a short training.
BATCHNORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class GeneratorConfig:
    """How to train a generator.

    Attributes:
        size: rows and columns of its images, 16, 32, 64 or 128; samples are enlarged from it.
        steps: steps of the generator.
        batch: images per step.
        learning_rate: of the generator.
        channels: of the discriminator's first layer; each further one has twice as many.
        latent: random numbers each image is drawn from.
        discriminator_steps: k.
        seed: of everything.
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
        """As plain JSON values."""
        return asdict(self)

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UserError: a size that is no power of two from 16 to 128, or a number below one.
        """
        if self.size not in (16, 32, 64, 128):
            raise UserError(f"A generator draws images of 16, 32, 64 or 128 pixels, not of {self.size}.")
        if min(self.steps, self.batch, self.channels, self.latent, self.discriminator_steps) < 1:
            raise UserError("Steps, batch, channels, latent numbers and discriminator steps of a generator start at 1.")


def build_generator(config: GeneratorConfig) -> keras.Model:
    """(batch, latent) normal numbers -> (batch, size, size, CHANNELS) from -1 to 1."""
    import keras

    layers = keras.layers
    start = keras.initializers.RandomNormal(0, START_SPREAD)
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
    """(batch, size, size, CHANNELS) -> (batch, 1) logit of being real."""
    import keras

    layers = keras.layers
    start = keras.initializers.RandomNormal(0, START_SPREAD)
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
    """Generator, its average, discriminator and their optimisers, stepped, saved and restored together."""

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
        """Step `number`: k steps of the discriminator, one of the generator; returns the loss of each.

        Args:
            real: (k, batch, size, size, CHANNELS).
            latent: (k + 1, batch, latent) normal numbers.
        """
        import tensorflow as tf

        keep = np.float32(average_decay(AVERAGE, number))
        losses = self._graph(*(tf.constant(array) for array in (real, latent, keep)))
        return {name: float(value) for name, value in losses.items()}

    def sample(self, latent: Array) -> Array:
        """(batch, size, size, CHANNELS) of the averaged generator."""
        return np.asarray(self._average(latent, training=False))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that a checkpoint needs, by name."""
        return {f"v{i}": np.array(variable) for i, variable in enumerate(self._variables())}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go back to what `arrays` gave."""
        for i, variable in enumerate(self._variables()):
            variable.assign(arrays[f"v{i}"])

    def _variables(self) -> list[Any]:
        networks = (self._generator, self._average, self._discriminator, *self._optimizers)
        return [variable for network in networks for variable in network.variables]

    def _step(self, real: tf.Tensor, latent: tf.Tensor, keep: tf.Tensor) -> dict[str, tf.Tensor]:
        for i in range(self._config.discriminator_steps):
            judged = self._discriminator_step(real[i], latent[i])
        fooled = self._generator_step(latent[-1])
        for average, variable in zip(self._average.variables, self._generator.variables, strict=True):
            average.assign(keep * average + (1 - keep) * variable)
        return {"discriminator": judged, "generator": fooled}

    def _discriminator_step(self, real: tf.Tensor, latent: tf.Tensor) -> tf.Tensor:
        """Down the cross-entropy of telling real from fake."""
        import tensorflow as tf

        fake = self._generator(latent, training=True)
        with tf.GradientTape() as tape:
            loss = (
                _cross_entropy(REAL, self._discriminator(real, training=True))
                + _cross_entropy(0.0, self._discriminator(fake, training=True))
            ) / 2
        variables = self._discriminator.trainable_variables
        self._optimizers[0].apply(tape.gradient(loss, variables), variables)
        return loss

    def _generator_step(self, latent: tf.Tensor) -> tf.Tensor:
        """Up the probability that fakes are taken for real (the non-saturating form of Goodfellow et al. 2014)."""
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
