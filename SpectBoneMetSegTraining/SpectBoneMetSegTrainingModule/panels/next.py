"""The panel's fourth section, active learning: unlabelled scans ranked, opened with the model's proposal."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.panel_texts import panelWords
from SpectBoneMetSegModule.problems import note, slot
from SpectBoneMetSegModule.status_lines import showText

from ..keyed_table import Rows
from ..panel_texts import scanName
from ..parameter_fields import modelItems, refill
from ..reading_module import openInReading
from ..requirements import ensureTrainingInstalled
from ..task_progress import LongCall

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import Values
    from SpectBoneMetSegModule.slicer_types import Ui

    from ..logic import SpectBoneMetSegTrainingLogic
    from ..parameter_fields import ParameterFields
    from .gather import GatherPanel


class NextPanel:
    """Ranks the unlabelled scans of the data set and opens them in the reading module."""

    def __init__(
        self, ui: Ui, logic: SpectBoneMetSegTrainingLogic, choices: ParameterFields, gather: GatherPanel
    ) -> None:
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            choices: the fields of the panel.
            gather: the section that adds a corrected scan to the data set.
        """
        self.ui, self.logic, self.choices, self.gather = ui, logic, choices, gather
        self.scans: dict[str, Values] = {}
        self.call = LongCall(ui.rankButton, ui.rankBar, ui.nextLabel)
        titles = [
            (_("Scan"), _("Its file, or the folder of its files")),
            (_("Uncertain"), _("Area in which the prediction is uncertain (entropy), both views together (cm²)")),
            (_("Novelty"), _("Distance from the labelled scans, 0 to 1")),
            (_("Reason"), ""),
        ]
        self.table: Rows[str] = Rows(ui.nextTable, titles, lambda case: self.updateButtons())
        choices.addSelector("ranker", ui.rankModelSelector)
        ui.rankButton.connect("clicked(bool)", self.onRank)
        ui.openButton.connect("clicked(bool)", self.onOpen)
        ui.addButton.connect("clicked(bool)", self.onAdd)
        self.fillModels()
        self.show([])

    def fillModels(self, chosen: str | None = None) -> None:
        """Update the list of models and select one; None keeps the selected one."""
        refill(self.ui.rankModelSelector, modelItems(), chosen)
        if self.choices.node is not None:
            self.choices.node.ranker = self.ui.rankModelSelector.currentData

    @slot
    def onRank(self, checked: bool = False) -> None:
        """Rank, or cancel."""
        if self.logic.runner.isRunning("rank"):
            self.logic.runner.cancel("rank")
            self.call.ended(_("Cancelled."))
            return
        node = self.choices.parameters
        try:
            ensureTrainingInstalled()
            arguments = {"data": node.dataset, "model": node.ranker}
            self.logic.call("rank", arguments, self.call.listener(self.ranked))
        except UserError as error:
            self.call.failed(error)
            return
        self.call.started(_("Loading the model..."))

    @slot
    def ranked(self, answer: Values) -> None:
        """Show the ranking."""
        if not answer["scans"]:
            showText(self.ui.nextLabel, _("The data set has no unlabelled scans."))
        self.show(answer["scans"])

    def show(self, scans: Iterable[Values]) -> None:
        """Show ranked scans."""
        self.scans = {scan["case"]: scan for scan in scans}
        self.table.show([(case, scanTexts(scan)) for case, scan in self.scans.items()])
        self.updateButtons()

    def updateButtons(self) -> None:
        """Enable the buttons that can be used now."""
        chosen = self.table.current is not None
        self.ui.openButton.enabled = chosen
        self.ui.addButton.enabled = chosen

    @property
    def selected(self) -> Values | None:
        """Return the selected scan, None without one."""
        case = self.table.current
        return self.scans[case] if case is not None else None

    @slot
    def onOpen(self, checked: bool = False) -> None:
        """Open the selected scan in the reading module and have the model outline it."""
        scan = self.selected
        if scan is None:
            return
        try:
            if not scan["files"]:
                raise UserError(_("The data set does not record the file of this scan; gather it again to open scans."))
            openInReading(scan["files"], self.choices.parameters.ranker, read=True)
        except UserError as error:
            text = panelWords(error)
            note(text)
            showText(self.ui.nextLabel, text)

    @slot
    def onAdd(self, checked: bool = False) -> None:
        """Add the outlines of the selected scan, in their current state, to the labelled set."""
        scan = self.selected
        if scan is None:
            return
        self.gather.scene.update()
        drawn = [label for label in self.gather.scene.labels if label.scan and label.scan.isOf(scan["files"])]
        if not drawn:
            showText(
                self.ui.nextLabel, _("This scan has no outlines in the scene yet: open it, and correct the proposal.")
            )
            return
        for label in drawn:
            self.gather.scene.tick(label.node)
        showText(self.ui.nextLabel, "")
        self.gather.gatherThen(lambda: None)

    @slot
    def collected(self, answer: Values) -> None:
        """Remove scans from the ranking that have labels now."""
        unlabelled = set(answer["unlabelled"])
        self.show([scan for case, scan in self.scans.items() if case in unlabelled])


def scanTexts(scan: Values) -> list[str]:
    """Return the table row of a ranked scan."""
    name: str = scanName(scan["files"]) if scan["files"] else scan["case"]
    return [name, f"{scan['unsure_cm2']:.1f}", f"{scan['novelty']:.2f}", scan["reason"]]
