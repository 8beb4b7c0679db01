"""A list of folders that the user adds to and takes from."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

import os

import qt
from slicer.i18n import tr as _


class FolderList:
    """Shows a parameter that names folders, one a line."""

    def __init__(self, parameter, listWidget, addButton, removeButton):
        """Take over the widgets.

        Args:
            parameter: name of a text parameter of the parameter node.
            listWidget: a QListWidget.
            addButton: what changes it.
            removeButton: what changes it.
        """
        self.parameter, self.listWidget, self.removeButton = parameter, listWidget, removeButton
        self.node = None
        addButton.connect("clicked(bool)", self.onAdd)
        removeButton.connect("clicked(bool)", self.onRemove)
        listWidget.connect("currentRowChanged(int)", self.onCurrent)
        listWidget.setFixedHeight(62)

    @property
    def folders(self):
        """The folders as texts, in their order."""
        return getattr(self.node, self.parameter).splitlines() if self.node is not None else []

    def show(self, node):
        """Show another parameter node; None keeps what is shown."""
        self.node = node
        if node is not None:
            self.listWidget.clear()
            for folder in self.folders:
                self.listWidget.addItem(folder)
            self.onCurrent()

    def add(self, folder):
        """Add a folder, unless it is there already or none."""
        if folder and folder not in self.folders:
            self._keep([*self.folders, folder])

    def onAdd(self, checked=False):
        """Ask for a folder and add it."""
        start = self.folders[-1] if self.folders else os.path.expanduser("~")
        self.add(qt.QFileDialog.getExistingDirectory(None, _("Choose a folder"), start))

    def onRemove(self, checked=False):
        """Take the chosen folder from the list."""
        row = self.listWidget.currentRow
        self._keep([folder for index, folder in enumerate(self.folders) if index != row])

    def onCurrent(self, row=-1):
        """Only a chosen folder can be removed."""
        self.removeButton.enabled = self.listWidget.currentRow >= 0

    def _keep(self, folders):
        setattr(self.node, self.parameter, "\n".join(folders))
        self.show(self.node)
