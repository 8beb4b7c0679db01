"""A list of folders that the user edits."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegModule.problems import slot

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Widget

    from ..parameter_node import SpectBoneMetSegTrainingParameterNode


class FolderList:
    """Shows a parameter that names folders, one a line."""

    def __init__(self, parameter: str, listWidget: Widget, addButton: Widget, removeButton: Widget) -> None:
        """Take over the widgets.

        Args:
            parameter: name of a text parameter of the parameter node.
            listWidget: a QListWidget.
            addButton: a QPushButton that adds a folder.
            removeButton: a QPushButton that removes the selected folder.
        """
        self.parameter, self.listWidget, self.removeButton = parameter, listWidget, removeButton
        self.node: SpectBoneMetSegTrainingParameterNode | None = None
        addButton.connect("clicked(bool)", self.onAdd)
        removeButton.connect("clicked(bool)", self.onRemove)
        listWidget.connect("currentRowChanged(int)", self.onCurrent)
        listWidget.setFixedHeight(62)

    @property
    def folders(self) -> list[str]:
        """Return the folders in their order."""
        lines: str = getattr(self.node, self.parameter) if self.node is not None else ""
        return lines.splitlines()

    def show(self, node: SpectBoneMetSegTrainingParameterNode | None) -> None:
        """Show another parameter node; None keeps the folders shown."""
        self.node = node
        if node is not None:
            self.listWidget.clear()
            for folder in self.folders:
                self.listWidget.addItem(folder)
            self.onCurrent()

    def add(self, folder: str) -> None:
        """Add a folder; an empty name and one in the list are ignored."""
        if folder and folder not in self.folders:
            self._keep([*self.folders, folder])

    @slot
    def onAdd(self, checked: bool = False) -> None:
        """Ask for a folder and add it."""
        start = self.folders[-1] if self.folders else os.path.expanduser("~")
        self.add(qt.QFileDialog.getExistingDirectory(None, _("Choose a folder"), start))

    @slot
    def onRemove(self, checked: bool = False) -> None:
        """Remove the selected folder from the list."""
        row: int = self.listWidget.currentRow
        self._keep([folder for index, folder in enumerate(self.folders) if index != row])

    @slot
    def onCurrent(self, row: int = -1) -> None:
        """Enable the button that removes the selected folder."""
        self.removeButton.enabled = self.listWidget.currentRow >= 0

    def _keep(self, folders: Iterable[str]) -> None:
        if self.node is not None:
            setattr(self.node, self.parameter, "\n".join(folders))
            self.show(self.node)
