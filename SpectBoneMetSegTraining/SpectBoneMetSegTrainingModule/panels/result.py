"""The panel's third section: the new model compared with its parent model; install or export it."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.panel_texts import panelWords
from SpectBoneMetSegModule.problems import note, slot
from SpectBoneMetSegModule.status_lines import showText

from ..keyed_table import Rows
from ..panel_texts import signed

if TYPE_CHECKING:
    from SpectBoneMetSegLib.model.store import ModelFolder
    from SpectBoneMetSegModule.slicer_types import Ui
    from SpectBoneMetSegTrainingLib.training.outcome.promotion import Difference, ParentComparison, Verdict

    from ..logic import SpectBoneMetSegTrainingLogic


class ResultPanel:
    """Shows the finished model of the selected training."""

    def __init__(self, ui: Ui, logic: SpectBoneMetSegTrainingLogic, onUsed: Callable[[str], object]) -> None:
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            onUsed: called with the name of a model that was added to the reading module's list.
        """
        self.ui, self.logic, self.onUsed = ui, logic, onUsed
        self.model: ModelFolder | None = None
        self.page: Path | None = None
        titles = [
            (_("On the validation scans"), _("The same patients for both models")),
            (_("New model"), ""),
            (_("Parent"), _("The parent model, with which it is compared")),
            (_("Difference"), _("With its 95 % interval over patients")),
        ]
        self.table: Rows[str] = Rows(ui.resultTable, titles)
        ui.useButton.connect("clicked(bool)", self.onUse)
        ui.exportButton.connect("clicked(bool)", self.onExport)
        ui.importButton.connect("clicked(bool)", self.onImport)
        ui.resultPageButton.connect("clicked(bool)", self.onPage)
        self.show(None)

    def show(self, folder: Path | None, page: Path | None = None, verdict: str = "") -> None:
        """Show a model with the comparison with its parent model.

        Args:
            folder: folder of the model; None for no model.
            page: page of an adaptation; None for other trainings.
            verdict: verdict on an adaptation, as text.
        """
        from SpectBoneMetSegLib.model.store import read_model
        from SpectBoneMetSegTrainingLib.training.outcome.promotion import comparison_of

        self.model, comparison = None, None
        showText(self.ui.resultLabel, "")
        showText(self.ui.verdictLabel, _("This training has no model yet."))
        if folder is not None:
            try:
                self.model = read_model(folder)
            except UserError as error:
                showText(self.ui.verdictLabel, panelWords(error))
        if self.model is not None:
            comparison = comparison_of(self.model)
            showText(
                self.ui.verdictLabel, verdict if page is not None else verdictText(self.model.card.name, comparison)
            )
        self.table.show(comparisonRows(comparison))
        for widget in (self.ui.useButton, self.ui.exportButton, self.ui.useNameEdit):
            widget.enabled = self.model is not None
        self.ui.useNameEdit.text = self.model.card.name if self.model is not None else ""
        self.page = page
        self.ui.resultPageButton.visible = self.ui.resultPageButton.enabled = page is not None
        # An adapted model must be shown to be as good as its parent model.
        rejecting = ("worse",) if page is None else ("worse", "undecided")
        worse = comparison is not None and comparison.verdict in rejecting
        self.ui.useButton.text = _("Use it anyway") if worse else _("Use this model")

    @slot
    def onUse(self, checked: bool = False) -> None:
        """Put the model on the reading module's list."""
        if self.model is None:
            return
        worse = self.ui.useButton.text == _("Use it anyway")
        try:
            name = self.logic.use(self.model.path, self.ui.useNameEdit.text, worse)
        except UserError as error:
            self._fail(error)
            return
        showText(self.ui.resultLabel, _("{name} is in the reading module's list and chosen there.").format(name=name))
        self.onUsed(name)

    @slot
    def onPage(self, checked: bool = False) -> None:
        """Show the page of the adaptation in the browser."""
        if self.page is not None:
            self.logic.openPage(self.page)

    @slot
    def onExport(self, checked: bool = False) -> None:
        """Ask for a file and write the model to it."""
        from SpectBoneMetSegLib.model.archive import MODEL_SUFFIX

        # While the dialog is open, a training that starts or ends replaces the model shown.
        model = self.model
        if model is None:
            return
        suggestion = str(Path.home() / f"{model.card.name}{MODEL_SUFFIX}")
        file = qt.QFileDialog.getSaveFileName(None, _("Export the model"), suggestion, _("Models (*.zip)"))
        self._export(model, chosen(file))

    @slot
    def exportTo(self, file: str) -> None:
        """Write the model as one file; nothing for no file."""
        if self.model is not None:
            self._export(self.model, file)

    def _export(self, model: ModelFolder, file: str) -> None:
        if file:
            self._report(lambda: _("Written to {file}.").format(file=self.logic.exportModel(model.path, file)))

    @slot
    def onImport(self, checked: bool = False) -> None:
        """Ask for a file and import the model in it."""
        file = qt.QFileDialog.getOpenFileName(None, _("Import a model"), str(Path.home()), _("Models (*.zip)"))
        self.importFrom(chosen(file))

    @slot
    def importFrom(self, file: str) -> None:
        """Import the model in a file; nothing for no file."""
        if file:
            self._report(lambda: self._imported(self.logic.importModel(file)))

    def _imported(self, name: str) -> str:
        self.onUsed(name)
        return _("{name} was verified and is in the reading module's list.").format(name=name)

    def _report(self, action: Callable[[], str]) -> None:
        """Run an action and show its result, or why it failed."""
        try:
            showText(self.ui.resultLabel, action())
        except UserError as error:
            self._fail(error)

    def _fail(self, error: UserError) -> None:
        """Show and log an error."""
        text = panelWords(error)
        note(text)
        showText(self.ui.resultLabel, text)


def verdictText(name: str, comparison: ParentComparison | None) -> str:
    """Return the verdict on a model by its name; None stands for a model that was not compared."""
    if comparison is None:
        return _("{name} is ready. It could not be compared: no patients were held out.").format(name=name)
    texts: dict[Verdict, str] = {
        "better": _("{name} is better than {parent}."),
        "not worse": _("{name} is not worse than {parent}."),
        "worse": _("{name} is worse than {parent}; {parent} stays in use."),
        "undecided": _("There are too few patients to distinguish {name} from {parent}."),
    }
    return texts[comparison.verdict].format(name=name, parent=comparison.parent)


def comparisonRows(comparison: ParentComparison | None) -> list[tuple[str, list[str]]]:
    """Return the table rows of a comparison with their keys; none for None."""
    from SpectBoneMetSegTrainingLib.training.outcome.promotion import Difference

    if comparison is None:
        return []
    dice = Difference(comparison.dice, comparison.parent_dice, comparison.difference, comparison.low, comparison.high)
    titles = {"lesion_recall": _("Lesions found"), "false_alarms_per_image": _("False alarms per view")}
    rows = [("dice", [_("DSC"), *figureTexts(dice)])]
    rows += [
        (name, [titles[name], *figureTexts(figure)]) for name, figure in comparison.further.items() if name in titles
    ]
    amount = _("{patients} patients, {scans} scans").format(patients=comparison.patients, scans=comparison.cases)
    return [*rows, ("amount", [amount, "", "", ""])]


def figureTexts(figure: Difference) -> list[str]:
    """Return a figure as three cells: of the new model, of its parent model, and their difference."""
    if not isfinite(figure.low):
        # Fewer than two patients contribute.
        return [f"{figure.new:.3f}", f"{figure.parent:.3f}", signed(figure.difference)]
    difference = _("{difference} ({low} to {high})").format(
        difference=signed(figure.difference), low=signed(figure.low), high=signed(figure.high)
    )
    return [f"{figure.new:.3f}", f"{figure.parent:.3f}", difference]


def chosen(answer: str | tuple[str, str]) -> str:
    """Return the file chosen in a dialog, which returns it alone in Slicer and with its filter elsewhere."""
    return answer[0] if isinstance(answer, tuple) else answer
