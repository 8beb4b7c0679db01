"""`slicer.parameterNodeWrapper`: typed attributes kept in a parameter node, connected to the widgets that show them."""

# Names are those of Slicer's module.
# ruff: noqa: N802
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

__all__ = ["WithinRange", "parameterNodeWrapper"]


@dataclass
class WithinRange:
    """Limits of a number, for `Annotated`."""

    minimum: float
    maximum: float


def parameterNodeWrapper(kind: type) -> type:
    """Make a class with annotations a view of a vtkMRMLScriptedModuleNode."""
    limits: dict[str, WithinRange] = {}
    for name, what in get_type_hints(kind, include_extras=True).items():
        if get_origin(what) is Annotated:
            what, *notes = get_args(what)
            limits[name] = next(note for note in notes if isinstance(note, WithinRange))
        setattr(kind, name, _parameter(name, what, getattr(kind, name, None)))
    kind._limits = limits  # type: ignore[attr-defined]

    def start(self: Any, node: Any) -> None:
        self.parameterNode = node
        self._connections = []

    methods: dict[str, Callable[..., Any]] = {
        "__init__": start,
        "AddObserver": lambda self, *values: self.parameterNode.AddObserver(*values),
        "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
        "HasObserver": lambda self, *values: self.parameterNode.HasObserver(*values),
        "connectGui": _connect_gui,
        "disconnectGui": _disconnect_gui,
    }
    for name, method in methods.items():
        setattr(kind, name, method)
    return kind


def _is_node(what: Any) -> bool:
    return isinstance(what, type) and what.__name__.startswith("vtkMRML")


def _parameter(name: str, what: Any, default: Any) -> property:
    if _is_node(what):
        return property(
            lambda self: self.parameterNode.GetNodeReference(name),
            lambda self, node: self.parameterNode.SetNodeReferenceID(name, node.GetID() if node is not None else None),
        )

    def read(self: Any) -> Any:
        text = self.parameterNode.GetParameter(name)
        if not text:
            return what() if default is None else default
        return text == "True" if what is bool else what(text)

    def write(self: Any, value: Any) -> None:
        if not isinstance(value, (int, float) if what is float else what):
            raise TypeError(f"{name} must be {what.__name__}, not {value!r}")
        self.parameterNode.SetParameter(name, str(value))

    return property(read, write)


def _connect_gui(self: Any, ui: Any) -> int:
    """Widgets with the property SlicerParameterName show that parameter and change it."""
    import vtk

    pairs = [(w.property("SlicerParameterName"), w) for w in vars(ui).values() if hasattr(w, "property")]
    shown = {name: widget for name, widget in pairs if name}
    for name, widget in shown.items():
        if type(widget).__name__ == "ctkSliderWidget":
            # As in Slicer: an unbounded number cannot have a slider, and the bounds are the parameter's.
            widget.minimum, widget.maximum = self._limits[name].minimum, self._limits[name].maximum
    state = {"live": True, "busy": False}

    def to_widgets(*_: Any) -> None:
        if state["busy"] or not state["live"]:
            return
        for name, widget in shown.items():
            value = getattr(self, name)
            if hasattr(widget, "setCurrentNode"):
                widget.setCurrentNode(value)
            elif hasattr(widget, "setChecked"):
                widget.setChecked(value)
            elif widget.value != value:
                widget.setValue(value)

    def to_node(name: str) -> Callable[..., None]:
        def changed(value: Any) -> None:
            if state["live"]:
                state["busy"] = True
                setattr(self, name, value)
                state["busy"] = False

        return changed

    to_widgets()
    for name, widget in shown.items():
        signals = (("setCurrentNode", "currentNodeChanged"), ("setChecked", "toggled"), ("setValue", "valueChanged"))
        signal = next(signal for method, signal in signals if hasattr(widget, method))
        getattr(widget, signal).connect(to_node(name))
    tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, to_widgets)
    self._connections.append((state, tag))
    return len(self._connections) - 1


def _disconnect_gui(self: Any, connection: int) -> None:
    state, tag = self._connections[connection]
    state["live"] = False
    self.parameterNode.RemoveObserver(tag)
