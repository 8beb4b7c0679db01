"""Rows of texts in a table widget, one of them selected."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N803

import qt
from SpectBoneMetSegModule.review.tables import prepareTable

ROW_PIXELS, HEADER_PIXELS = 30, 28


class Rows:
    """Fills a QTableWidget; every row has a key by which the panel knows it."""

    def __init__(self, table, titles, onSelected=None, mostRows=6):
        """Take over a table.

        Args:
            table: a QTableWidget.
            titles: [(title, what it means)] of the columns.
            onSelected: called with the key of the row that the user selects.
            mostRows: more are scrolled.
        """
        self.table, self.onSelected, self.mostRows = table, onSelected, mostRows
        self.filling = False
        self.keys = []
        prepareTable(table, titles)
        table.setWordWrap(False)
        table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        table.connect("itemSelectionChanged()", self._selected)
        self.show([])

    def show(self, rows):
        """Show rows; the selected one stays selected if it still exists.

        Args:
            rows: [(key, texts)].
        """
        before = self.current
        self.filling = True
        self.keys = [key for key, _texts in rows]
        self.table.setRowCount(len(rows))
        for row, (_key, texts) in enumerate(rows):
            for column, text in enumerate(texts):
                self._put(row, column, text)
        self.table.resizeColumnsToContents()
        shown = min(max(2, len(rows)), self.mostRows)
        self.table.setFixedHeight(HEADER_PIXELS + ROW_PIXELS * shown)
        self.filling = False
        self.select(before)

    @property
    def current(self):
        """Return the key of the selected row, None without one."""
        row = self.table.currentRow()
        return self.keys[row] if 0 <= row < len(self.keys) else None

    def select(self, key):
        """Select a row without a signal; none for a key that is not there."""
        self.filling = True
        if key in self.keys:
            self.table.selectRow(self.keys.index(key))
        else:
            self.table.setCurrentCell(-1, -1)
        self.filling = False

    def _put(self, row, column, text):
        item = self.table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem(text)
            self.table.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
        # The panel is narrow: what does not fit is read here.
        item.setToolTip(text)

    def _selected(self):
        if not self.filling and self.onSelected is not None and self.current is not None:
            self.onSelected(self.current)
