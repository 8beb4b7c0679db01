"""The table of the labels in the scene: their scans, their readers, and whether to train on them."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegModule.problems import report, slot

from ..keyed_table import Rows
from .scene_labels import keepForTraining, keepReader, keepScan, labelsInScene, scansInScene

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Widget

    from .scene_labels import SceneLabel, SceneScan

NAME_COLUMN, SCAN_COLUMN, READER_COLUMN = 0, 1, 2
WIDTHS = (160, 120, 100)


class SceneTable:
    """Fills a QTableWidget and stores the user's entries with the nodes."""

    def __init__(self, table: Widget) -> None:
        """Take over a table."""
        self.table = table
        self.labels: list[SceneLabel] = []
        self.scans: list[SceneScan] = []
        titles = [
            (_("Outlines"), _("Ticked ones are used for training; areas rejected in the reading module are left out")),
            (_("Scan"), _("What the outlines were drawn on")),
            (_("Reader"), _("Who outlined the scan; double-click to change. Outlines of one reader are merged")),
            (_("Areas"), ""),
        ]
        self.rows: Rows[str] = Rows(table, titles)
        table.setEditTriggers(qt.QAbstractItemView.DoubleClicked)
        table.connect("itemChanged(QTableWidgetItem*)", self._changed)

    def update(self) -> None:
        """Show the current labels of the scene."""
        self.scans = scansInScene()
        self.labels = labelsInScene(self.scans)
        self.rows.show([(label.node, [label.name, "", label.reader, label.areas]) for label in self.labels])
        self.rows.filling = True
        for row, label in enumerate(self.labels):
            self._finish(row, label)
        for column, width in enumerate(WIDTHS):
            self.table.setColumnWidth(column, width)
        self.rows.filling = False

    def onLater(self) -> None:
        """Show the current labels, called by a timer; without `recover`, which would begin again and again."""
        try:
            self.update()
        except Exception as error:  # noqa: BLE001 - shown in a dialog, with the log
            report(error)

    def ticked(self) -> list[SceneLabel]:
        """Return the labels to train on."""
        return [label for label in self.labels if label.forTraining]

    def tick(self, node: str) -> None:
        """Tick a label for training, by the ID of its node."""
        keepForTraining(node, True)
        self.update()

    def recover(self) -> None:
        """Show the current labels after an error, but not within the signal of a widget that is created anew."""
        qt.QTimer.singleShot(0, self.onLater)

    def _finish(self, row: int, label: SceneLabel) -> None:
        """Set tick, editable cells and the choice of the scan in a row."""
        for column in range(self.table.columnCount):
            flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
            if column == READER_COLUMN:
                flags |= qt.Qt.ItemIsEditable
            if column == NAME_COLUMN and label.scan is not None:
                flags |= qt.Qt.ItemIsUserCheckable
            self.table.item(row, column).setFlags(flags)
        self.table.item(row, NAME_COLUMN).setCheckState(qt.Qt.Checked if label.forTraining else qt.Qt.Unchecked)
        choice = qt.QComboBox()
        choice.addItem(_("choose..."))
        for scan in self.scans:
            choice.addItem(scan.name)
        choice.setCurrentIndex(self.scans.index(label.scan) + 1 if label.scan is not None else 0)
        choice.connect("currentIndexChanged(int)", lambda index: self._scanChosen(label.node, index))
        self.table.setCellWidget(row, SCAN_COLUMN, choice)

    @slot
    def _scanChosen(self, node: str, index: int) -> None:
        if index > 0 and not self.rows.filling:
            keepScan(node, self.scans[index - 1])
            # The update creates the QComboBox anew, which must not happen within its own signal.
            qt.QTimer.singleShot(0, self.onLater)

    @slot
    def _changed(self, item: Widget) -> None:
        if self.rows.filling:
            return
        label = self.labels[item.row()]
        if item.column() == READER_COLUMN:
            keepReader(label.node, item.text().strip())
        elif item.column() == NAME_COLUMN:
            keepForTraining(label.node, item.checkState() == qt.Qt.Checked)
        self.labels = labelsInScene(self.scans)
