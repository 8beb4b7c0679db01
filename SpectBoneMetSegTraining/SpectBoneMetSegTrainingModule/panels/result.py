"""The panel's third section: the new model compared with its parent model; install or export it."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from pathlib import Path

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.panel_texts import panelWords
from SpectBoneMetSegModule.problems import note, slot

from ..keyed_table import Rows
from ..panel_texts import signed


class ResultPanel:
    """Shows the finished model of the selected training."""

    def __init__(self, ui, logic, onUsed):
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            onUsed: called with the name of a model that the reading module has from now on.
        """
        self.ui, self.logic, self.onUsed = ui, logic, onUsed
        self.model = self.page = None
        titles = [
            (_("On the validation scans"), _("The same patients for both models")),
            (_("New model"), ""),
            (_("Parent"), _("The parent model, with which it is compared")),
            (_("Difference"), _("With its 95 % interval over patients")),
        ]
        self.table = Rows(ui.resultTable, titles)
        ui.useButton.connect("clicked(bool)", self.onUse)
        ui.exportButton.connect("clicked(bool)", self.onExport)
        ui.importButton.connect("clicked(bool)", self.onImport)
        ui.resultPageButton.connect("clicked(bool)", self.onPage)
        self.show(None)

    def show(self, folder, page=None, verdict=""):
        """Show the model in a folder; none for None.

        Args:
            folder: of the model.
            page: of an adaptation, None without.
            verdict: its sentence.
        """
        from SpectBoneMetSegLib.model.store import read_model
        from SpectBoneMetSegTrainingLib.training.outcome.promotion import comparison_of

        self.model, comparison = None, None
        self.ui.resultLabel.text = ""
        self.ui.verdictLabel.text = _("This training has no model yet.")
        if folder is not None:
            try:
                self.model = read_model(folder)
            except UserError as error:
                self.ui.verdictLabel.text = panelWords(error)
        if self.model is not None:
            comparison = comparison_of(self.model)
            self.ui.verdictLabel.text = verdict if page is not None else self.verdict(comparison)
        self.table.show(comparisonRows(comparison))
        for widget in (self.ui.useButton, self.ui.exportButton, self.ui.useNameEdit):
            widget.enabled = self.model is not None
        self.ui.useNameEdit.text = self.model.card.name if self.model is not None else ""
        self.page = page
        self.ui.resultPageButton.visible = self.ui.resultPageButton.enabled = page is not None
        # Of an adaptation the model before counts until something shows that the new one is as good.
        against = ("worse",) if page is None else ("worse", "undecided")
        worse = comparison is not None and comparison.verdict in against
        self.ui.useButton.text = _("Use it anyway") if worse else _("Use this model")

    def verdict(self, comparison):
        """Return the verdict on the new model as text."""
        name = self.model.card.name
        if comparison is None:
            return _("{name} is ready. It could not be compared: no patients were held out.").format(name=name)
        words = {
            "better": _("{name} is better than {parent}."),
            "not worse": _("{name} is not worse than {parent}."),
            "worse": _("{name} is worse than {parent}; it does not replace it automatically."),
            "undecided": _("There are too few patients to distinguish {name} from {parent}."),
        }
        return words[comparison.verdict].format(name=name, parent=comparison.parent)

    @slot
    def onUse(self, checked=False):
        """Put the model on the reading module's list."""
        worse = self.ui.useButton.text == _("Use it anyway")
        try:
            name = self.logic.use(self.model.path, self.ui.useNameEdit.text, worse)
        except UserError as error:
            words = panelWords(error)
            note(words)
            self.ui.resultLabel.text = words
            return
        self.ui.resultLabel.text = _("{name} is in the reading module's list and chosen there.").format(name=name)
        self.onUsed(name)

    @slot
    def onPage(self, checked=False):
        """Show the page of the adaptation in the browser."""
        self.logic.openPage(self.page)

    @slot
    def onExport(self, checked=False):
        """Ask for a file and write the model to it."""
        from SpectBoneMetSegLib.model.archive import MODEL_SUFFIX

        suggestion = str(Path.home() / f"{self.model.card.name}{MODEL_SUFFIX}")
        file = qt.QFileDialog.getSaveFileName(None, _("Export the model"), suggestion, _("Models (*.zip)"))
        self.exportTo(chosen(file))

    @slot
    def exportTo(self, file):
        """Write the model as one file; nothing for no file."""
        if file:
            self._say(lambda: _("Written to {file}.").format(file=self.logic.exportModel(self.model.path, file)))

    @slot
    def onImport(self, checked=False):
        """Ask for a file and take the model in it."""
        file = qt.QFileDialog.getOpenFileName(None, _("Import a model"), str(Path.home()), _("Models (*.zip)"))
        self.importFrom(chosen(file))

    @slot
    def importFrom(self, file):
        """Take the model from a file; nothing for no file."""
        if file:
            self._say(lambda: self._imported(self.logic.importModel(file)))

    def _imported(self, name):
        self.onUsed(name)
        return _("{name} was verified and is in the reading module's list.").format(name=name)

    def _say(self, action):
        """Run an action and report its result."""
        try:
            self.ui.resultLabel.text = action()
        except UserError as error:
            words = panelWords(error)
            note(words)
            self.ui.resultLabel.text = words


def comparisonRows(comparison):
    """The table's rows of a ParentComparison; none for None."""
    from SpectBoneMetSegTrainingLib.training.outcome.promotion import Difference

    if comparison is None:
        return []
    dice = Difference(comparison.dice, comparison.parent_dice, comparison.difference, comparison.low, comparison.high)
    titles = {"lesion_recall": _("Lesions found"), "false_alarms_per_image": _("False alarms per image")}
    rows = [("dice", [_("DSC"), *figureTexts(dice)])]
    rows += [
        (name, [titles[name], *figureTexts(found)]) for name, found in comparison.further.items() if name in titles
    ]
    amount = _("{patients} patients, {scans} scans").format(patients=comparison.patients, scans=comparison.cases)
    return [*rows, ("amount", [amount, "", "", ""])]


def figureTexts(figure):
    """A Difference as three cells."""
    difference = _("{difference} ({low} to {high})").format(
        difference=signed(figure.difference), low=signed(figure.low), high=signed(figure.high)
    )
    return [f"{figure.new:.3f}", f"{figure.parent:.3f}", difference]


def chosen(answer):
    """The file that a dialog gave: a text in Slicer, a text and a filter elsewhere."""
    return answer[0] if isinstance(answer, tuple) else answer
