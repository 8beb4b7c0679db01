"""A model small enough to be made and loaded in a second, for tests in which its answers do not matter."""

from __future__ import annotations

from pathlib import Path

import pytest
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.onnx_export import export_onnx
from SpectBoneMetSegLib.model.store import save_model


@pytest.fixture(scope="session")
def tiny_config() -> NetworkConfig:
    return NetworkConfig(channels=(5,), dilations=((1, 1),), recurrent_steps=1, stem_channels=2)


@pytest.fixture(scope="session")
def tiny(tiny_config: NetworkConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    folder = tmp_path_factory.mktemp("models") / "tiny"
    # Weights that mark two areas of the sample study, neither at the edge of its box.
    keras.utils.set_random_seed(5)
    model = save_model(build_network(tiny_config), tiny_config, {"threshold": 0.9, "seed_threshold": 0.9}, folder)
    # With an ONNX file no child process has to import TensorFlow, which takes seconds each time.
    return export_onnx(model).path
