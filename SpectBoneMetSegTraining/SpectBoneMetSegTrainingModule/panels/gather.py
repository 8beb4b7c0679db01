"""The panel's first section: the training data set, what was found, and the readers' agreement."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import os

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.problems import slot

from ..keyed_table import Rows
from ..labels.folder_list import FolderList
from ..labels.scene_table import SceneTable
from ..panel_texts import scanName
from ..pictures import showFile
from ..requirements import ensureCollectingInstalled
from ..task_progress import LongCall


class TeachPanel:
    """Collects labelled and unlabelled scans into the training data set."""

    def __init__(self, ui, logic, choices, say):
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            choices: the Choices of the panel.
            say: called with a sentence for the user.
        """
        self.ui, self.logic, self.choices, self.say = ui, logic, choices, say
        self.onCollected = self._then = None
        self.agreement = []
        self.call = LongCall(ui.gatherButton, ui.gatherBar, ui.gatherLabel)
        self.scene = SceneTable(ui.sceneTable)
        self.labelled = FolderList("labelledFolders", ui.labelledList, ui.labelledAddButton, ui.labelledRemoveButton)
        self.unlabelled = FolderList(
            "unlabelledFolders", ui.unlabelledList, ui.unlabelledAddButton, ui.unlabelledRemoveButton
        )
        choices.addPath("dataset", ui.datasetPath)
        choices.addNumber("testShare", ui.testShareBox)
        self.leftOut = Rows(ui.leftOutTable, [(_("What"), _("File or node")), (_("Why"), "")])
        titles = [
            (_("Scan"), _("Its file, or the folder of its files")),
            (_("Image"), _("The view, or both together")),
            (_("Readers"), ""),
            (_("Difference"), _("Of the two areas (Eq. 2); more than 5 % is to be outlined again")),
            (_("DSC"), _("Of the two readers")),
        ]
        self.readers = Rows(ui.readersTable, titles, self.showPair)
        ui.gatherButton.connect("clicked(bool)", self.onGather)
        ui.annotateAgainButton.connect("clicked(bool)", self.onAnnotateAgain)
        self.show({"text": "", "left_out": [], "noted": [], "agreement": [], "limit": 0.0})

    def enter(self, node):
        """Show what the scene and its parameter node hold now."""
        self.labelled.show(node)
        self.unlabelled.show(node)
        if not node.dataset:
            node.dataset = self.logic.defaultDataset()
            self.choices.show(node)
        self.scene.update()

    def gatherThen(self, then):
        """Collect what is ticked and named, then call `then`; where nothing is, what was collected before is meant."""
        if not (self.scene.ticked() or self.labelled.folders or self.unlabelled.folders):
            then()
        elif self.logic.collector.busy:
            self.say(_("Scans are being gathered: wait until that is done, or cancel it."))
        else:
            self._collect(then)

    @slot
    def onGather(self, checked=False):
        """Collect, or cancel."""
        if self.logic.collector.busy:
            self._then = None
            self.logic.collector.cancel()
            self.call.ended(_("Cancelled. What was written is kept, and gathering resumes from there."))
            return
        self._collect(None)

    def _collect(self, then):
        """Collect what is ticked and named; `then` is called after this collecting, and after no other."""
        self._then = then
        try:
            ensureCollectingInstalled()
            folders = self.labelled.folders, self.unlabelled.folders
            listener = self.call.listener(self.collected)
            node = self.choices.node
            self.logic.collect(node.dataset, self.scene.ticked(), *folders, listener, node.testShare / 100 or None)
        except UserError as error:
            self._then = None
            self.say(error)
            return
        self.say("")
        self.call.started(_("Looking through the folders..."))

    @slot
    def collected(self, answer):
        """Show the result."""
        self.show(answer)
        if self.onCollected is not None:
            self.onCollected(answer)
        then, self._then = self._then, None
        if then is not None:
            then()

    def show(self, answer):
        """Show the summary, what was left out, and the readers."""
        self.ui.gatherLabel.text = answer["text"]
        left, noted = answer["left_out"], answer["noted"]
        told = [*left, *noted]
        self.leftOut.show([(number, [os.path.basename(what), why]) for number, (what, why) in enumerate(told)])
        title = _("Left out: {left}, taken with a note: {noted}").format(left=len(left), noted=len(noted))
        self.ui.leftOutFold.title = title
        self.agreement = sorted(answer["agreement"], key=lambda pair: -pair["difference"])
        self.readers.show([(number, pairTexts(pair)) for number, pair in enumerate(self.agreement)])
        again = {pair["case"] for pair in self.agreement if pair["difference"] > answer["limit"]}
        self.ui.readersLabel.text = agreementText({pair["case"] for pair in self.agreement}, again, answer["limit"])
        self.ui.readersPicture.clear()
        self.ui.annotateAgainButton.enabled = False

    @slot
    def showPair(self, number):
        """Show the outlines of two readers overlaid."""
        pair = self.agreement[number]
        self.ui.readersPicture.clear()
        if pair["picture"]:
            showFile(self.ui.readersPicture, pair["picture"])
        self.ui.annotateAgainButton.enabled = True

    @slot
    def onAnnotateAgain(self, checked=False):
        """Open the scan of the chosen pair in the reading module."""
        files = self.agreement[self.readers.current]["files"]
        try:
            if not os.path.exists(files[0]):
                raise UserError(_("{scan} is in this scene, or its file was moved.").format(scan=files[0]))
            self.logic.openInReading(files)
        except UserError as error:
            self.say(error)


def pairTexts(pair):
    """The row of two readers on one image."""
    images = {"anterior": _("anterior"), "posterior": _("posterior"), "union": _("both views")}
    both = _("{first} and {second}").format(first=pair["first"], second=pair["second"])
    difference = f"{100 * pair['difference']:.0f} %"
    return [scanName(pair["files"]), images[pair["image"]], both, difference, f"{pair['dice']:.2f}"]


def agreementText(cases, again, limit):
    """Return the summary of the readers' agreement."""
    if not cases:
        return _("No scan has outlines of several readers.")
    text = _("{again} of {all} scans with several readers differ by more than {limit:.0f} %: outline these again.")
    return text.format(again=len(again), all=len(cases), limit=100 * limit)
