"""Convert a Keras network to an ONNX graph, layer by layer; supports only the layers of `architecture.py`.

Keras' own `model.export(format="onnx")` calls the converter of its backend (tf2onnx, jax2onnx, torch.onnx), and tf2onnx
takes half a minute where these few layers need a second. No maintained library converts Keras 3 networks independently
of the backend (keras2onnx ended with TensorFlow 2.3); this module writes the same file for every backend.
Keras and onnx are imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..common.packages import is_installed
from .backend import use_backend
from .store import ModelFolder, add_onnx, load_network

if TYPE_CHECKING:
    import keras

__all__ = ["export_onnx", "onnx_bytes"]

#: Supported by ONNX Runtime 1.18 and newer.
OPSET, IR_VERSION = 17, 8
#: Axis permutations: Keras stores (rows, columns, channels), ONNX (channels, rows, columns).
TO_ONNX, TO_KERAS = [0, 3, 1, 2], [0, 2, 3, 1]


def export_onnx(model: ModelFolder) -> ModelFolder:
    """Add model.onnx to a model, for ONNX Runtime; needs Keras and the package onnx.

    Raises:
        UserError: a package is missing, the model is damaged, or its folder cannot be written.
    """
    if not is_installed("onnx"):
        raise UserError("Writing model.onnx needs onnx; pip install 'spectbonemetseg[train]'.")
    use_backend()
    return add_onnx(model, onnx_bytes(load_network(model)))


def onnx_bytes(network: keras.Model) -> bytes:
    """Return the ONNX file of a network built by `architecture.build_network`.

    Raises:
        ValueError: an unsupported layer.
    """
    import keras
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph()
    (image,) = network.inputs
    graph.names[id(image)] = graph.add("Transpose", ["counts"], perm=TO_ONNX)

    def write(layer: keras.Layer, *arguments: Any, **options: Any) -> Any:
        # Keras calls this for the layers in topological order.
        output = layer(*arguments, **options)
        if type(layer).__name__ not in WRITERS:
            raise ValueError(f"{type(layer).__name__} has no ONNX form here")
        names = [graph.names[id(tensor)] for tensor in keras.tree.flatten(arguments)]
        graph.names[id(output)] = WRITERS[type(layer).__name__](graph, layer, names)
        graph.kept.append(output)
        return output

    copy = keras.models.clone_model(
        network, input_tensors=image, clone_function=lambda layer: layer, call_function=write
    )
    # Regions have half the resolution, hence dimensions of their own.
    named = dict(zip(("probability", "regions"), copy.outputs, strict=False))
    for name, tensor in named.items():
        graph.add("Transpose", [graph.names[id(tensor)]], name, perm=TO_KERAS)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sides, tensor.shape[-1]])
        for name, tensor, sides in (
            ("counts", image, ("rows", "columns")),
            *((name, tensor, (f"{name} rows", f"{name} columns")) for name, tensor in named.items()),
        )
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "SpectBoneMetSeg", ends[:1], ends[1:], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="SpectBoneMetSeg",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


class _Graph:
    """Collects nodes and constants; every result has a unique name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        #: Name of the ONNX result that stands for a Keras tensor, by the tensor's id.
        self.names: dict[int, str] = {}
        #: References to the tensors, so that no id is reused.
        self.kept: list[Any] = []

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Add a node and return its result's name."""
        from onnx import helper

        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def _conv(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    weights = np.asarray(layer.kernel).transpose(3, 2, 0, 1)
    parts = [*inputs, graph.constant(weights), *([graph.constant(np.asarray(layer.bias))] if layer.use_bias else [])]
    if (layer.padding != "same" and layer.kernel_size != (1, 1)) or layer.groups != 1:
        raise ValueError(f"{layer.name} is an unsupported convolution")
    # TensorFlow's padding of images whose sides are multiples of the stride: the odd pixel comes last.
    reach = [
        rate * (size - 1) + 1 - step
        for size, rate, step in zip(layer.kernel_size, layer.dilation_rate, layer.strides, strict=True)
    ]
    before = [max(total, 0) // 2 for total in reach]
    after = [max(total, 0) - first for total, first in zip(reach, before, strict=True)]
    output = graph.add(
        "Conv",
        parts,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        pads=[*before, *after],
    )
    activation = layer.activation.__name__
    if activation not in ("linear", "sigmoid"):
        raise ValueError(f"{activation} has no ONNX form here")
    return graph.add("Sigmoid", [output]) if activation == "sigmoid" else output


def _conv_transpose(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    weights, bias = np.asarray(layer.kernel).transpose(3, 2, 0, 1), np.asarray(layer.bias)
    if layer.kernel_size != layer.strides:
        raise ValueError(f"{layer.name} overlaps itself, which has no ONNX form here")
    parts = [*inputs, graph.constant(weights), graph.constant(bias)]
    return graph.add("ConvTranspose", parts, kernel_shape=list(layer.kernel_size), strides=list(layer.strides))


def _norm(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    values = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    constants = [graph.constant(np.asarray(value)) for value in values]
    return graph.add("BatchNormalization", [*inputs, *constants], epsilon=float(layer.epsilon))


def _prelu(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    return graph.add("PRelu", [*inputs, graph.constant(np.asarray(layer.alpha).reshape(-1, 1, 1))])


def _pool(operator: str) -> Callable[[_Graph, Any, list[str]], str]:
    def write(graph: _Graph, layer: Any, inputs: list[str]) -> str:
        return graph.add(operator, inputs, kernel_shape=list(layer.pool_size), strides=list(layer.strides))

    return write


def _upsample(graph: _Graph, layer: Any, inputs: list[str]) -> str:
    scales = graph.constant(np.asarray((1, 1, *layer.size), np.float32))
    options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return graph.add("Resize", [*inputs, "", scales], **options)


#: Writers of layers, by class name.
WRITERS: dict[str, Callable[[_Graph, Any, list[str]], str]] = {
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transpose,
    "BatchNormalization": _norm,
    "FusedBatchNormalization": _norm,
    "PReLU": _prelu,
    "ReLU": lambda graph, layer, inputs: graph.add("Relu", inputs),
    "MaxPooling2D": _pool("MaxPool"),
    "AveragePooling2D": _pool("AveragePool"),
    "BilinearUpsampling": _upsample,
    "Add": lambda graph, layer, inputs: graph.add("Sum", inputs),
    "Concatenate": lambda graph, layer, inputs: graph.add("Concat", inputs, axis=1),
}
