"""Fields of the panel whose values are kept in the scene's parameter node."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.logic import SpectBoneMetSegLogic
from SpectBoneMetSegModule.problems import slot

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Widget

    from .parameter_node import SpectBoneMetSegTrainingParameterNode


def modelItems() -> list[tuple[str, str]]:
    """Return the existing models as [(text, value)] of a QComboBox: the default model, which has no value, first."""
    names = SpectBoneMetSegLogic.modelNames()
    return [(_("The model that reads by default"), ""), *((name, name) for name in names)]


def refill(selector: Widget, items: Sequence[tuple[str, str]], chosen: str | None = None) -> None:
    """Replace the items of a QComboBox without signals.

    Args:
        selector: the QComboBox.
        items: [(text, value)].
        chosen: value to select; None keeps the selected one.
    """
    selected = selector.currentData if chosen is None else chosen
    selector.blockSignals(True)
    selector.clear()
    for text, value in items:
        selector.addItem(text, value)
    selector.setCurrentIndex(max(0, selector.findData(selected)))
    selector.blockSignals(False)


class ParameterFields:
    """Widgets that show the parameters of a parameter node and change them.

    Attributes:
        node: the parameter node; None while a scene closes.
    """

    def __init__(self) -> None:
        """Start without widgets."""
        self.node: SpectBoneMetSegTrainingParameterNode | None = None
        self._fields: list[tuple[str, Callable[[Any], object]]] = []
        self._showing = False

    @property
    def parameters(self) -> SpectBoneMetSegTrainingParameterNode:
        """Return the parameter node.

        Raises:
            UserError: there is none, as while a scene closes.
        """
        if self.node is None:
            raise UserError(_("The scene is closing: open the module again."))
        return self.node

    def addSelector(self, name: str, selector: Widget) -> None:
        """Add a QComboBox whose items carry the parameter's values."""

        def show(value: str) -> None:
            selector.setCurrentIndex(max(0, selector.findData(value)))

        self._add(name, selector, "currentIndexChanged(int)", lambda: selector.currentData, show)

    def addText(self, name: str, edit: Widget) -> None:
        """Add a QLineEdit."""
        self._add(name, edit, "textChanged(QString)", lambda: edit.text, edit.setText)

    def addPath(self, name: str, edit: Widget) -> None:
        """Add a ctkPathLineEdit."""
        self._add(name, edit, "currentPathChanged(QString)", lambda: edit.currentPath, edit.setCurrentPath)

    def addNumber(self, name: str, box: Widget) -> None:
        """Add a QSpinBox."""
        self._add(name, box, "valueChanged(int)", lambda: box.value, box.setValue)

    def show(self, node: SpectBoneMetSegTrainingParameterNode | None) -> None:
        """Show another parameter node; for None keep the values shown and store no changes."""
        self.node = node
        if node is None:
            return
        self._showing = True
        for name, write in self._fields:
            write(getattr(node, name))
        self._showing = False

    def _add(
        self, name: str, widget: Widget, signal: str, read: Callable[[], Any], write: Callable[[Any], object]
    ) -> None:
        self._fields.append((name, write))
        widget.connect(signal, lambda value=None: self.onChanged(name, read))

    @slot
    def onChanged(self, name: str, read: Callable[[], Any]) -> None:
        """Keep the value that a widget shows now."""
        if self.node is not None and not self._showing:
            setattr(self.node, name, read())
