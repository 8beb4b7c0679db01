"""Review without the mouse: buttons and keys for the next and the previous area, accept and reject."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import qt
import slicer
from SpectBoneMetSegLib.lesions.review import DECISIONS

from ..problems import slot
from .lesion_table import DECISION_COLUMN, LesionTable

if TYPE_CHECKING:
    from SpectBoneMetSegLib.lesions.results import Decision

    from ..slicer_types import Ui, Widget

NEXT, PREVIOUS, ACCEPT, REJECT = "Shift+Down", "Shift+Up", "Shift+A", "Shift+R"


class ReviewKeys:
    """Walks through a LesionTable and decides on its rows."""

    def __init__(self, ui: Ui, table: LesionTable, others: Mapping[str, Callable[[], None]]) -> None:
        """Take over the buttons of a panel.

        Args:
            ui: the panel's widgets.
            table: a LesionTable.
            others: {key: what it does} besides.
        """
        self.ui, self.table, self.others = ui, table, others
        self._keys: list[Widget] = []
        self.actions = {NEXT: self.onNext, PREVIOUS: self.onPrevious, ACCEPT: self.onAccept, REJECT: self.onReject}
        self.buttons = {
            NEXT: ui.nextButton,
            PREVIOUS: ui.previousButton,
            ACCEPT: ui.acceptButton,
            REJECT: ui.rejectButton,
        }
        for key, button in self.buttons.items():
            button.connect("clicked(bool)", self.actions[key])

    def install(self) -> None:
        """The panel is opened: its keys work in the whole window, wherever the mouse is."""
        self.uninstall()
        parent = slicer.util.mainWindow() or self.ui.lesionTable
        for key, action in {**self.actions, **self.others}.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), parent)
            shortcut.connect("activated()", action)
            self._keys.append(shortcut)

    def uninstall(self) -> None:
        """Another panel is opened."""
        for shortcut in self._keys:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._keys = []

    def update(self, enabled: bool) -> None:
        """There are areas to walk through, or none."""
        for button in self.buttons.values():
            button.enabled = enabled

    @slot
    def onNext(self, checked: bool = False) -> None:
        """Take the next area in hand."""
        self._go(1)

    @slot
    def onPrevious(self, checked: bool = False) -> None:
        """Take the area before in hand."""
        self._go(-1)

    @slot
    def onAccept(self, checked: bool = False) -> None:
        """Accept the area in hand and go on."""
        self._decide("accepted")

    @slot
    def onReject(self, checked: bool = False) -> None:
        """Reject the area in hand and go on."""
        self._decide("rejected")

    def _go(self, step: int) -> None:
        count = self.table.table.rowCount
        if count:
            row = self.table.current - 1 + step if self.table.current else (0 if step > 0 else count - 1)
            self.table.table.selectRow(row % count)

    def _decide(self, decision: Decision) -> None:
        if not self.table.table.rowCount:
            return
        if self.table.current is None:
            # The first one is shown before anything is said of it.
            self._go(1)
            return
        row = self.table.current - 1
        self._choice(row).setCurrentIndex(DECISIONS.index(decision))
        after = [*range(row + 1, self.table.table.rowCount), *range(row)]
        waiting = [other for other in after if self._choice(other).currentIndex == DECISIONS.index("open")]
        if waiting:
            self.table.table.selectRow(waiting[0])

    def _choice(self, row: int) -> Widget:
        return self.table.table.cellWidget(row, DECISION_COLUMN)
