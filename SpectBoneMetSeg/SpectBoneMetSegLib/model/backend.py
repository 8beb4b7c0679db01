"""Choose the Keras backend: TensorFlow, PyTorch or JAX, once per process, before Keras is imported."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError
from ..common.packages import is_installed

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

#: Keras' backend names, the default first, and the names of the packages.
BACKENDS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}
#: Keras' own environment variable.
VARIABLE = "KERAS_BACKEND"


def active_backend() -> str | None:
    """Return the Keras backend of this process; None before Keras is imported."""
    if "keras" not in sys.modules:
        return None
    import keras

    return str(keras.backend.backend())


def choose_backend() -> str:
    """Return the backend to use: the active one, else KERAS_BACKEND, else the first of BACKENDS that is installed.

    Imports nothing.

    Raises:
        UserError: KERAS_BACKEND names an unknown or missing backend, or no backend is installed.
    """
    active = active_backend()
    if active is not None:
        return active
    requested = os.environ.get(VARIABLE)
    if requested:
        if requested not in BACKENDS:
            raise UserError(f"{VARIABLE}={requested} is unknown; choose one of {', '.join(BACKENDS)}.")
        if not usable(requested):
            raise UserError(
                f"{VARIABLE}={requested} requests {BACKENDS[requested]}, which is not installed with Keras; install "
                "both, or unset the variable."
            )
        return requested
    for name in BACKENDS:
        if usable(name):
            return name
    raise UserError(
        "This needs TensorFlow (or PyTorch, or JAX, with Keras), not in the plain install; "
        "pip install 'spectbonemetseg[train]'."
    )


def use_backend() -> str:
    """Import Keras with the backend of `choose_backend` and return its name.

    Raises:
        UserError: as `choose_backend`.
    """
    name = choose_backend()
    if name == "tensorflow":
        import_tensorflow()
    else:
        os.environ[VARIABLE] = name
        _import_keras()
    return name


def import_tensorflow() -> Any:
    """Import TensorFlow without its start-up messages, and Keras with it, whatever KERAS_BACKEND is.

    Raises:
        UserError: it is not installed, or Keras uses another backend already.
    """
    active = active_backend()
    if active not in (None, "tensorflow"):
        raise UserError(f"This process uses {BACKENDS.get(active, active)} already; start another one.")
    if active and "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    if not usable("tensorflow"):
        raise UserError("TensorFlow is not installed; pip install 'spectbonemetseg[tensorflow]'.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ[VARIABLE] = "tensorflow"
    with silent_stderr():
        import tensorflow as tf

        # The search for GPUs writes its own messages, once.
        tf.config.list_physical_devices("GPU")
        _import_keras()
    return tf


def gpu_names() -> list[str]:
    """Return the names of the GPUs that the backend of this process detects."""
    backend = use_backend()
    if backend == "torch":
        import torch

        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return names or (["Apple GPU"] if torch.backends.mps.is_available() else [])
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]


def inference(network: keras.Model) -> Callable[[NDArray[Any]], Any]:
    """Return a function from inputs to a network's outputs as NumPy arrays, compiled if the backend supports it.

    Later changes of the weights take effect.

    Args:
        network: takes (batch, rows, columns, inputs).
    """
    import keras

    backend = use_backend()
    run: Callable[[NDArray[Any]], Any]
    if backend == "torch":
        import torch

        run = torch.no_grad()(lambda inputs: network(inputs, training=False))
    elif backend == "jax":
        import jax

        # The weights are arguments; otherwise they would be constants of the compiled function.
        compiled = jax.jit(lambda trainable, fixed, x: network.stateless_call(trainable, fixed, x, training=False)[0])

        def run(inputs: NDArray[Any]) -> Any:
            trainable, fixed = network.trainable_variables, network.non_trainable_variables
            return compiled([one.value for one in trainable], [one.value for one in fixed], inputs)
    else:
        import tensorflow as tf

        # Traced once, here, for images of any number and size. (Traced at the first call, TensorFlow would warn of
        # too many tracings in a process that uses many networks.)
        images = tf.TensorSpec((None, None, None, network.input_shape[-1]), tf.float32)
        run = tf.function(lambda inputs: network(inputs, training=False)).get_concrete_function(images)
    return lambda inputs: keras.tree.map_structure(keras.ops.convert_to_numpy, run(inputs))


def probabilities(network: keras.Model) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Return a function as `inference` does, whose output is the lesion probabilities alone, without regions."""
    import numpy as np

    run = inference(network)

    def predict(inputs: NDArray[Any]) -> NDArray[np.float32]:
        outputs = run(inputs)
        return np.asarray(outputs[0] if isinstance(outputs, list | tuple) else outputs)

    return predict


def usable(backend: str) -> bool:
    """Whether a backend is installed, and Keras with it; nothing is imported."""
    return is_installed(backend) and is_installed("keras")


def _import_keras() -> None:
    """Import Keras with the settings that the networks need, whatever the user's keras.json states."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard what native code writes to file descriptor 2; Python exceptions are not affected."""
    try:
        saved = os.dup(2)
    except OSError:
        # A program without a console (pythonw, a service) has no descriptor 2.
        yield
        return
    try:
        with open(os.devnull, "wb") as devnull:
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
