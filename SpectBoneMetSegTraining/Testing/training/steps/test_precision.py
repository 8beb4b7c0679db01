"""Training with lower precision."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.model.backend import use_backend
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from SpectBoneMetSegTrainingLib.training.state import TrainingState


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    label = np.zeros((4, 32, 32, 2), np.float32)
    label[:, 10:16, 10:16] = 1
    inputs = (rng.random((4, 32, 32, 2)) + 2 * label).astype(np.float32)
    return {"inputs": inputs, "image": inputs, "label": label, "weight": np.ones_like(label)}


def steps(batch, precision, count=12):
    use_backend()
    import keras

    keras.utils.set_random_seed(0)
    network = NetworkConfig(architecture="reader", channels=(8, 16), dilations=((1, 1),) * 2)
    state = TrainingState(
        TrainingConfig(network=network, steps=count, batch=4, patch=32, learning_rate=1e-2, precision=precision)
    )
    return state, [state.step(step, batch)["loss"] for step in range(count)]


@pytest.mark.slow
def test_bfloat16_trains_nearly_like_float32(batch):
    (_, exact), (_, rough) = steps(batch, "float32"), steps(batch, "bfloat16")
    assert exact != rough
    assert exact[-1] < 0.8 * exact[0]
    np.testing.assert_allclose(rough, exact, rtol=0.05)


def test_the_model_of_a_bfloat16_training_is_float32_and_so_are_later_networks(batch):
    import keras

    state, _ = steps(batch, "bfloat16", 2)
    assert {weight.dtype for weight in state.result().get_weights()} == {np.dtype(np.float32)}
    assert {layer.compute_dtype for layer in state.result().layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
