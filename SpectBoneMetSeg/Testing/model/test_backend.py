"""Choice of the Keras backend, and the messages if it is not available."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model import backend


@pytest.fixture
def installed(monkeypatch):
    """Before Keras is imported; `installed(names)` says which backends there are."""
    monkeypatch.setattr(backend, "active_backend", lambda: None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return lambda *names: monkeypatch.setattr(backend, "usable", lambda name: name in names)


def test_tensorflow_comes_first_then_what_is_installed(installed):
    installed("jax", "torch", "tensorflow")
    assert backend.choose_backend() == "tensorflow"
    installed("jax", "torch")
    assert backend.choose_backend() == "torch"
    installed()
    with pytest.raises(UserError, match=r"needs TensorFlow .*pip install 'spectbonemetseg\[train\]'"):
        backend.choose_backend()


def test_the_variable_chooses(installed, monkeypatch):
    installed("torch", "tensorflow")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert backend.choose_backend() == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UserError, match="KERAS_BACKEND=jax requests JAX, which is not installed"):
        backend.choose_backend()
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(UserError, match="KERAS_BACKEND=theano is unknown; choose one of tensorflow, torch, jax"):
        backend.choose_backend()


def test_a_process_keeps_the_backend_it_has(monkeypatch):
    monkeypatch.setattr(backend, "active_backend", lambda: "torch")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.choose_backend() == "torch"
    with pytest.raises(UserError, match="uses PyTorch already"):
        backend.import_tensorflow()


@pytest.mark.skipif(not backend.usable("tensorflow"), reason="TensorFlow is not installed here")
def test_a_network_is_traced_once_whatever_the_number_and_size_of_images():
    backend.import_tensorflow()

    class Network:
        input_shape = (None, None, None, 2)
        traced = 0

        def __call__(self, inputs, training):
            self.traced += 1
            return 2 * inputs

    network = Network()
    run = backend.inference(network)
    for shape in ((1, 8, 8, 2), (1, 16, 24, 2), (3, 8, 40, 2), (2, 48, 8, 2)):
        images = np.ones(shape, np.float32)
        np.testing.assert_array_equal(run(images), 2 * images)
    assert network.traced == 1


@pytest.mark.skipif(not backend.usable("tensorflow"), reason="TensorFlow is not installed here")
def test_a_process_with_many_networks_does_not_warn_of_too_many_tracings(caplog):
    log = backend.import_tensorflow().get_logger()

    class Network:
        input_shape = (None, None, None, 2)

        def __call__(self, inputs, training):
            return 2 * inputs

    log.addHandler(caplog.handler)
    try:
        for _ in range(12):
            run = backend.inference(Network())
            run(np.ones((1, 8, 8, 2), np.float32))
            run(np.ones((2, 8, 8, 2), np.float32))
    finally:
        log.removeHandler(caplog.handler)
    assert not caplog.messages


def test_the_first_network_of_a_process_is_built_without_messages(monkeypatch):
    # `make` silences TensorFlow for all tests.
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    code = (
        "from SpectBoneMetSegLib.model import architecture, config; architecture.build_network(config.NetworkConfig())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert (done.stdout, done.stderr) == ("", "")
