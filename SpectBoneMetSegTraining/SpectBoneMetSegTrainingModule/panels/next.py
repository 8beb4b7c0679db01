"""The panel's fourth section: active learning: unlabelled scans ranked, opened with the model's proposal."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.panel_texts import panelWords
from SpectBoneMetSegModule.problems import note, slot

from ..keyed_table import Rows
from ..panel_texts import scanName
from ..parameter_fields import modelItems, refill
from ..requirements import ensureTrainingInstalled
from ..task_progress import LongCall


class NextPanel:
    """Ranks the unlabelled scans of the data set and opens them in the reading module."""

    def __init__(self, ui, logic, choices, teach):
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            choices: the Choices of the panel.
            teach: the TeachPanel that a corrected scan is added to.
        """
        self.ui, self.logic, self.choices, self.teach = ui, logic, choices, teach
        self.scans = {}
        self.call = LongCall(ui.rankButton, ui.rankBar, ui.nextLabel)
        titles = [
            (_("Scan"), _("Its file, or the folder of its files")),
            (_("Uncertain"), _("Area in which the prediction is uncertain (entropy), both views together (cm²)")),
            (_("Novelty"), _("Distance from the labelled scans, 0 to 1")),
            (_("Reason"), ""),
        ]
        self.table = Rows(ui.nextTable, titles, lambda case: self.updateButtons())
        choices.addSelector("ranker", ui.rankModelSelector)
        ui.rankButton.connect("clicked(bool)", self.onRank)
        ui.openButton.connect("clicked(bool)", self.onOpen)
        ui.addButton.connect("clicked(bool)", self.onAdd)
        self.fillModels()
        self.show([])

    def fillModels(self, chosen=None):
        """The models there are now; the one chosen stays, unless another is named."""
        refill(self.ui.rankModelSelector, modelItems(), chosen)
        if self.choices.node is not None:
            self.choices.node.ranker = self.ui.rankModelSelector.currentData

    @slot
    def onRank(self, checked=False):
        """Rank, or break it off."""
        if self.logic.runner.isRunning("rank"):
            self.logic.runner.cancel("rank")
            self.call.ended(_("Cancelled."))
            return
        node = self.choices.node
        try:
            ensureTrainingInstalled()
            arguments = {"data": node.dataset, "model": node.ranker}
            self.logic.call("rank", arguments, self.call.listener(self.ranked))
        except UserError as error:
            self.call.failed(error)
            return
        self.call.started(_("Loading the model..."))

    @slot
    def ranked(self, answer):
        """Show the order."""
        if not answer["scans"]:
            self.ui.nextLabel.text = _("The data set has no unlabelled scans.")
        self.show(answer["scans"])

    def show(self, scans):
        """Show ranked scans."""
        self.scans = {scan["case"]: scan for scan in scans}
        self.table.show([(scan["case"], scanTexts(scan)) for scan in scans])
        self.updateButtons()

    def updateButtons(self):
        """Enable the buttons that can be used now."""
        chosen = self.table.current is not None
        self.ui.openButton.enabled = chosen
        self.ui.addButton.enabled = chosen

    @slot
    def onOpen(self, checked=False):
        """Open the chosen scan in the reading module and have the model outline it."""
        scan = self.scans[self.table.current]
        try:
            if not scan["files"]:
                raise UserError(_("The data set does not record the file of this scan; gather it again to open scans."))
            self.logic.openInReading(scan["files"], self.choices.node.ranker, read=True)
        except UserError as error:
            words = panelWords(error)
            note(words)
            self.ui.nextLabel.text = words

    @slot
    def onAdd(self, checked=False):
        """Add the outlines of the chosen scan, in their current state, to the labelled set."""
        scan = self.scans[self.table.current]
        self.teach.scene.update()
        drawn = [label for label in self.teach.scene.labels if label.scan and label.scan.isOf(scan["files"])]
        if not drawn:
            self.ui.nextLabel.text = _("This scan has no outlines in the scene yet: open it, and correct the proposal.")
            return
        for label in drawn:
            self.teach.scene.tick(label.node)
        self.ui.nextLabel.text = ""
        self.teach.onGather()

    @slot
    def collected(self, answer):
        """Scans that have labels now need none."""
        unlabelled = set(answer["unlabelled"])
        self.show([scan for case, scan in self.scans.items() if case in unlabelled])


def scanTexts(scan):
    """The row of a ranked scan."""
    name = scanName(scan["files"]) if scan["files"] else scan["case"]
    return [name, f"{scan['unsure_cm2']:.1f}", f"{scan['novelty']:.2f}", scan["reason"]]
