"""Fused batch normalisation equals Keras' own."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.model.backend import use_backend


@pytest.fixture(scope="module")
def pair():
    """Keras' layer and ours, with weights that are not the first ones, and what they are shown."""
    if use_backend() != "tensorflow":
        pytest.skip("the other backends use Keras' own")
    import keras
    from SpectBoneMetSegLib.model.layers import FusedBatchNormalization

    rng = np.random.default_rng(0)
    layers = [keras.layers.BatchNormalization(momentum=0.9), FusedBatchNormalization(momentum=0.9)]
    for layer in layers:
        layer.build((None, None, None, 3))
    weights = [rng.uniform(0.5, 2, 3).astype(np.float32) for _ in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers, rng.normal(1, 2, (4, 20, 20, 3)).astype(np.float32)


@pytest.mark.parametrize("training", [False, True])
def test_it_gives_what_keras_gives(pair, training):
    (theirs, ours), x = pair
    np.testing.assert_allclose(ours(x, training=training), theirs(x, training=training), atol=1e-5)


def test_its_averages_move_as_those_of_keras(pair):
    (theirs, ours), x = pair
    for layer in (theirs, ours):
        layer(x, training=True)
    for mine, keras_own in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        # TensorFlow divides the variance by one less than the count of pixels.
        np.testing.assert_allclose(mine, keras_own, rtol=1e-3)
