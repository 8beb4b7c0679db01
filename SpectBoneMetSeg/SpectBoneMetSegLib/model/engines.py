"""Inference engines, ONNX Runtime and TensorFlow: run a network on a device."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..common.packages import is_installed
from . import gpus
from .backend import import_tensorflow, silent_stderr
from .config import pooling_divisor
from .inputs import pad_to_divisor
from .store import ModelFolder, load_network, verify

EngineName = Literal["auto", "onnx", "tensorflow"]
DeviceName = Literal["auto", "gpu", "cpu"]

#: ONNX Runtime's GPU backends, best first, and its CPU backend.
ONNX_GPU_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider")
ONNX_CPU_PROVIDER = "CPUExecutionProvider"
#: CUDA's TF32 arithmetic would change a probability by about 0.001.
ONNX_PROVIDER_OPTIONS: dict[str, dict[str, str]] = {"CUDAExecutionProvider": {"use_tf32": "0"}}
#: Largest difference of a probability between GPU and CPU.
GPU_TOLERANCE = 1e-3


class NetworkOutput(NamedTuple):
    """Output of a network for one scan, float32.

    Attributes:
        probability: (rows, columns, outputs) lesion probabilities.
        regions: (rows / 2, columns / 2, views x regions) probabilities of the skeleton's regions, odd sides rounded up;
            None for a network without regions.
    """

    probability: NDArray[np.float32]
    regions: NDArray[np.float32] | None


class Engine(Protocol):
    """A loaded model.

    Attributes:
        name: "tensorflow" or "onnx".
        device: the device in use, such as "CPU" or "GPU:0 NVIDIA A100".
        warnings: messages for the receipt, such as why the GPU is not used.
    """

    name: str
    device: str
    warnings: tuple[str, ...]

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (rows, columns, outputs) float32 lesion probabilities for (rows, columns, inputs) of any size.

        Results are bit-identical for the same input on the same CPU.

        Raises:
            ValueError: the number of channels is not the model's.
        """
        ...

    def predict_all(self, inputs: NDArray[np.float32]) -> NetworkOutput:
        """Return all outputs: lesion probabilities as `predict`, and regions if the network has them."""
        ...


def load_engine(
    model: ModelFolder, engine: EngineName = "auto", device: DeviceName = "auto", threads: int = 0
) -> Engine:
    """Load a model on a device.

    Args:
        model: from `store.find_model`; its SHA-256 is checked.
        engine: "auto" uses ONNX Runtime, unless it is not installed, the model has no model.onnx, or only TensorFlow
            has a working GPU.
        device: "auto" uses a working GPU, otherwise the CPU; "gpu" requires one.
        threads: of a forward pass on the CPU; 0 lets the engine choose. The result does not depend on it.

    Raises:
        UserError: damaged model, missing package, missing model.onnx, no GPU, or an unknown name.
    """
    for field, value, allowed in (("engine", engine, EngineName), ("device", device, DeviceName)):
        if value not in get_args(allowed):
            raise UserError(f"The {field} {value} is unknown; choose one of {', '.join(get_args(allowed))}.", field)
    if engine == "auto":
        return _automatic(model, device, threads)
    if engine == "onnx":
        return OnnxEngine(model, device, threads)
    return TensorFlowEngine(model, device, threads)


def _automatic(model: ModelFolder, device: DeviceName, threads: int) -> Engine:
    """Choose the engine, see `load_engine`."""
    tensorflow = is_installed("tensorflow")
    if not model.onnx.exists():
        if not tensorflow:
            raise UserError(
                f"The model {model.card.name} has no {model.onnx.name}, which reading without TensorFlow needs: write "
                "it where models are trained, or pip install 'spectbonemetseg[tensorflow]'.",
                command=_export_of(model),
            )
        return TensorFlowEngine(model, device, threads)
    if not is_installed("onnxruntime"):
        if not tensorflow:
            raise UserError("ONNX Runtime is not installed; pip install onnxruntime.")
        return TensorFlowEngine(model, device, threads)
    other = device != "cpu" and tensorflow and gpus.tensorflow_may_use_gpu()
    if other and device == "gpu" and not _onnx_gpus():
        return TensorFlowEngine(model, device, threads)
    first = OnnxEngine(model, device, threads)
    if other and first.device == "CPU":
        second = TensorFlowEngine(model, "auto", threads)
        if second.device != "CPU":
            return second
    return first


def _export_of(model: ModelFolder) -> str:
    """Return the command that writes a model's model.onnx."""
    return f"models --export-onnx {model.path}"


class TensorFlowEngine:
    """TensorFlow engine: the Keras network in one traced `tf.function`."""

    name = "tensorflow"

    def __init__(self, model: ModelFolder, device: DeviceName = "auto", threads: int = 0) -> None:
        """See `load_engine`."""
        tf = import_tensorflow()
        if threads:
            # Threads cannot be changed after the first computation of a process.
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
                tf.config.threading.set_inter_op_parallelism_threads(1)
        self._model = model
        self.warnings: tuple[str, ...] = ()
        gpu = _first_gpu(tf)
        if device == "gpu" and gpu is None:
            raise UserError(
                "TensorFlow sees no GPU; install tensorflow[and-cuda] and its driver, or use the device cpu.", "device"
            )
        if device != "cpu" and gpu is not None:
            # TF32 would change a probability by about 0.001.
            tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
            try:
                self._run = self._load(tf, "/GPU:0")
                self.device = self._device_of_trial_run(tf, gpu)
                if self.device.startswith("GPU"):
                    return
                reason = "TensorFlow placed the network elsewhere"
            except tf.errors.OpError as error:
                reason = str(error).strip().splitlines()[0][:200]
            self.warnings = (f"The GPU {gpu} failed in a trial run ({reason}); the CPU was used instead.",)
        self._run = self._load(tf, "/CPU:0")
        self.device = self._device_of_trial_run(tf, "")

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.predict`."""
        return self.predict_all(inputs).probability

    def predict_all(self, inputs: NDArray[np.float32]) -> NetworkOutput:
        """See `Engine.predict_all`."""
        return _padded(self._model, inputs, lambda batch: [output.numpy() for output in self._run(batch)])

    def _load(self, tf: Any, device: str) -> Callable[[Any], Any]:
        """Load the network on a device, as a function of a (1, rows, columns, inputs) tensor."""
        with tf.device(device):
            network = load_network(self._model)

        # One signature for all sizes, so that another size of scan needs no retracing.
        signature = tf.TensorSpec((1, None, None, len(self._model.card.network.inputs)), tf.float32)

        def run(batch: Any) -> Any:
            with tf.device(device):
                outputs = network(batch, training=False)
                return outputs if isinstance(outputs, list | tuple) else [outputs]

        traced: Callable[[Any], Any] = tf.function(run, input_signature=[signature], autograph=False)
        return traced

    def _device_of_trial_run(self, tf: Any, gpu: str) -> str:
        """Run the smallest image and return the device of its result."""
        side = pooling_divisor(self._model.card.network)
        output, *_ = self._run(np.zeros((1, side, side, len(self._model.card.network.inputs)), np.float32))
        # An error on the GPU shows only when the result is fetched.
        output.numpy()
        used = tf.DeviceSpec.from_string(output.device)
        return f"GPU:{used.device_index} {gpu}".strip() if used.device_type == "GPU" else str(used.device_type)


class OnnxEngine:
    """ONNX Runtime engine: runs the model's model.onnx; small to install and quick to start."""

    name = "onnx"

    def __init__(self, model: ModelFolder, device: DeviceName = "auto", threads: int = 0) -> None:
        """See `load_engine`."""
        if not model.onnx.exists():
            raise UserError(
                f"{model.path} has no {model.onnx.name}: write it where models are trained, or use the engine "
                "tensorflow.",
                "engine",
                command=_export_of(model),
            )
        if not is_installed("onnxruntime"):
            raise UserError(
                "ONNX Runtime is not installed; pip install onnxruntime, or use the engine tensorflow.", "engine"
            )
        verify(model)
        self._model, self._threads = model, threads
        self.warnings: tuple[str, ...] = ()
        self.device = "CPU"
        found = _onnx_gpus() if device != "cpu" else []
        if device == "gpu" and not found:
            raise UserError(
                "ONNX Runtime sees no GPU; install onnxruntime-gpu or onnxruntime-directml, or use the device cpu.",
                "device",
            )
        self._session = self._open_session(ONNX_CPU_PROVIDER)
        if not found:
            return
        reason = self._use_gpu(found[0])
        if reason:
            self.warnings = (f"ONNX Runtime could not use {found[0]} ({reason}); the CPU was used instead.",)
            return
        self.device = f"GPU:0 {found[0].removesuffix('ExecutionProvider')}"
        self.warnings = (f"ONNX Runtime's {found[0]} is untried by the developers: compare it with the CPU once.",)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Engine.predict`."""
        return self.predict_all(inputs).probability

    def predict_all(self, inputs: NDArray[np.float32]) -> NetworkOutput:
        """See `Engine.predict_all`."""
        return self._run(self._session, inputs)

    def _run(self, session: Any, inputs: NDArray[np.float32]) -> NetworkOutput:
        name = session.get_inputs()[0].name
        return _padded(self._model, inputs, lambda batch: session.run(None, {name: batch}))

    def _open_session(self, provider: str) -> Any:
        """Open an inference session on a backend."""
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        # Without spinning, waiting threads leave the cores to other processes, and readings are no slower.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._threads:
            options.intra_op_num_threads = self._threads
        providers: list[Any] = [(provider, ONNX_PROVIDER_OPTIONS.get(provider, {}))]
        if provider != ONNX_CPU_PROVIDER:
            providers.append(ONNX_CPU_PROVIDER)
        return onnxruntime.InferenceSession(os.fspath(self._model.onnx), options, providers=providers)

    def _use_gpu(self, provider: str) -> str:
        """Move the model to a GPU if its results match the CPU's; return why that failed, "" on success."""
        side = 4 * pooling_divisor(self._model.card.network)
        shape = (side, side, len(self._model.card.network.inputs))
        trial = np.random.default_rng(0).random(shape, dtype=np.float32)
        try:
            session = self._open_session(provider)
            if session.get_providers()[0] != provider:
                return "it did not start"
            difference = np.abs(self._run(session, trial).probability - self.predict(trial)).max()
        except Exception as error:  # noqa: BLE001 - every provider has its own exceptions
            return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        if difference > GPU_TOLERANCE:
            return f"its probabilities differ from the CPU's by {difference:.2g}"
        self._session = session
        return ""


def _onnx_gpus() -> list[str]:
    """List the GPU backends of the installed ONNX Runtime, best first."""
    onnxruntime = import_onnxruntime()
    found = [name for name in ONNX_GPU_PROVIDERS if name in onnxruntime.get_available_providers()]
    if "CUDAExecutionProvider" in found and hasattr(onnxruntime, "preload_dlls"):
        # CUDA libraries installed by pip are not on the loader's search path.
        with silent_stderr(), contextlib.suppress(Exception):
            onnxruntime.preload_dlls()
    return found


def import_onnxruntime() -> Any:
    """Import ONNX Runtime with telemetry disabled; official builds enable it by default.

    The variable prevents telemetry from starting; the call stops it if another module has imported the package before.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def _first_gpu(tf: Any) -> str | None:
    """Return the name of the first visible GPU, with memory growth enabled; None without one."""
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return None
    # Memory growth cannot be changed after the first use of the GPU.
    with contextlib.suppress(RuntimeError):
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, enable=True)
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", ""))


def _padded(
    model: ModelFolder, inputs: NDArray[np.float32], run: Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]
) -> NetworkOutput:
    """Run a batch of one, zero-padded below and to the right to a size that the network accepts."""
    channels = model.card.network.inputs
    if inputs.ndim != 3 or inputs.shape[2] != len(channels) or 0 in inputs.shape:
        raise ValueError(f"the model takes (rows, columns, {len(channels)}: {channels}), not {inputs.shape}")
    rows, columns = inputs.shape[:2]
    batch = pad_to_divisor(inputs.astype(np.float32, copy=False), model.card.network)
    sizes = ((rows, columns), ((rows + 1) // 2, (columns + 1) // 2))
    outputs = [
        np.ascontiguousarray(output[0, :high, :wide], dtype=np.float32)
        for output, (high, wide) in zip(run(batch[np.newaxis]), sizes, strict=False)
    ]
    if not all(np.isfinite(output).all() for output in outputs):
        raise UserError(f"The model {model.card.name} returns values that are not numbers; train or install it again.")
    return NetworkOutput(outputs[0], outputs[1] if len(outputs) > 1 else None)
