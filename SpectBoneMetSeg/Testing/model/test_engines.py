"""Engines: output size equals input size, on the reported device."""

import os
import subprocess
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model import backend, engines
from SpectBoneMetSegLib.model import store as models
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.config import NetworkConfig

CONFIG = NetworkConfig(channels=(5, 6), dilations=((1, 2), (1, 1)), recurrent_steps=2, stem_channels=3, stem_stride=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> models.ModelFolder:
    engines.import_tensorflow().keras.utils.set_random_seed(1)
    return models.save_model(build_network(CONFIG), CONFIG, {}, tmp_path_factory.mktemp("engine") / "tiny")


@pytest.fixture(scope="module")
def engine(model) -> engines.Engine:
    return engines.load_engine(model, "tensorflow", "cpu")


@pytest.fixture
def fake_onnx(model, monkeypatch) -> tuple[models.ModelFolder, list[np.ndarray]]:
    """A model folder with model.onnx and an ONNX Runtime that answers with the first channel twice."""
    path = model.path.parent / "with-onnx"
    path.mkdir(exist_ok=True)
    for source in model.path.iterdir():
        (path / source.name).write_bytes(source.read_bytes())
    (path / models.ONNX_FILE).write_bytes(b"onnx")
    card = replace(model.card, onnx_sha256=models.sha256_of(path / models.ONNX_FILE))
    batches: list[np.ndarray] = []

    class Session:
        def __init__(self, file, options, providers):
            names = [one if isinstance(one, str) else one[0] for one in providers]
            self.providers = [name for name in names if name in module.usable]

        def get_providers(self):
            return self.providers

        def get_inputs(self):
            return [types.SimpleNamespace(name="counts")]

        def run(self, outputs, feed):
            batches.append(feed["counts"])
            return [np.repeat(feed["counts"][..., :1], 2, axis=-1)]

    module = types.SimpleNamespace(
        InferenceSession=Session,
        SessionOptions=lambda: types.SimpleNamespace(add_session_config_entry=lambda name, value: None),
        get_available_providers=lambda: module.listed,
        listed=["CPUExecutionProvider"],
        usable=["CPUExecutionProvider"],
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return models.ModelFolder(path, card), batches


def image(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows).random((rows, columns, 2), dtype=np.float32)


@pytest.mark.parametrize("shape", [(32, 40), (33, 41), (1, 7)], ids=str)
def test_prediction_has_the_size_of_its_input(engine, shape):
    probability = engine.predict(image(*shape))
    assert probability.shape == (*shape, 2)
    assert probability.dtype == np.float32
    assert probability.min() >= 0
    assert probability.max() <= 1


def test_odd_sizes_are_padded_with_zeros_below_and_to_the_right(engine):
    odd = image(27, 35)
    padded = np.zeros((32, 40, 2), np.float32)
    padded[:27, :35] = odd
    np.testing.assert_array_equal(engine.predict(odd), engine.predict(padded)[:27, :35])


def test_engine_gives_what_the_keras_model_gives(engine, model):
    expected = models.load_network(model)(image(32, 40)[np.newaxis], training=False)[0]
    np.testing.assert_allclose(engine.predict(image(32, 40)), expected, rtol=1e-4, atol=1e-6)


def test_same_input_gives_the_same_bits_also_from_a_second_engine(engine, model):
    first = engine.predict(image(64, 64))
    assert all(np.array_equal(engine.predict(image(64, 64)), first) for _ in range(3))
    np.testing.assert_array_equal(engines.load_engine(model, device="cpu").predict(image(64, 64)), first)


def test_engine_says_which_one_it_is_and_where_it_runs(engine):
    assert engine.name == "tensorflow"
    assert engine.device == "CPU"
    assert engine.warnings == ()


def test_wrong_channels_are_refused(engine):
    with pytest.raises(ValueError, match="anterior"):
        engine.predict(np.zeros((8, 8, 3), np.float32))


def test_another_size_costs_no_new_trace(engine):
    traces = engine._run.experimental_get_tracing_count()
    engine.predict(image(48, 16))
    assert engine._run.experimental_get_tracing_count() == traces == 1


def test_gpu_that_is_not_there_is_an_error_and_auto_takes_the_cpu(model, monkeypatch):
    monkeypatch.setattr(engines, "_first_gpu", lambda tf: None)
    with pytest.raises(UserError, match=r"no GPU.* use the device cpu") as caught:
        engines.load_engine(model, device="gpu")
    assert caught.value.fields == ("device",)
    assert engines.load_engine(model, device="auto").device == "CPU"


def test_gpu_that_fails_its_trial_run_is_replaced_by_the_cpu_with_a_warning(model, monkeypatch):
    tf = engines.import_tensorflow()
    load = engines.TensorFlowEngine._load

    def fail_on_gpu(self, tf, place):
        if "GPU" in place:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory\nlong story")
        return load(self, tf, place)

    monkeypatch.setattr(engines, "_first_gpu", lambda tf: "Tiny 100")
    monkeypatch.setattr(engines.TensorFlowEngine, "_load", fail_on_gpu)
    engine = engines.load_engine(model)
    assert engine.device == "CPU"
    assert engine.warnings == ("The GPU Tiny 100 failed in a trial run (out of memory); the CPU was used instead.",)
    assert engine.predict(image(8, 8)).shape == (8, 8, 2)
    assert tf is engines.import_tensorflow()


def test_device_is_read_from_the_result_not_from_the_wish(model, monkeypatch):
    """TensorFlow silently places a network on the CPU when the GPU that it was configured to use does not exist."""
    if engines.import_tensorflow().config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(engines, "_first_gpu", lambda tf: "Imaginary")
    engine = engines.load_engine(model)
    assert engine.device == "CPU"
    assert "Imaginary failed" in engine.warnings[0]


def test_unknown_engine_and_device_are_refused(model):
    with pytest.raises(UserError, match="engine torch is unknown; choose one of auto, onnx, tensorflow") as caught:
        engines.load_engine(model, engine="torch")
    assert caught.value.fields == ("engine",)
    with pytest.raises(UserError, match="device tpu is unknown") as caught:
        engines.load_engine(model, device="tpu")
    assert caught.value.fields == ("device",)


def test_missing_tensorflow_names_the_extra(model, monkeypatch):
    monkeypatch.setattr(backend, "usable", lambda name: False)
    monkeypatch.delitem(sys.modules, "tensorflow")
    with pytest.raises(UserError, match=r"spectbonemetseg\[tensorflow\]"):
        engines.load_engine(model, "tensorflow")


def test_auto_takes_onnx_runtime_and_does_not_import_tensorflow(fake_onnx, monkeypatch):
    monkeypatch.setattr(engines, "TensorFlowEngine", None)
    assert engines.load_engine(fake_onnx[0]).name == "onnx"
    assert engines.load_engine(fake_onnx[0], device="cpu").name == "onnx"


@pytest.mark.parametrize(
    ("onnx_gpu", "tensorflow_gpu", "device", "expected"),
    [
        (False, True, "auto", ("tensorflow", "GPU:0")),
        (False, True, "gpu", ("tensorflow", "GPU:0")),
        (False, True, "cpu", ("onnx", "CPU")),
        (False, False, "auto", ("onnx", "CPU")),
        (True, True, "auto", ("onnx", "GPU:0 CUDA")),
        (True, False, "gpu", ("onnx", "GPU:0 CUDA")),
    ],
)
def test_auto_takes_tensorflow_only_for_a_gpu_that_onnx_runtime_has_not(
    fake_onnx, monkeypatch, onnx_gpu, tensorflow_gpu, device, expected
):
    class TensorFlow:
        name = "tensorflow"
        warnings = ()

        def __init__(self, model, device, threads):
            self.device = "GPU:0" if tensorflow_gpu else "CPU"

    module = sys.modules["onnxruntime"]
    gpu = ["CUDAExecutionProvider"] if onnx_gpu else []
    module.listed = module.usable = [*gpu, "CPUExecutionProvider"]
    monkeypatch.setattr(engines, "TensorFlowEngine", TensorFlow)
    monkeypatch.setattr(engines.gpus, "tensorflow_may_use_gpu", lambda: True)
    engine = engines.load_engine(fake_onnx[0], device=device)
    assert (engine.name, engine.device) == expected


def test_auto_takes_tensorflow_where_onnx_runtime_or_its_model_is_missing(fake_onnx, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert engines.load_engine(fake_onnx[0]).name == "tensorflow"
    assert engines.load_engine(model).name == "tensorflow"


def test_a_model_that_only_tensorflow_reads_is_reported_with_both_remedies_without_tensorflow(model, monkeypatch):
    monkeypatch.setattr(engines, "is_installed", lambda package: package != "tensorflow")
    with pytest.raises(UserError) as caught:
        engines.load_engine(model)
    assert "has no model.onnx" in str(caught.value)
    assert caught.value.command == f"models --export-onnx {model.path}"
    assert "pip install 'spectbonemetseg[tensorflow]'" in str(caught.value)


def test_model_without_onnx_file_names_the_other_engine(model):
    with pytest.raises(UserError, match=r"no model\.onnx: .* use the engine tensorflow") as caught:
        engines.load_engine(model, "onnx")
    assert (caught.value.fields, caught.value.command) == (("engine",), f"models --export-onnx {model.path}")


def test_a_gpu_whose_results_differ_from_the_cpus_is_not_used(fake_onnx, monkeypatch):
    module = sys.modules["onnxruntime"]
    module.listed = module.usable = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    run = module.InferenceSession.run

    def half(session, outputs, feed):
        factor = 0.99 if "CUDAExecutionProvider" in session.providers else 1.0
        return [factor * answer for answer in run(session, outputs, feed)]

    monkeypatch.setattr(module.InferenceSession, "run", half)
    engine = engines.load_engine(fake_onnx[0], "onnx")
    assert engine.device == "CPU"
    assert "its probabilities differ from the CPU's by 0.01" in engine.warnings[0]


def test_missing_onnx_runtime_names_the_package(fake_onnx, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="pip install onnxruntime"):
        engines.load_engine(fake_onnx[0], "onnx")


def test_onnx_engine_pads_and_crops_too(fake_onnx):
    model, batches = fake_onnx
    engine = engines.load_engine(model, "onnx")
    probability = engine.predict(image(9, 17))
    assert batches[0].shape == (1, 16, 24, 2)
    np.testing.assert_array_equal(probability[..., 0], image(9, 17)[..., 0])
    assert (engine.device, engine.warnings) == ("CPU", ())


def test_onnx_engine_reports_when_the_gpu_was_not_usable(fake_onnx):
    model, _ = fake_onnx
    module = sys.modules["onnxruntime"]
    with pytest.raises(UserError, match="no GPU"):
        engines.load_engine(model, "onnx", "gpu")
    module.listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    engine = engines.load_engine(model, "onnx", "gpu")
    assert engine.device == "CPU"
    assert "CUDAExecutionProvider" in engine.warnings[0]
    module.usable = module.listed
    on_gpu = engines.load_engine(model, "onnx")
    assert on_gpu.device == "GPU:0 CUDA"
    assert "untried" in on_gpu.warnings[0]
    assert engines.load_engine(model, "onnx", "cpu").device == "CPU"


def test_an_onnx_gpu_that_fails_its_trial_run_is_replaced_by_the_cpu_with_a_warning(fake_onnx, monkeypatch):
    module = sys.modules["onnxruntime"]
    module.listed = module.usable = ["DmlExecutionProvider", "CPUExecutionProvider"]
    run = module.InferenceSession.run

    def fails_on_gpu(session, outputs, feed):
        if "DmlExecutionProvider" in session.providers:
            raise RuntimeError("device removed\nstack")
        return run(session, outputs, feed)

    monkeypatch.setattr(module.InferenceSession, "run", fails_on_gpu)
    engine = engines.load_engine(fake_onnx[0], "onnx")
    assert engine.device == "CPU"
    assert "(device removed); the CPU was used" in engine.warnings[0]
    assert engine.predict(image(9, 17)).shape == (9, 17, 2)


def test_damaged_onnx_file_is_refused(fake_onnx):
    model, _ = fake_onnx
    model.onnx.write_bytes(b"oops")
    with pytest.raises(UserError, match=r"model\.onnx is damaged"):
        engines.load_engine(model, "onnx")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs psutil")
def test_peak_memory_is_in_megabytes_and_remembers_what_was_freed():
    code = (
        "import numpy as np; from SpectBoneMetSegLib.common.memory import peak_memory_mb;"
        "before = peak_memory_mb(); block = np.ones(200 * 2**17); del block; print(peak_memory_mb() - before)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert 190 < float(done.stdout) < 210
