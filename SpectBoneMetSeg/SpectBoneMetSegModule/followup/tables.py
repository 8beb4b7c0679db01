"""The tables of a comparison: the change of every lesion, and the burden of every scan."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.dates import format_date
from SpectBoneMetSegLib.followup.picture import COLORS

from ..problems import slot
from ..review.tables import prepareTable

if TYPE_CHECKING:
    from SpectBoneMetSegLib.followup.results import Change
    from SpectBoneMetSegLib.followup.side_by_side import Burden, LesionPair

    from ..slicer_types import Widget

#: More rows than these are scrolled to; height of a header that was not drawn yet.
MOST_ROWS, HEADER = 9, 22
#: The states in the order of the legend; each is named, the colour is beside the word.
STATES: tuple[Change, ...] = ("new", "grown", "stable", "smaller", "gone", "unclear")


def stateWords(change: Change) -> str:
    """Return the state of a lesion as a text."""
    return {
        "first": _("first seen"),
        "new": _("new"),
        "grown": _("grown"),
        "stable": _("stable"),
        "smaller": _("smaller"),
        "gone": _("gone"),
        "absent": "-",
        "unclear": _("unclear"),
    }[change]


def reviewWords(state: str) -> str:
    """Return who reviewed a scan's figures."""
    words = {"not reviewed": _("not reviewed"), "partly reviewed": _("partly reviewed"), "reviewed": _("reviewed")}
    return words.get(state, state)


def legendText(rows: Sequence[LesionPair]) -> str:
    """Return the number of lesions in each state, each after a dot of its colour, as rich text."""
    parts = []
    for state in STATES:
        count = sum(row.change == state for row in rows)
        red, green, blue = COLORS[state]
        parts.append(f'<span style="color: rgb({red}, {green}, {blue})">&#9679;</span> {count} {stateWords(state)}')
    return " &nbsp; ".join(parts)


class LesionRows:
    """Fills the QTableWidget of matched lesions, head to foot."""

    def __init__(self, table: Widget, onChosen: Callable[[LesionPair], None]) -> None:
        """Take over a table; `onChosen` is called with the Row that the user selects."""
        self.table, self.onChosen = table, onChosen
        self.rows: Sequence[LesionPair] = ()
        self.filling = False
        titles = [
            (_("No."), _("As in the views, head to foot")),
            (_("Change"), _("From the earlier scan to the later one; unclear where one of them lacks the view")),
            (_("Earlier cm²"), _("Area of both views together")),
            (_("Later cm²"), _("Area of both views together")),
            (_("Uptake"), _("Total uptake of the lesion, earlier and later, in mean counts of the scan's bones")),
            (_("Bone"), _("Where most of it lies")),
        ]
        prepareTable(table, titles)
        table.connect("itemSelectionChanged()", self.selected)

    def show(self, rows: Sequence[LesionPair]) -> None:
        """Show the Rows of a comparison."""
        self.filling = True
        self.rows = rows
        self.table.clearSelection()
        self.table.setRowCount(len(rows))
        for place, row in enumerate(rows):
            texts = (
                str(row.number),
                stateWords(row.change),
                areaText(row.earlier_mm2),
                areaText(row.later_mm2),
                f"{uptakeText(row.earlier_mm2, row.earlier_uptake)} → {uptakeText(row.later_mm2, row.later_uptake)}",
                row.bone or "-",
            )
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                if column == 1:
                    item.setData(qt.Qt.DecorationRole, qt.QColor(*COLORS[row.change]))
                self.table.setItem(place, column, item)
        fitHeight(self.table)
        self.filling = False

    @slot
    def selected(self) -> None:
        """The user selected a row."""
        place = self.table.currentRow()
        if not self.filling and 0 <= place < len(self.rows):
            self.onChosen(self.rows[place])


def showBurdens(table: Widget, burdens: Sequence[Burden]) -> None:
    """Fill the QTableWidget of what counts in every scan, in the order of time."""
    titles = [
        (_("Date"), _("Date of the study, from the scan's header")),
        (_("Scan"), _("Its case")),
        (_("Areas"), _("Lesions included: on bone, and neither rejected nor benign")),
        (_("cm²"), _("Total area of the lesions included")),
        (_("Index %"), _("Planar bone scan index; where it is not computable, the tooltip says why and what to do")),
        (_("Review"), _("Whether a physician decided on the areas")),
    ]
    prepareTable(table, titles)
    table.setRowCount(len(burdens))
    for place, burden in enumerate(burdens):
        index = _("not computable") if burden.index_percent is None else f"{burden.index_percent:.2f}"
        texts = (
            format_date(burden.date) or "-",
            burden.name,
            str(burden.lesions),
            f"{burden.area_mm2 / 100:.1f}",
            index,
            reviewWords(burden.review),
        )
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            if column == 4 and burden.reason:
                item.setToolTip(burden.reason)
            table.setItem(place, column, item)
    fitHeight(table)


def fitHeight(table: Widget) -> None:
    """Narrow columns and rows; as high as its rows need, up to MOST_ROWS of them."""
    table.resizeColumnsToContents()
    table.resizeRowsToContents()
    rows = [table.rowHeight(place) for place in range(min(table.rowCount, MOST_ROWS))]
    frame = 2 * table.frameWidth
    table.setFixedHeight(max(table.horizontalHeader().height, HEADER) + sum(rows) + frame + 2)


def areaText(area: float) -> str:
    """An area in cm², empty for a lesion that is not seen."""
    return f"{area / 100:.1f}" if area else ""


def uptakeText(area: float, uptake: float) -> str:
    """An uptake, a dash for a lesion that is not seen."""
    return f"{uptake:.0f}" if area else "-"
