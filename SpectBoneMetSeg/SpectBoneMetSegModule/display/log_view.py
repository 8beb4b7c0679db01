"""The panel's log, to be read and copied."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

import qt

from .. import problems


class LogView:
    """Shows the recent messages in a text field."""

    def __init__(self, field, copyButton):
        """Take over a QPlainTextEdit and a QPushButton."""
        self.field = field
        copyButton.connect("clicked(bool)", self.onCopy)
        problems.listeners.append(self.show)
        self.show()

    def close(self):
        """The panel goes."""
        if self.show in problems.listeners:
            problems.listeners.remove(self.show)

    def show(self):
        """Show all lines."""
        self.field.setPlainText("\n".join(problems.lines))

    def onCopy(self, checked=False):
        """Put the log into the clipboard, with the versions."""
        qt.QApplication.clipboard().setText("\n".join([problems.versions(), *problems.lines]))
