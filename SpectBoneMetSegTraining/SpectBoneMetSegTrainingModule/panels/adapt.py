"""The first choice of the panel's second section: adapt the model that reads, or ask first whether that is needed."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from pathlib import Path

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.problems import slot

from ..requirements import ensureCollectingInstalled, ensureTrainingInstalled
from ..task_progress import LongCall


class AdaptPanel:
    """Collects what is ticked and named, then adapts, or audits; everything else is chosen by itself."""

    def __init__(self, ui, logic, choices, teach, train):
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            choices: the Choices of the panel.
            teach: the TeachPanel, which collects.
            train: the TrainPanel, which shows jobs.
        """
        self.ui, self.logic, self.choices, self.teach, self.train = ui, logic, choices, teach, train
        self.page = None
        ui.auditPageButton.visible = False
        self.call = LongCall(ui.auditButton, ui.auditBar, ui.auditLabel)
        choices.addText("adaptName", ui.adaptNameEdit)
        ui.adaptButton.connect("clicked(bool)", self.onAdapt)
        ui.auditButton.connect("clicked(bool)", self.onAudit)
        ui.auditPageButton.connect("clicked(bool)", self.onPage)

    def fail(self, error):
        """Show why an action is not possible."""
        self.train.say(error)

    @slot
    def onAdapt(self, checked=False):
        """Collect, and queue an adaptation."""
        node = self.choices.node
        ensureTrainingInstalled()
        # What is missing is said before the scans are gone through.
        self.logic.checkName(node.dataset, node.adaptName)
        self.train.say("")
        self.teach.gatherThen(self.begin)

    @slot
    def begin(self):
        """Queue the adaptation of what was collected; the section shows it like every training."""
        node = self.choices.node
        self.train.submit(self.logic.adaptation(node.dataset, node.adaptName))

    @slot
    def onAudit(self, checked=False):
        """Collect, and evaluate the reading model on the outlined scans; or cancel."""
        if self.call.running:
            self.logic.runner.cancel("audit")
            self.call.ended(_("Cancelled."))
            return
        ensureCollectingInstalled()
        self.train.say("")
        self.teach.gatherThen(self.beginAudit)

    @slot
    def beginAudit(self):
        """Evaluate the model on the data set."""
        data = self.choices.node.dataset
        if not data:
            raise UserError(_("There is no outlined scan yet: tick or name some above."))
        self.forget()
        page = Path(data).with_name(f"{Path(data).name}-audit.html")
        arguments = {"data": data, "model": self.logic.readingModel(), "page": str(page)}
        self.logic.call("audit", arguments, self.call.listener(self.audited))
        self.call.started(_("Reading your outlined scans..."))

    def forget(self):
        """Discard an audit of an earlier data set."""
        if not self.call.running:
            self.page = None
            self.ui.auditLabel.text = ""
            self.ui.auditPageButton.visible = self.ui.auditPageButton.enabled = False

    @slot
    def audited(self, answer):
        """Report the result."""
        self.page = answer["page"]
        self.ui.auditLabel.text = " ".join(part for part in (answer["sentence"], answer["known"]) if part)
        self.ui.auditPageButton.visible = self.ui.auditPageButton.enabled = True

    @slot
    def onPage(self, checked=False):
        """Show the page of the audit in the browser."""
        self.logic.openPage(self.page)
