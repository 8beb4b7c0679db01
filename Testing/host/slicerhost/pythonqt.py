"""PythonQt's behaviour for PySide6, in the whole process.

In Slicer every Q_PROPERTY is an attribute (`button.text`, never `button.text()`), and signals are connected by their
C++ signature (`button.connect("clicked(bool)", slot)`).
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

MODULES = (QtCore, QtGui, QtWidgets, QtUiTools)


def install() -> types.ModuleType:
    """Give PySide6 PythonQt's habits; returns the module `qt`."""
    # PySide6 makes its classes at their first use: `vars` does not list them.
    found = {name: getattr(module, name) for module in MODULES for name in dir(module) if name.startswith("Q")}
    for kind in found.values():
        if isinstance(kind, type) and issubclass(kind, QtCore.QObject):
            properties_as_attributes(kind)
    _replace_connect()
    QtCore.QObject.className = lambda self: self.metaObject().className()
    QtCore.QObject.name = property(lambda self: self.property("objectName"))
    QtWidgets.QDialog.exec_ = QtWidgets.QDialog.exec
    QtWidgets.QWidget.setMRMLScene = _set_scene
    qt = types.ModuleType("qt")
    vars(qt).update(found)
    return qt


def properties_as_attributes(kind: type) -> None:
    """Turn the Qt properties that a class declares itself into attributes."""
    meta = kind.staticMetaObject  # type: ignore[attr-defined]
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(index).name()
        setattr(kind, name, _attribute(name, getattr(kind, name, None)))


class _Attribute(property):
    """A property of instances; the class keeps a static method of that name (`QTimer.singleShot`)."""

    method: Any = None

    def __get__(self, instance: Any, kind: Any = None) -> Any:
        return self.method if instance is None and callable(self.method) else super().__get__(instance, kind)


def _attribute(name: str, method: Any) -> property:
    def read(self: Any) -> Any:
        return self.property(name)

    def write(self: Any, value: Any) -> None:
        if not QtCore.QObject.setProperty(self, name, value):
            raise TypeError(f"{self.metaObject().className()}.{name} cannot be {value!r}")

    attribute = _Attribute(read, write)
    attribute.method = method
    return attribute


def _replace_connect() -> None:
    """`connect` is looked up by PySide6 itself, before any attribute of the class."""
    original = QtCore.QObject.__getattribute__

    def look_up(self: Any, name: str) -> Any:
        return types.MethodType(connect, self) if name == "connect" else original(self, name)

    QtCore.QObject.__getattribute__ = look_up


def connect(sender: Any, signature: str, slot: Callable[..., Any]) -> bool:
    """`sender.connect("valueChanged(double)", slot)`: the slot gets as many values as the signature names.

    Raises:
        ValueError: there is no such signal, by C++ types; in PythonQt the connection would fail.
    """
    meta = sender.metaObject()
    if meta.indexOfSignal(QtCore.QMetaObject.normalizedSignature(signature).data().decode()) < 0:
        raise ValueError(f"QObject::connect: No such signal {meta.className()}::{signature}")
    name, _, parameters = signature.partition("(")
    parameters = parameters.rstrip(")")
    count = parameters.count(",") + 1 if parameters else 0
    # PySide6 leaves out default values for slots that take any number.
    takes: dict[int, Callable[..., Any]] = {0: lambda: slot(), 1: lambda a: slot(a), 2: lambda a, b: slot(a, b)}
    getattr(sender, name).connect(takes[count])
    return True


def _set_scene(widget: Any, scene: Any) -> None:
    """A qMRMLWidget passes its scene to the widgets in it; in the host any plain widget may replace one."""
    for child in widget.findChildren(QtWidgets.QWidget):
        if type(child).__name__.startswith("qMRML"):
            child.setMRMLScene(scene)
