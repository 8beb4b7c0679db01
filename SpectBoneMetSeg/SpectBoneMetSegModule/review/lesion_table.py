"""The table of a reading's lesions, with the physician's decision on each."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegLib.lesions.naming import LESION_NAME
from SpectBoneMetSegLib.lesions.review import CLASSIFICATIONS, DECISIONS, Review

from ..problems import slot
from .tables import prepareTable

if TYPE_CHECKING:
    from SpectBoneMetSegLib.lesions.results import Lesion
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.quantification.results import BoneShare

    from ..slicer_types import Widget

DECISION_COLUMN, CLASSIFICATION_COLUMN, BONE_COLUMN = 2, 3, 4


class LesionTable:
    """Fills a QTableWidget; a row per lesion, head to foot."""

    def __init__(
        self, table: Widget, onSelected: Callable[[int], None], onReviewed: Callable[[int, Review], None]
    ) -> None:
        """Take over a table.

        Args:
            table: a QTableWidget.
            onSelected: called with the ID of a lesion whose row the user selects.
            onReviewed: called with the ID of a lesion and its new Review.
        """
        self.table, self.onSelected, self.onReviewed = table, onSelected, onReviewed
        self.filling = False
        #: What the rows show: only what differs is written, which is what a move of a slider waits for.
        self._shown: list[dict[int, tuple[Any, ...]]] = []
        titles = [
            (_("Name"), _("The name of the segment, as in the Segment Editor")),
            (_("cm²"), _("Area of both views together")),
            (_("Decision"), _("Rejected areas are in no saved mask; they stay in the table")),
            (_("Class"), _("The physician's classification")),
            (_("Bone"), _("The bone with most of the area; the others when the pointer rests on it")),
            (
                _("Prob."),
                _("Probability that it is abnormal uptake; of a model without calibration, the maximum over pixels"),
            ),
            (_("Contrast"), _("Mean counts inside divided by mean counts around, of the view where it is hottest")),
            (_("Max."), _("Maximum counts in a pixel, in that view")),
            (_("Seen in"), _("The views whose probability reaches the threshold")),
            (_("Outline"), _("By the model, or edited manually: then the sliders do not change it")),
        ]
        prepareTable(table, titles)
        table.setMinimumHeight(200)
        table.resizeColumnsToContents()
        table.connect("itemSelectionChanged()", self._selected)

    def show(self, live: LiveReading | None) -> None:
        """Show the lesions of a LiveReading, none for None."""
        self.filling = True
        lesions = live.reading.lesions if live else ()
        known = self.table.rowCount
        self.table.setRowCount(len(lesions))
        self._shown = [*self._shown[: len(lesions)], *({} for _row in range(known, len(lesions)))]
        for row in range(known, len(lesions)):
            self._addChoices(row)
        if live is not None:
            edited = live.edited_lesions()
            for row, lesion in enumerate(lesions):
                self._fill(row, lesion, live, lesion.id in edited)
        self.table.resizeColumnsToContents()
        self.filling = False

    @property
    def current(self) -> int | None:
        """The lesion whose row is selected, None without one."""
        row = self.table.currentRow()
        return row + 1 if row >= 0 else None

    def select(self, lesion: int | None) -> None:
        """Select a lesion's row as if the user had not; none for None."""
        self.filling = True
        if lesion is None:
            self.table.setCurrentCell(-1, -1)
            self.table.clearSelection()
        else:
            self.table.selectRow(lesion - 1)
        self.filling = False

    def _fill(self, row: int, lesion: Lesion, live: LiveReading, byHand: bool) -> None:
        seen = {"anterior": _("anterior"), "posterior": _("posterior"), "both": _("both")}
        strongest = max(lesion.views.values(), key=lambda measured: measured.max_counts)
        bones = live.bones_of(lesion.id)
        texts = {
            # The section says what they all are; a name of the user's own is shown whole.
            0: live.name_of(lesion.id).removeprefix(f"{LESION_NAME} "),
            1: f"{lesion.area_mm2 / 100:.2f}",
            BONE_COLUMN: mainBone(bones),
            5: f"{lesion.max_probability if lesion.confidence is None else lesion.confidence:.2f}",
            6: f"{strongest.contrast:.1f}",
            7: f"{strongest.max_counts:.0f}",
            8: seen[lesion.seen_in],
            9: _("edited") if byHand else _("model"),
        }
        color = tuple(round(255 * part) for part in live.color_of(lesion.id))
        hints = {BONE_COLUMN: bonesText(bones)}
        for column, text in texts.items():
            wanted = (text, color) if column == 0 else (text, hints.get(column, ""))
            if self._shown[row].get(column) == wanted:
                continue
            self._shown[row][column] = wanted
            item = qt.QTableWidgetItem(text)
            if column == 0:
                item.setData(qt.Qt.DecorationRole, qt.QColor(*color))
            item.setToolTip(hints.get(column, ""))
            self.table.setItem(row, column, item)
        review = live.review(lesion.id)
        self.table.cellWidget(row, DECISION_COLUMN).setCurrentIndex(DECISIONS.index(review.decision))
        self.table.cellWidget(row, CLASSIFICATION_COLUMN).setCurrentIndex(CLASSIFICATIONS.index(review.classification))

    def _addChoices(self, row: int) -> None:
        decisions = [_("open"), _("accepted"), _("rejected")]
        classifications = ["-", _("benign"), _("equivocal"), _("malignant")]
        for column, texts in ((DECISION_COLUMN, decisions), (CLASSIFICATION_COLUMN, classifications)):
            choice = qt.QComboBox()
            for text in texts:
                choice.addItem(text)
            choice.connect("currentIndexChanged(int)", lambda index, row=row: self._reviewed(row))
            self.table.setCellWidget(row, column, choice)

    @slot
    def _reviewed(self, row: int) -> None:
        if self.filling:
            return
        decision = DECISIONS[self.table.cellWidget(row, DECISION_COLUMN).currentIndex]
        classification = CLASSIFICATIONS[self.table.cellWidget(row, CLASSIFICATION_COLUMN).currentIndex]
        self.onReviewed(row + 1, Review(decision, classification))

    @slot
    def _selected(self) -> None:
        row = self.table.currentRow()
        if not self.filling and row >= 0:
            self.onSelected(row + 1)


def mainBone(bones: Sequence[BoneShare]) -> str:
    """The bone with most of a lesion, with its share and the number of others; "" where none is known."""
    if len(bones) < 2:
        return bonesText(bones)
    most = max(bones, key=lambda each: each.share)
    return f"{most.region.title} {round(100 * most.share)} % +{len(bones) - 1}"


def bonesText(bones: Sequence[BoneShare]) -> str:
    """The bones of a lesion in a few words; "" where none is known."""
    if len(bones) == 1:
        return bones[0].region.title
    return ", ".join(f"{each.region.title} {round(100 * each.share)} %" for each in bones)
