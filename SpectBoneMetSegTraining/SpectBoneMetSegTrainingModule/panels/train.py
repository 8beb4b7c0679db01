"""The panel's second section: choose, check, train, and watch."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.panel_texts import durationWords
from SpectBoneMetSegModule.problems import slot

from ..curves import Curves
from ..keyed_table import Rows
from ..logic import ACTIVE, NOTHING, WAITING
from ..panel_texts import stateText
from ..parameter_fields import modelItems, refill
from ..pictures import showFile
from ..requirements import ensureTrainingInstalled
from ..task_runner import Listener

#: The list of all trainings is read anew after so many looks at the one that is shown.
LOOKS_PER_LIST = 8


class TrainPanel:
    """Starts trainings and shows the selected one."""

    def __init__(self, ui, logic, choices, say):
        """Take over the widgets.

        Args:
            ui: the panel's widgets.
            logic: the module's logic.
            choices: the Choices of the panel.
            say: called with a sentence for the user.
        """
        self.ui, self.logic, self.choices, self.say = ui, logic, choices, say
        self.onFinished = self.onChosen = None
        self.state = ""
        self._looks = 0
        self.curves = Curves(ui.plotFrame)
        titles = [
            (_("Model"), _("The name of the model that is made")),
            (_("State"), _("What the training does")),
            (_("Steps"), _("Done and planned")),
            (_("DSC"), _("On the validation scans, at the last validation")),
        ]
        self.jobs = Rows(ui.jobsTable, titles, self.showJob)
        self._fill()
        for name, button in (
            ("onCheck", ui.checkButton),
            ("onTrain", ui.trainButton),
            ("onPause", ui.pauseButton),
            ("onStop", ui.stopButton),
            ("onResume", ui.resumeButton),
            ("onRemove", ui.removeButton),
        ):
            button.connect("clicked(bool)", getattr(self, name))
        logic.onJob = self.onJob

    def _fill(self):
        """Fill in the choices."""
        ui = self.ui
        paces = (("quick", _("Quick: minutes")), ("standard", _("Standard: about an hour")))
        for value, text in (*paces, ("thorough", _("Thorough: hours"))):
            ui.presetSelector.addItem(text, value)
        ui.methodSelector.addItem(_("Strong: mean teacher, uses unlabelled scans"), "strong")
        ui.methodSelector.addItem(_("Semi: semi-supervised, as in the paper"), "semi")
        for name, selector in (
            ("pace", ui.presetSelector),
            ("approach", ui.methodSelector),
            ("start", ui.parentSelector),
        ):
            self.choices.addSelector(name, selector)
        self.choices.addText("name", ui.nameEdit)
        self.choices.addNumber("steps", ui.stepsBox)
        self.choices.addNumber("seed", ui.seedBox)
        self.fillParents()

    def fillParents(self):
        """Update the list of parent models; the chosen one stays chosen."""
        refill(self.ui.parentSelector, [*modelItems(), (_("None: random weights"), NOTHING)])

    def spec(self):
        """What the panel asks for, a JobSpec.

        Raises:
            UserError: something is missing.
        """
        node = self.choices.node
        return self.logic.spec(node.dataset, node.name, node.pace, node.approach, node.start, node.seed, node.steps)

    def enter(self):
        """Find the trainings there are, those of an earlier session too, and show one."""
        self.listJobs()
        wanted = self.choices.node.job
        self.showJob(wanted if wanted in self.jobs.keys else self.logic.latestJob())

    def listJobs(self):
        """Read the list of trainings anew, the newest first."""
        rows = []
        for job in reversed(self.logic.jobs()):
            status = job.status
            model = job.spec.model if job.spec is not None else job.folder.name
            dice = "" if status.dice is None else f"{status.dice:.3f}"
            rows.append((job.folder.name, [model, stateText(status.state), f"{status.step} / {status.steps}", dice]))
        self.jobs.show(rows)
        self.updateButtons()

    @slot
    def showJob(self, name):
        """Follow a training; none for an empty name."""
        try:
            self.logic.follow(name)
        except UserError as error:
            self.say(error)
            return
        self.choices.node.job = name
        self.state = ""
        if self.onChosen is not None:
            self.onChosen()
        self.jobs.select(name)
        self.ui.previewPicture.setPixmap(qt.QPixmap())
        # An adaptation draws none: its patients are judged when it has ended.
        self.ui.plotFrame.visible = False
        if not name:
            self.curves.forget()
            self.ui.trainingLabel.text = ""
            self.ui.trainingBar.visible = False
        self.updateButtons()

    @slot
    def onJob(self, followed):
        """Show the progress of the selected training."""
        status = followed.status
        changed, self.state = status.state != self.state, status.state
        self.ui.trainingBar.visible = status.state in (*ACTIVE, *WAITING)
        self.ui.trainingBar.setValue(round(100 * status.step / status.steps) if status.steps else 0)
        self.ui.trainingLabel.text = statusText(followed)
        if followed.hasCurves:
            self.ui.plotFrame.visible = True
            self.curves.show(followed.losses, followed.looks)
        if followed.hasPicture:
            self.showPicture(followed)
        self._looks += 1
        if changed or self._looks % LOOKS_PER_LIST == 0:
            self.listJobs()
        if self.onFinished is not None and status.state == "finished" and changed:
            self.onFinished(followed)

    def showPicture(self, followed):
        """The newest predictions on a validation scan."""
        showFile(self.ui.previewPicture, followed.picture)

    def updateButtons(self):
        """Enable the buttons for the selected training."""
        ui = self.ui
        texts = {**dict.fromkeys(ACTIVE, _("Pause")), **dict.fromkeys(WAITING, _("Resume"))}
        checking = self.logic.runner.isRunning("check")
        ui.checkButton.enabled = not checking
        ui.trainButton.enabled = self.state in texts or not checking
        ui.trainButton.text = texts.get(self.state, _("Train"))
        ui.pauseButton.enabled = ui.stopButton.enabled = self.state in texts
        ui.pauseButton.text = texts.get(self.state, _("Pause"))
        ui.resumeButton.enabled = self.state in (*WAITING, "stopped", "failed")
        ui.removeButton.enabled = bool(self.jobs.current) and self.state not in ("", "running")

    def recover(self):
        """Update the buttons after an error."""
        self.updateButtons()

    @slot
    def onTrain(self, checked=False):
        """Start, pause or resume, depending on the button's state."""
        if self.state in ACTIVE:
            self._do(self.logic.pause)
        elif self.state in WAITING:
            self._do(self.logic.resume)
        else:
            self.start()

    @slot
    def onPause(self, checked=False):
        """Pause or resume, depending on the button's state."""
        self._do(self.logic.pause if self.state in ACTIVE else self.logic.resume)

    @slot
    def onCheck(self, checked=False):
        """Check the choices and time a few steps, without training."""
        self._check(True, lambda spec: None)

    def start(self):
        """Check the choices, and queue the training if they pass."""
        self._check(False, self.submit)

    def _check(self, trial, then):
        """Show what a check of the panel's choices finds; `then` is called with them if they can be trained."""
        try:
            ensureTrainingInstalled()
            spec = self.spec()
            listener = Listener(lambda answer: self._checked(answer, spec, then), self._failed)
            self.logic.call("check", {"spec": spec.to_dict(), "trial": trial}, listener)
        except UserError as error:
            self.say(error)
            return
        self.say("")
        self.ui.findingsLabel.text = _("Measuring a few steps...") if trial else _("Checking...")
        self.updateButtons()

    def _checked(self, answer, spec, then):
        marks = {"ok": "\u2713", "warning": "!", "refusal": "\u2717"}
        lines = [f"{marks[finding['level']]} {finding['sentence']}" for finding in answer["findings"]]
        self.ui.findingsLabel.text = "\n".join(lines)
        if answer["may_start"]:
            then(spec)
        else:
            self.say(_("The training cannot start yet; see what was found."))
        self.updateButtons()

    def _failed(self, error):
        self.ui.findingsLabel.text = ""
        self.say(error)
        self.updateButtons()

    def submit(self, spec):
        """Queue a JobSpec and show it."""
        try:
            name = self.logic.submit(spec)
        except UserError as error:
            self.say(error)
            return
        self.listJobs()
        self.showJob(name)

    @slot
    def onStop(self, checked=False):
        """End the selected training."""
        self._do(self.logic.stop)

    @slot
    def onResume(self, checked=False):
        """Resume the selected training."""
        self._do(self.logic.resume)

    @slot
    def onRemove(self, checked=False):
        """Delete the selected training and show another one."""
        self._do(self.logic.remove)
        self.enter()

    def _do(self, action):
        """Run an action of the logic on the selected training."""
        try:
            action(self.jobs.current)
        except UserError as error:
            self.say(error)
            return
        self.say("")
        self.listJobs()


def statusText(followed):
    """What a training does, how long it will take, and on what, in one line."""
    status = followed.status
    parts = [stateText(status.state)]
    if status.steps:
        parts.append(_("step {step} of {steps}").format(step=status.step, steps=status.steps))
    if status.seconds_left is not None and status.state == "running":
        parts.append(_("about {time} to go").format(time=durationWords(status.seconds_left)))
    if status.device:
        parts.append(status.device)
    if status.memory_mb is not None:
        parts.append(_("{memory:.1f} GB of memory").format(memory=status.memory_mb / 1024))
    return ", ".join(parts) + ". " + status.message
