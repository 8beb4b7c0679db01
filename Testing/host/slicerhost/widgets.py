"""Substitutes for the ctk and qMRML widgets that the modules use: their properties, signals and slots."""

# Names are those of the C++ classes, and so is their documentation.
# ruff: noqa: N801, N802, N815, D102
from __future__ import annotations

import re
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .plots import qMRMLPlotView
from .segment_editor import qMRMLSegmentEditorWidget

HEADER_PIXELS = 24


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled section that can be folded."""

    contentsCollapsed = QtCore.Signal(bool)
    color = QtGui.QColor(214, 220, 228)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed = "", False
        #: What the module hides stays hidden when the section is unfolded.
        self._hidden: set[Any] = set()
        self._forcing = False
        self.setContentsMargins(0, HEADER_PIXELS, 0, 0)

    def childEvent(self, event: Any) -> None:
        if event.added() and event.child().isWidgetType():
            event.child().installEventFilter(self)
        super().childEvent(event)

    def eventFilter(self, child: Any, event: Any) -> bool:
        shown = {QtCore.QEvent.ShowToParent: True, QtCore.QEvent.HideToParent: False}.get(event.type())
        if shown is not None and not self._forcing:
            (self._hidden.discard if shown else self._hidden.add)(child)
            if shown and self._collapsed:
                self._forcing = True
                child.setVisible(False)
                self._forcing = False
        return False

    def _get_text(self) -> str:
        return self._text

    def setText(self, text: str) -> None:
        self._text = text
        self.update()

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def setCollapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self._forcing = True
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly):
            child.setVisible(not collapsed and child not in self._hidden)
        self._forcing = False
        self.setMaximumHeight(HEADER_PIXELS if collapsed else 16777215)
        self.contentsCollapsed.emit(collapsed)

    text = QtCore.Property(str, _get_text, setText)
    collapsed = QtCore.Property(bool, _get_collapsed, setCollapsed)

    def showEvent(self, event: Any) -> None:
        # Children that the .ui file adds later are not there yet when the property is set.
        if self._collapsed:
            self.setCollapsed(True)
        super().showEvent(event)

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        bar = QtCore.QRect(0, 2, self.size.width(), HEADER_PIXELS - 4)
        painter.fillRect(bar, self.color)
        arrow = "\u25b8" if self._collapsed else "\u25be"
        painter.drawText(bar.adjusted(6, 0, 0, 0), QtCore.Qt.AlignVCenter, f"{arrow} {self._text}")
        painter.end()


class ctkCollapsibleGroupBox(ctkCollapsibleButton):
    """Details inside a section, folded away."""

    color = QtGui.QColor(236, 239, 243)
    title = QtCore.Property(str, ctkCollapsibleButton._get_text, ctkCollapsibleButton.setText)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a number next to it."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        self._slider.setRange(0, 1000)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        row.addWidget(self._box)
        self._box.valueChanged.connect(self._moved)

    def _moved(self, value: float) -> None:
        low, high = self._box.minimum, self._box.maximum
        self._slider.setValue(round(1000 * (value - low) / (high - low)) if high > low else 0)
        self.valueChanged.emit(value)

    def _get_value(self) -> float:
        return self._box.value

    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    value = QtCore.Property(float, _get_value, setValue)


def _passed_on(name: str, kind: type) -> Any:
    """A property of the slider that is its number box's."""

    def read(self: Any) -> Any:
        return self._box.property(name)

    def write(self: Any, value: Any) -> None:
        self._box.setProperty(name, value)

    return QtCore.Property(kind, read, write)


class _Slider(ctkSliderWidget):
    decimals = _passed_on("decimals", int)
    minimum = _passed_on("minimum", float)
    maximum = _passed_on("maximum", float)
    singleStep = _passed_on("singleStep", float)
    suffix = _passed_on("suffix", str)


_Slider.__name__ = "ctkSliderWidget"


class ctkPathLineEdit(QtWidgets.QLineEdit):
    """A line for a path; the host has no dialog to choose one, and only keeps the filters."""

    Dirs, Files, Readable, Writable = 0x1, 0x2, 0x10, 0x20
    filters = Dirs | Files | Readable
    currentPathChanged = QtCore.Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.textChanged.connect(self.currentPathChanged)

    def _get_path(self) -> str:
        return self.text

    def setCurrentPath(self, path: str) -> None:
        self.setText(path)

    currentPath = QtCore.Property(str, _get_path, setCurrentPath)


class qMRMLWidget(QtWidgets.QWidget):
    """Passes its scene to the widgets in it."""

    mrmlSceneChanged = QtCore.Signal(object)


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """Chooses a node of the scene."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._tags: list[int] = []
        self._types: list[str] = []
        self._flags = {"noneEnabled": False, "addEnabled": True}
        self._last: str | None = None
        self.currentIndexChanged.connect(lambda index: self._tell())

    def _get_types(self) -> list[str]:
        return self._types

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)

    nodeTypes = QtCore.Property("QStringList", _get_types, _set_types)

    def setMRMLScene(self, scene: Any) -> None:
        import vtk

        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is None:
            return

        def changed(caller: Any, what: str, node: Any) -> None:
            if any(node.IsA(kind) for kind in self._types):
                self._refresh()

        changed.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
        self._tags = [scene.AddObserver(event, changed) for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent)]
        events = (scene.EndImportEvent, scene.EndCloseEvent)
        self._tags += [scene.AddObserver(event, lambda caller, what: self._refresh()) for event in events]
        self._refresh()

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        number = self.currentData
        return self._scene.GetNodeByID(number) if self._scene is not None and number else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentIndex(max(0, self.findData(node.GetID())) if node is not None else 0)

    def _refresh(self) -> None:
        before = self._last
        self.blockSignals(True)
        self.clear()
        self.addItem("None", None)
        for kind in self._types:
            nodes = self._scene.GetNodesByClass(kind)
            nodes.UnRegister(None)
            for index in range(nodes.GetNumberOfItems()):
                node = nodes.GetItemAsObject(index)
                if not node.GetHideFromEditors():
                    self.addItem(node.GetName(), node.GetID())
        self.setCurrentIndex(max(0, self.findData(before)) if before else 0)
        self.blockSignals(False)
        self._tell()

    def _tell(self) -> None:
        if self.currentData != self._last:
            self._last = self.currentData
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(self.currentData or "")


WIDGETS: dict[str, type] = {
    "ctkCollapsibleButton": ctkCollapsibleButton,
    "ctkCollapsibleGroupBox": ctkCollapsibleGroupBox,
    "ctkSliderWidget": _Slider,
    "ctkPathLineEdit": ctkPathLineEdit,
    "qMRMLWidget": qMRMLWidget,
    "qMRMLNodeComboBox": qMRMLNodeComboBox,
    "qMRMLPlotView": qMRMLPlotView,
    "qMRMLSegmentEditorWidget": qMRMLSegmentEditorWidget,
}


def add_widgets(qt: Any, ctk: Any, slicer: Any) -> None:
    """Put the substitutes where the modules import them, and let .ui files use them."""
    from PySide6 import QtUiTools

    class QUiLoader(QtUiTools.QUiLoader):
        """Makes the substitutes, leaves out connections of signals that only C++ has."""

        def __init__(self, parent: Any = None) -> None:
            super().__init__(parent)
            for kind in WIDGETS.values():
                self.registerCustomWidget(kind)

        def load(self, file: Any, parent: Any = None) -> Any:
            text = bytes(file.readAll()).decode()
            buffer = QtCore.QBuffer()
            buffer.setData(re.sub("<connections>.*</connections>", "", text, flags=re.DOTALL).encode())
            buffer.open(QtCore.QIODevice.ReadOnly)
            return super().load(buffer, parent)

    for name, kind in WIDGETS.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, kind)
    qt.QUiLoader = QUiLoader
