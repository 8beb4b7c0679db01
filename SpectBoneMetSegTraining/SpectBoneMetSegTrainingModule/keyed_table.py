"""Rows of texts in a table widget, one of them selected."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import qt
from SpectBoneMetSegModule.problems import slot
from SpectBoneMetSegModule.review.tables import prepareTable

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Widget

Key = TypeVar("Key", bound=Hashable)

ROW_PIXELS, HEADER_PIXELS = 30, 28


class Rows(Generic[Key]):
    """Fills a QTableWidget; every row has a key by which the panel knows it."""

    def __init__(
        self,
        table: Widget,
        titles: Sequence[tuple[str, str]],
        onSelected: Callable[[Key], object] | None = None,
        mostRows: int = 6,
    ) -> None:
        """Take over a table.

        Args:
            table: a QTableWidget.
            titles: [(title, what it means)] of the columns.
            onSelected: called with the key of the row that the user selects.
            mostRows: more are scrolled.
        """
        self.table, self.onSelected, self.mostRows = table, onSelected, mostRows
        self.filling = False
        self.keys: list[Key] = []
        prepareTable(table, titles)
        table.setWordWrap(False)
        table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        table.connect("itemSelectionChanged()", self._selected)
        self.show([])

    def show(self, rows: Sequence[tuple[Key, Sequence[str]]]) -> None:
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
    def current(self) -> Key | None:
        """Return the key of the selected row, None without one."""
        row: int = self.table.currentRow()
        return self.keys[row] if 0 <= row < len(self.keys) else None

    def select(self, key: Key | None) -> None:
        """Select a row without a signal; none for None or a key that does not exist."""
        self.filling = True
        if key is not None and key in self.keys:
            self.table.selectRow(self.keys.index(key))
        else:
            self.table.setCurrentCell(-1, -1)
        self.filling = False

    def _put(self, row: int, column: int, text: str) -> None:
        item = self.table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem(text)
            self.table.setItem(row, column, item)
        if item.text() != text:
            item.setText(text)
        # The panel is narrow: the tooltip shows a text that is cut off.
        item.setToolTip(text)

    @slot
    def _selected(self) -> None:
        key = self.current
        if not self.filling and self.onSelected is not None and key is not None:
            self.onSelected(key)
