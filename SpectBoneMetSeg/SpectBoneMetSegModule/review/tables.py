"""Tables of the modules' panels."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import qt

if TYPE_CHECKING:
    from ..slicer_types import Widget


def prepareTable(table: Widget, titles: Sequence[tuple[str, str]]) -> None:
    """Give a QTableWidget its columns; rows are selected whole, one at a time.

    Args:
        table: the table.
        titles: [(title, what it means)] of the columns.
    """
    table.setColumnCount(len(titles))
    table.setHorizontalHeaderLabels([title for title, meaning in titles])
    for column, (_title, meaning) in enumerate(titles):
        table.horizontalHeaderItem(column).setToolTip(meaning)
    table.verticalHeader().setVisible(False)
    table.horizontalHeader().setHighlightSections(False)
    table.horizontalHeader().setStretchLastSection(True)
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
