"""The first choice of the panel's second section: adapt the reading module's model, or audit it first."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.problems import slot
from SpectBoneMetSegModule.status_lines import showText

from ..reading_module import readingModel
from ..requirements import ensureCollectingInstalled, ensureTrainingInstalled
from ..task_progress import LongCall

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import Values
    from SpectBoneMetSegModule.slicer_types import Ui

    from ..logic import SpectBoneMetSegTrainingLogic
    from ..parameter_fields import ParameterFields
    from .gather import GatherPanel
    from .train import TrainPanel


class AdaptPanel:
    """Collects the ticked outlines and the listed folders, then adapts or audits; all other options are automatic."""

    def __init__(
        self,
        ui: Ui,
        logic: SpectBoneMetSegTrainingLogic,
        choices: ParameterFields,
        gather: GatherPanel,
        train: TrainPanel,
    ) -> None:
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            choices: the fields of the panel.
            gather: the section that collects.
            train: the section that shows jobs.
        """
        self.ui, self.logic, self.choices, self.gather, self.train = ui, logic, choices, gather, train
        self.page: str | None = None
        ui.auditPageButton.visible = False
        self.call = LongCall(ui.auditButton, ui.auditBar, ui.auditLabel)
        choices.addText("adaptName", ui.adaptNameEdit)
        ui.adaptButton.connect("clicked(bool)", self.onAdapt)
        ui.auditButton.connect("clicked(bool)", self.onAudit)
        ui.auditPageButton.connect("clicked(bool)", self.onPage)

    def fail(self, error: UserError) -> None:
        """Show why an action is not possible."""
        self.train.showMessage(error)

    @slot
    def onAdapt(self, checked: bool = False) -> None:
        """Collect, and queue an adaptation."""
        node = self.choices.parameters
        ensureTrainingInstalled()
        # Missing choices are reported before the scans are gathered.
        self.logic.checkName(node.dataset, node.adaptName)
        self.train.showMessage("")
        self.gather.gatherThen(self.begin)

    @slot
    def begin(self) -> None:
        """Queue the adaptation to the data set; the section shows it like every training."""
        node = self.choices.parameters
        self.train.submit(self.logic.adaptation(node.dataset, node.adaptName))

    @slot
    def onAudit(self, checked: bool = False) -> None:
        """Collect, and evaluate the reading model on the outlined scans; or cancel."""
        if self.call.running:
            self.logic.runner.cancel("audit")
            self.call.ended(_("Cancelled."))
            return
        ensureCollectingInstalled()
        self.train.showMessage("")
        self.gather.gatherThen(self.beginAudit)

    @slot
    def beginAudit(self) -> None:
        """Evaluate the model on the data set."""
        data = self.choices.parameters.dataset
        if not data:
            raise UserError(_("There is no outlined scan yet: tick or name some above."))
        self.forget()
        page = Path(data).with_name(f"{Path(data).name}-audit.html")
        arguments = {"data": data, "model": readingModel(), "page": str(page)}
        self.logic.call("audit", arguments, self.call.listener(self.audited))
        self.call.started(_("Reading your outlined scans..."))

    def forget(self) -> None:
        """Discard an audit of an earlier data set."""
        if not self.call.running:
            self.page = None
            showText(self.ui.auditLabel, "")
            self.ui.auditPageButton.visible = self.ui.auditPageButton.enabled = False

    @slot
    def audited(self, answer: Values) -> None:
        """Show the recommendation."""
        self.page = answer["page"]
        showText(self.ui.auditLabel, " ".join(part for part in (answer["sentence"], answer["known"]) if part))
        self.ui.auditPageButton.visible = self.ui.auditPageButton.enabled = True

    @slot
    def onPage(self, checked: bool = False) -> None:
        """Show the page of the audit in the browser."""
        if self.page is not None:
            self.logic.openPage(self.page)
