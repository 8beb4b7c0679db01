"""What the user chooses in the panel, kept in the scene's parameter node."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from slicer.i18n import tr as _
from SpectBoneMetSegModule.logic import SpectBoneMetSegLogic


def modelItems():
    """The models there are, as items of a QComboBox: the default one without a name first."""
    names = SpectBoneMetSegLogic.modelNames()
    return [(_("The model that reads by default"), ""), *((name, name) for name in names)]


def refill(selector, items, chosen=None):
    """Replace the items of a QComboBox without signals; the selected one stays, unless another is named.

    Args:
        selector: the QComboBox.
        items: [(text, value)].
        chosen: the value to take in hand.
    """
    wanted = selector.currentData if chosen is None else chosen
    selector.blockSignals(True)
    selector.clear()
    for text, value in items:
        selector.addItem(text, value)
    selector.setCurrentIndex(max(0, selector.findData(wanted)))
    selector.blockSignals(False)


class Choices:
    """Widgets that show the parameters of a parameter node and change them."""

    def __init__(self):
        """Start without widgets."""
        self.node = None
        self._fields = []
        self._showing = False

    def addSelector(self, name, selector):
        """A QComboBox whose items carry the parameter's values."""

        def show(value):
            selector.setCurrentIndex(max(0, selector.findData(value)))

        self._add(name, selector, "currentIndexChanged(int)", lambda: selector.currentData, show)

    def addText(self, name, edit):
        """A QLineEdit."""
        self._add(name, edit, "textChanged(QString)", lambda: edit.text, edit.setText)

    def addPath(self, name, edit):
        """A ctkPathLineEdit."""
        self._add(name, edit, "currentPathChanged(QString)", lambda: edit.currentPath, edit.setCurrentPath)

    def addNumber(self, name, box):
        """A QSpinBox."""
        self._add(name, box, "valueChanged(int)", lambda: box.value, box.setValue)

    def show(self, node):
        """Show another parameter node, or keep what is shown for None."""
        self.node = node
        if node is None:
            return
        self._showing = True
        for name, _read, write in self._fields:
            write(getattr(node, name))
        self._showing = False

    def _add(self, name, widget, signal, read, write):
        self._fields.append((name, read, write))

        def changed(value=None):
            if self.node is not None and not self._showing:
                setattr(self.node, name, read())

        widget.connect(signal, changed)
