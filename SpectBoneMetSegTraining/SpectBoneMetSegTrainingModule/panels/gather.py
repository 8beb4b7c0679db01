"""The panel's first section: the training data set, what was found, and the readers' agreement."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.problems import slot
from SpectBoneMetSegModule.status_lines import showText

from ..keyed_table import Rows
from ..labels.collector import Sources
from ..labels.folder_list import FolderList
from ..labels.scene_table import SceneTable
from ..panel_texts import scanName
from ..pictures import showFile
from ..reading_module import openInReading
from ..requirements import ensureCollectingInstalled
from ..task_progress import LongCall

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import Values
    from SpectBoneMetSegModule.slicer_types import Ui

    from ..logic import SpectBoneMetSegTrainingLogic
    from ..parameter_fields import ParameterFields
    from ..parameter_node import SpectBoneMetSegTrainingParameterNode


class GatherPanel:
    """Collects labelled and unlabelled scans into the training data set."""

    def __init__(
        self,
        ui: Ui,
        logic: SpectBoneMetSegTrainingLogic,
        choices: ParameterFields,
        showMessage: Callable[[str | UserError], object],
    ) -> None:
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            choices: the fields of the panel.
            showMessage: called with a message or an error for the user.
        """
        self.ui, self.logic, self.choices, self.showMessage = ui, logic, choices, showMessage
        self.onCollected: Callable[[Values], object] | None = None
        self._then: Callable[[], object] | None = None
        self.agreement: list[Values] = []
        self.call = LongCall(ui.gatherButton, ui.gatherBar, ui.gatherLabel)
        self.scene = SceneTable(ui.sceneTable)
        self.labelled = FolderList("labelledFolders", ui.labelledList, ui.labelledAddButton, ui.labelledRemoveButton)
        self.unlabelled = FolderList(
            "unlabelledFolders", ui.unlabelledList, ui.unlabelledAddButton, ui.unlabelledRemoveButton
        )
        choices.addPath("dataset", ui.datasetPath)
        choices.addNumber("testShare", ui.testShareBox)
        self.leftOut: Rows[int] = Rows(ui.leftOutTable, [(_("What"), _("File or node")), (_("Why"), "")])
        titles = [
            (_("Scan"), _("Its file, or the folder of its files")),
            (_("Image"), _("The view, or both together")),
            (_("Readers"), ""),
            (_("Difference"), _("Of the two areas (Eq. 2); more than 5 % is to be outlined again")),
            (_("DSC"), _("Of the two readers")),
        ]
        self.readers: Rows[int] = Rows(ui.readersTable, titles, self.showPair)
        ui.gatherButton.connect("clicked(bool)", self.onGather)
        ui.annotateAgainButton.connect("clicked(bool)", self.onAnnotateAgain)
        self.show({"text": "", "left_out": [], "noted": [], "agreement": [], "limit": 0.0})

    def enter(self, node: SpectBoneMetSegTrainingParameterNode) -> None:
        """Show the current contents of the scene and of its parameter node."""
        self.labelled.show(node)
        self.unlabelled.show(node)
        if not node.dataset:
            node.dataset = self.logic.defaultDataset()
            self.choices.show(node)
        self.scene.update()

    def gatherThen(self, then: Callable[[], object]) -> None:
        """Collect the ticked outlines and the listed folders, then call `then`; without any, call it at once."""
        if not (self.scene.ticked() or self.labelled.folders or self.unlabelled.folders):
            then()
        elif self.logic.collector.busy:
            self.showMessage(_("Scans are being gathered: wait until that is done, or cancel it."))
        else:
            self._collect(then)

    @slot
    def onGather(self, checked: bool = False) -> None:
        """Collect, or cancel."""
        if self.logic.collector.busy:
            self._then = None
            self.logic.collector.cancel()
            self.call.ended(_("Cancelled. What was written is kept, and gathering resumes from there."))
            return
        self._collect(None)

    def _collect(self, then: Callable[[], object] | None) -> None:
        """Collect the ticked outlines and the listed folders; `then` is called after this collecting only."""
        self._then = then
        try:
            ensureCollectingInstalled()
            folders = self.labelled.folders, self.unlabelled.folders
            listener = self.call.listener(self.collected)
            node = self.choices.parameters
            sources = Sources(node.dataset, self.scene.ticked(), *folders, node.testShare / 100 or None)
            self.logic.collect(sources, listener)
        except UserError as error:
            self._then = None
            self.showMessage(error)
            return
        self.showMessage("")
        self.call.started(_("Looking through the folders..."))

    @slot
    def collected(self, answer: Values) -> None:
        """Show the result of collecting."""
        self.show(answer)
        if self.onCollected is not None:
            self.onCollected(answer)
        then, self._then = self._then, None
        if then is not None:
            then()

    def show(self, answer: Values) -> None:
        """Show the summary, what was left out, and the readers."""
        showText(self.ui.gatherLabel, answer["text"])
        left, noted = answer["left_out"], answer["noted"]
        rows = enumerate([*left, *noted])
        self.leftOut.show([(number, [os.path.basename(source), reason]) for number, (source, reason) in rows])
        title = _("Left out: {left}, used with a note: {noted}").format(left=len(left), noted=len(noted))
        self.ui.leftOutFold.title = title
        self.agreement = sorted(answer["agreement"], key=lambda pair: -pair["difference"])
        self.readers.show([(number, pairTexts(pair)) for number, pair in enumerate(self.agreement)])
        again = {pair["case"] for pair in self.agreement if pair["difference"] > answer["limit"]}
        showText(self.ui.readersLabel, agreementText({pair["case"] for pair in self.agreement}, again, answer["limit"]))
        self.ui.readersPicture.clear()
        self.ui.annotateAgainButton.enabled = False

    @slot
    def showPair(self, number: int) -> None:
        """Show the outlines of two readers overlaid."""
        pair = self.agreement[number]
        self.ui.readersPicture.clear()
        if pair["picture"]:
            showFile(self.ui.readersPicture, pair["picture"])
        self.ui.annotateAgainButton.enabled = True

    @slot
    def onAnnotateAgain(self, checked: bool = False) -> None:
        """Open the scan of the selected pair in the reading module."""
        number = self.readers.current
        if number is None:
            return
        files = self.agreement[number]["files"]
        try:
            if not os.path.exists(files[0]):
                raise UserError(_("{scan} is in this scene, or its file was moved.").format(scan=files[0]))
            openInReading(files)
        except UserError as error:
            self.showMessage(error)


def pairTexts(pair: Values) -> list[str]:
    """Return the table row of two readers of one image."""
    images = {"anterior": _("anterior"), "posterior": _("posterior"), "union": _("both views")}
    both = _("{first} and {second}").format(first=pair["first"], second=pair["second"])
    difference = f"{100 * pair['difference']:.0f} %"
    return [scanName(pair["files"]), images[pair["image"]], both, difference, f"{pair['dice']:.2f}"]


def agreementText(cases: Collection[str], again: Collection[str], limit: float) -> str:
    """Return the summary of the readers' agreement.

    Args:
        cases: cases with several readers.
        again: those of them whose readers differ by more than the limit.
        limit: largest area difference of readers who agree, as a share.
    """
    if not cases:
        return _("No scan has outlines of several readers.")
    text = _("{again} of {all} scans with several readers differ by more than {limit:.0f} %: outline these again.")
    return text.format(again=len(again), all=len(cases), limit=100 * limit)
