"""What Keras computes with: TensorFlow, PyTorch or JAX. Chosen once in a process, before Keras is imported."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError
from ..common.packages import is_there

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

#: Keras' names, the default first, and what the packages are called.
BACKENDS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}
#: Keras' own environment variable.
VARIABLE = "KERAS_BACKEND"


def active_backend() -> str | None:
    """What Keras computes with in this process; None before Keras is imported."""
    if "keras" not in sys.modules:
        return None
    import keras

    return str(keras.backend.backend())


def choose_backend() -> str:
    """The backend to use: this process' own, else KERAS_BACKEND, else the first of BACKENDS that is installed.

    Imports nothing.

    Raises:
        UserError: KERAS_BACKEND names what is unknown or not installed, or nothing is installed.
    """
    active = active_backend()
    if active is not None:
        return active
    wished = os.environ.get(VARIABLE)
    if wished:
        if wished not in BACKENDS:
            raise UserError(f"{VARIABLE}={wished} is unknown; choose one of {', '.join(BACKENDS)}.")
        if not usable(wished):
            raise UserError(
                f"{VARIABLE}={wished} asks for {BACKENDS[wished]}, which is not installed with Keras; install both, or "
                "unset the variable."
            )
        return wished
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
        UserError: as there.
    """
    name = choose_backend()
    if name == "tensorflow":
        import_tensorflow()
    else:
        os.environ[VARIABLE] = name
        _import_keras()
    return name


def import_tensorflow() -> Any:
    """TensorFlow, imported without its start-up messages, and Keras with it, whatever KERAS_BACKEND says.

    Raises:
        UserError: it is not installed, or Keras computes with another backend already.
    """
    active = active_backend()
    if active not in (None, "tensorflow"):
        raise UserError(f"This process computes with {BACKENDS.get(active, active)} already; start another one.")
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
    """Names of the GPUs that the backend of this process sees."""
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
    """What a network answers, as NumPy arrays, compiled where the backend compiles; later changes of its weights count.

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

        # Traced with the weights as arguments: otherwise they would be constants of the compiled function.
        compiled = jax.jit(lambda learnt, fixed, x: network.stateless_call(learnt, fixed, x, training=False)[0])

        def run(inputs: NDArray[Any]) -> Any:
            learnt, fixed = network.trainable_variables, network.non_trainable_variables
            return compiled([one.value for one in learnt], [one.value for one in fixed], inputs)
    else:
        import tensorflow as tf

        # Traced once for images of any number and size.
        images = tf.TensorSpec((None, None, None, network.input_shape[-1]), tf.float32)
        run = tf.function(lambda inputs: network(inputs, training=False), input_signature=[images])
    return lambda inputs: keras.tree.map_structure(keras.ops.convert_to_numpy, run(inputs))


def probabilities(network: keras.Model) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """As `inference`; of a network that answers with regions as well, the lesions' probabilities alone."""
    import numpy as np

    run = inference(network)

    def predict(inputs: NDArray[Any]) -> NDArray[np.float32]:
        outputs = run(inputs)
        return np.asarray(outputs[0] if isinstance(outputs, list | tuple) else outputs)

    return predict


def usable(backend: str) -> bool:
    """Whether a backend is installed, and Keras with it; nothing is imported."""
    return is_there(backend) and is_there("keras")


def _import_keras() -> None:
    """Keras as its network needs it: the user's own keras.json must not change that."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Discard what native code writes to file descriptor 2; Python errors still come as exceptions."""
    try:
        kept = os.dup(2)
    except OSError:
        # A program without a console (pythonw, a service) has no descriptor 2 and nothing to silence.
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
