"""The panel's log, to be read and copied."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from typing import TYPE_CHECKING

import qt

from .. import problems
from ..problems import slot

if TYPE_CHECKING:
    from ..slicer_types import Widget


class LogView:
    """Shows the recent messages in a text field."""

    def __init__(self, field: Widget, copyButton: Widget) -> None:
        """Take over a QPlainTextEdit and a QPushButton."""
        self.field = field
        copyButton.connect("clicked(bool)", self.onCopy)
        problems.listeners.append(self.show)
        self.show()

    def close(self) -> None:
        """The panel goes."""
        if self.show in problems.listeners:
            problems.listeners.remove(self.show)

    def show(self) -> None:
        """Show all lines."""
        self.field.setPlainText("\n".join(problems.lines))

    @slot
    def onCopy(self, checked: bool = False) -> None:
        """Put the log into the clipboard, with the versions."""
        qt.QApplication.clipboard().setText("\n".join([problems.versions(), *problems.lines]))
