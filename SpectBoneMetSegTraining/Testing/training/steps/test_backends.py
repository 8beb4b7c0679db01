"""Training with every Keras backend, each in its own process with KERAS_BACKEND set."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
from SpectBoneMetSegLib.model.backend import use_backend
from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.onnx_export import export_onnx
from SpectBoneMetSegLib.model.store import find_model, load_network, read_model
from SpectBoneMetSegTrainingLib.training.validation import single_image_predictor

pytestmark = pytest.mark.slow

BACKENDS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}

#: Loss of SCRIPT's batch before and after its first step, as TensorFlow gives them.
LOSSES = {
    "supervised": (1.684689, 1.683472),
    "semi": (0.247546, 0.247168),
    "published": (2068.727, 2067.309),
    "strong": (1.699906, 3.638227),
}

#: Arguments: data set, folder to write to.
SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np
from SpectBoneMetSegLib.model.backend import use_backend
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import find_model, load_network, save_model
from SpectBoneMetSegTrainingLib.training import trainer
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from SpectBoneMetSegTrainingLib.training.state import TrainingState
from SpectBoneMetSegTrainingLib.training.validation import single_image_predictor
assert use_backend() == os.environ["KERAS_BACKEND"]
data, folder = Path(sys.argv[1]), Path(sys.argv[2])
network = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=2, stem_channels=6)
rng = np.random.default_rng(1)
out = {}

# The first patch has no label, the second is empty: neither loss may become NaN.
label = (rng.random((4, 32, 32, 2)) < 0.1).astype(np.float32)
batch = {"inputs": rng.random((4, 32, 32, 2), np.float32), "label": label, "weight": np.ones_like(label),
         "labelled": np.array([0, 0, 1, 1], np.float32)[:, None, None, None]}
batch["weight"][0] = 0
batch["inputs"][1] = 0
batch["image"] = batch["inputs"]
small = NetworkConfig(channels=(5,), dilations=((1, 2),), recurrent_steps=1, stem_channels=5)
for name in ("supervised", "semi", "published", "strong"):
    method = {"method": "semi", "published": True} if name == "published" else {"method": name}
    state = TrainingState(TrainingConfig(network=small, steps=2, batch=4, learning_rate=0.1, **method))
    draw = np.random.default_rng(2)
    state.start_from([draw.normal(0, 0.3, one.shape).astype(np.float32) ** 2 for one in state.result().get_weights()])
    more = {"weak": batch["inputs"][1::2]} if name == "strong" else {}
    out[name] = np.array([state.step(step, {**batch, **more})["loss"] for step in range(2)])

shipped = find_model("whole-body")
out["scan"] = rng.gamma(1, 1, (192, 96, 2)).astype(np.float32)
out["shipped"] = single_image_predictor(load_network(shipped), shipped.card.network)(out["scan"])

state.record_validation(0.5)
kept = [weight.copy() for weight in state._best_weights]
state.step(2, {**batch, **more})
out["kept"] = np.array(all(map(np.array_equal, kept, state._best_weights)))

losses = []
trainer.CHECKPOINT_EVERY = 10
config = TrainingConfig(network=network, steps=40, batch=4, patch=32, seed=3, learning_rate=1e-2, validate_every=20)
whole = trainer.train(data, folder / "whole", config, lambda step, steps, loss, pace: losses.append(loss))
out["losses"] = np.array(losses)
save_model(whole, network, {}, folder / "model")
out["image"] = rng.random((30, 41, 2), np.float32)
out["probability"] = single_image_predictor(whole, network)(out["image"])

def interrupt(step, *_):
    if step == 25:
        raise KeyboardInterrupt
try:
    trainer.train(data, folder / "cut", config, interrupt)
except KeyboardInterrupt:
    pass
resumed = trainer.train(data, folder / "cut", config)
out["resumed"] = np.array(all(map(np.array_equal, whole.get_weights(), resumed.get_weights())))
np.savez(folder / "out.npz", **out)
"""


@pytest.fixture(scope="module", params=BACKENDS)
def trained(request, discs, tmp_path_factory):
    """(folder, arrays of the script) of a backend."""
    backend = request.param
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{BACKENDS[backend]} is not installed here")
    data = discs(tmp_path_factory.mktemp("data"), ["train"] * 5)
    folder = tmp_path_factory.mktemp(backend)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", SCRIPT, str(data), str(folder)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    with np.load(folder / "out.npz") as saved:
        return folder, dict(saved)


def test_it_learns(trained):
    losses = trained[1]["losses"]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:4])


@pytest.mark.parametrize("method", LOSSES)
def test_the_same_weights_and_batch_give_the_same_losses_on_every_backend(trained, method):
    np.testing.assert_allclose(trained[1][method], LOSSES[method], rtol=2e-5)


def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(trained):
    assert trained[1]["resumed"]


def test_the_best_weights_stay_when_the_training_continues(trained):
    assert trained[1]["kept"]


def test_the_model_predicts_the_same_with_another_backend_and_in_a_reading(trained):
    folder, found = trained
    use_backend()
    model = read_model(folder / "model")
    probability = single_image_predictor(load_network(model), model.card.network)(found["image"])
    np.testing.assert_allclose(probability, found["probability"], atol=1e-5)
    read = load_engine(export_onnx(model), "onnx", "cpu").predict(found["image"])
    np.testing.assert_allclose(read, found["probability"], atol=1e-4)


def test_the_shipped_model_predicts_the_same_with_every_backend_and_in_a_reading(trained):
    found = trained[1]
    read = load_engine(find_model("whole-body"), "onnx", "cpu").predict(found["scan"])
    assert read.max() - read.min() > 0.2
    np.testing.assert_allclose(found["shipped"], read, atol=1e-4)
