"""model.onnx: ONNX Runtime and TensorFlow return the same probabilities."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from SpectBoneMetSegLib import Options, Reader
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model import engines, onnx_export, store
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"
SMALL = {"channels": (5, 6), "dilations": ((1, 2), (1, 3)), "stem_channels": 3}
NETWORKS = {
    "the paper's": NetworkConfig(**SMALL),
    "halved, tied": NetworkConfig(**SMALL, recurrent_steps=2, tied=True, stem_stride=2),
    "plain, no skips": NetworkConfig(**SMALL, blocks="plain", inception=False, skip_connections=False),
    "aggregate to union": NetworkConfig(**SMALL, inputs=("aggregate",), outputs=("union",), recurrent_steps=1),
    "U-Net": NetworkConfig(**SMALL, architecture="unet"),
    "reader": NetworkConfig(**SMALL, architecture="reader"),
}


def random_model(config: NetworkConfig, folder: Path, threshold: float = 0.5) -> store.ModelFolder:
    """A network whose every weight has drawn a value, with answers between 0 and 1."""
    engines.import_tensorflow()
    network, rng = build_network(config), np.random.default_rng(1)
    for weight in network.weights:
        if not weight.path.endswith("kernel"):
            spread = 0.2 * rng.random(weight.shape)
            weight.assign(spread + (0.9 if weight.path.endswith(("gamma", "variance")) else 0))
    return store.save_model(network, config, {"threshold": threshold, "seed_threshold": threshold}, folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_predicts_the_same_in_onnx_runtime_as_in_tensorflow(name, tmp_path):
    model = onnx_export.export_onnx(random_model(NETWORKS[name], tmp_path / "model"))
    image = np.random.default_rng(2).random((50, 37, len(model.card.network.inputs)), dtype=np.float32)
    expected = engines.load_engine(model, "tensorflow", "cpu").predict(image)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(engines.load_engine(model, "onnx", "cpu").predict(image), expected, atol=1e-4)


def test_both_engines_predict_the_regions_of_a_network_that_has_them(tmp_path):
    config = NetworkConfig(**SMALL, architecture="reader", regions=True)
    model = onnx_export.export_onnx(random_model(config, tmp_path / "model"))
    image = np.random.default_rng(2).random((51, 37, 2), dtype=np.float32)
    one, other = (engines.load_engine(model, name, "cpu").predict_all(image) for name in ("onnx", "tensorflow"))
    assert one.probability.shape == (51, 37, 2)
    assert one.regions.shape == (26, 19, 2 * len(REGIONS))
    np.testing.assert_allclose(one.probability, other.probability, atol=1e-4)
    np.testing.assert_allclose(one.regions, other.regions, atol=1e-4)
    assert engines.load_engine(model, "onnx", "cpu").predict(image).shape == (51, 37, 2)


def test_a_reading_of_such_a_network_has_and_saves_regions_of_every_view_on_its_own_grid(tmp_path):
    config = NetworkConfig(**SMALL, architecture="reader", regions=True)
    # A network of random weights would find thousands of lesions, which take their time.
    model = onnx_export.export_onnx(random_model(config, tmp_path / "model", threshold=0.999))
    reading = Reader(str(model.path), device="cpu").read(SAMPLE)
    assert set(reading.regions) == set(reading.scan.views)
    reading.save(str(tmp_path / "case"))
    for name, view in reading.scan.views.items():
        assert reading.regions[name].shape == view.shape
        image = sitk.ReadImage(str(tmp_path / "case" / f"regions_{name}.nrrd"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image)[0], reading.regions[name])
    assert Reader("thorax", device="cpu").read(SAMPLE).regions == {}


def test_the_same_network_gives_the_same_file(tmp_path):
    model = random_model(NETWORKS["U-Net"], tmp_path / "model")
    first = onnx_export.export_onnx(model)
    assert onnx_export.export_onnx(first).card.onnx_sha256 == first.card.onnx_sha256


def test_an_exported_model_travels_with_its_file_and_is_checked(tmp_path):
    model = onnx_export.export_onnx(random_model(NETWORKS["U-Net"], tmp_path / "model"))
    moved = store.read_model(shutil.copytree(model.path, tmp_path / "moved"))
    store.verify(moved)
    assert engines.load_engine(moved).name == "onnx"


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    model = random_model(NETWORKS["U-Net"], tmp_path / "model")
    monkeypatch.setattr(onnx_export, "is_installed", lambda name: name != "onnx")
    with pytest.raises(UserError, match=r"needs onnx; pip install 'spectbonemetseg\[train\]'"):
        onnx_export.export_onnx(model)


def test_the_shipped_models_files_agree_with_each_other():
    model = store.find_model()
    for seed in (1, 2):
        image = np.random.default_rng(seed).gamma(1, 1, (200, 208, 2)).astype(np.float32)
        both = [engines.load_engine(model, name, "cpu").predict(image) for name in ("onnx", "tensorflow")]
        np.testing.assert_allclose(*both, atol=1e-4)


@pytest.mark.skipif(sys.platform == "win32", reason="looks at a home directory as Linux and macOS have it")
def test_a_reading_reports_nothing_to_the_makers_of_onnx_runtime(tmp_path):
    """Official builds keep a number of the computer in the home directory and send it with what they are used for."""
    code = (
        "import os, numpy as np; from SpectBoneMetSegLib.model import engines, store;"
        "engine = engines.load_engine(store.find_model(), 'onnx', 'cpu');"
        "engine.predict(np.zeros((8, 8, 2), np.float32)); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    path = os.pathsep.join(part for part in sys.path if part)
    environment = {**variables, "HOME": str(tmp_path), "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "1"
    assert done.stderr == ""
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("region", [pytest.param("thorax", marks=pytest.mark.slow), "whole-body"])
def test_masks_of_both_engines_differ_only_where_the_probability_is_the_threshold(region):
    first, second = (
        Reader(engine=name, device="cpu").read(SAMPLE, Options(region=region)) for name in ("onnx", "tensorflow")
    )
    assert first.receipt["engine"] == "onnx"
    assert first.mask.any()
    threshold = float(first.receipt["threshold"])
    near = np.abs(first.probability - threshold) < 1e-4
    np.testing.assert_array_equal(first.mask[~near], second.mask[~near])
    np.testing.assert_allclose(first.probability, second.probability, atol=1e-4)
    assert [lesion.seen_in for lesion in first.lesions] == [lesion.seen_in for lesion in second.lesions]
