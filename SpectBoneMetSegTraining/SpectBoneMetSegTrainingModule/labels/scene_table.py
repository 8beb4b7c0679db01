"""The table of the labels in the scene: which are trained on, of which scan, by whom."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegModule.problems import slot

from ..keyed_table import Rows
from .scene_labels import keepReader, keepScan, keepTeaching, labelsInScene, scansInScene

TEACH_COLUMN, SCAN_COLUMN, READER_COLUMN = 0, 1, 2
WIDTHS = (160, 120, 100)


class SceneTable:
    """Fills a QTableWidget and stores the user's entries with the nodes."""

    def __init__(self, table):
        """Take over a table."""
        self.table = table
        self.labels, self.scans = [], []
        titles = [
            (_("Outlines"), _("Ticked ones are used for training; areas rejected in the reading module are left out")),
            (_("Scan"), _("What the outlines were drawn on")),
            (_("Reader"), _("Whose outlines they are; double-click to change. Those of one reader are put together")),
            (_("Areas"), ""),
        ]
        self.rows = Rows(table, titles)
        table.setEditTriggers(qt.QAbstractItemView.DoubleClicked)
        table.connect("itemChanged(QTableWidgetItem*)", self._changed)

    def update(self):
        """Show the labels that the scene holds now."""
        self.scans = scansInScene()
        self.labels = labelsInScene(self.scans)
        self.rows.show([(label.node, [label.name, "", label.reader, label.areas]) for label in self.labels])
        self.rows.filling = True
        for row, label in enumerate(self.labels):
            self._finish(row, label)
        for column, width in enumerate(WIDTHS):
            self.table.setColumnWidth(column, width)
        self.rows.filling = False

    def ticked(self):
        """Return the labels to train on."""
        return [label for label in self.labels if label.teaches]

    def tick(self, node):
        """Tick a label for training, by the ID of its node."""
        keepTeaching(node, True)
        self.update()

    def _finish(self, row, label):
        """Tick, editable cells and the choice of the scan."""
        for column in range(self.table.columnCount):
            flags = qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled
            if column == READER_COLUMN:
                flags |= qt.Qt.ItemIsEditable
            if column == TEACH_COLUMN and label.scan is not None:
                flags |= qt.Qt.ItemIsUserCheckable
            self.table.item(row, column).setFlags(flags)
        self.table.item(row, TEACH_COLUMN).setCheckState(qt.Qt.Checked if label.teaches else qt.Qt.Unchecked)
        choice = qt.QComboBox()
        choice.addItem(_("choose..."))
        for scan in self.scans:
            choice.addItem(scan.name)
        choice.setCurrentIndex(self.scans.index(label.scan) + 1 if label.scan is not None else 0)
        choice.connect("currentIndexChanged(int)", lambda index, node=label.node: self._scanChosen(node, index))
        self.table.setCellWidget(row, SCAN_COLUMN, choice)

    @slot
    def _scanChosen(self, node, index):
        if index > 0 and not self.rows.filling:
            keepScan(node, self.scans[index - 1])
            # The choice itself is made anew: not while it is telling.
            qt.QTimer.singleShot(0, self.update)

    @slot
    def _changed(self, item):
        if self.rows.filling:
            return
        label = self.labels[item.row()]
        if item.column() == READER_COLUMN:
            keepReader(label.node, item.text().strip())
        elif item.column() == TEACH_COLUMN:
            keepTeaching(label.node, item.checkState() == qt.Qt.Checked)
        self.labels = labelsInScene(self.scans)
