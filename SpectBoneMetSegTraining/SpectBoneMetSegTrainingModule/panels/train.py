"""The panel's second section: choose, check, train, and watch."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import qt
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.dates import duration
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.problems import slot
from SpectBoneMetSegModule.status_lines import showText

from ..curves import Curves
from ..keyed_table import Rows
from ..logic import ACTIVE, RANDOM_WEIGHTS, WAITING
from ..panel_texts import stateText
from ..parameter_fields import modelItems, refill
from ..pictures import showFile
from ..requirements import ensureTrainingInstalled
from ..task_runner import Listener

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import Values
    from SpectBoneMetSegModule.slicer_types import Ui
    from SpectBoneMetSegTrainingLib.jobs.folder import JobSpec, JobStatus, State

    from ..followed_job import FollowedJob
    from ..logic import SpectBoneMetSegTrainingLogic
    from ..parameter_fields import ParameterFields

#: The list of all trainings is read again after so many polls of the one that is shown.
POLLS_PER_LIST = 8


class TrainPanel:
    """Starts trainings and shows the selected one."""

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
        self.onFinished: Callable[[FollowedJob], object] | None = None
        self.onChosen: Callable[[], object] | None = None
        self.state: State | Literal[""] = ""
        self._polls = 0
        self.curves = Curves(ui.plotFrame)
        titles = [
            (_("Model"), _("The name of the model that is made")),
            (_("State"), _("What the training does")),
            (_("Steps"), _("Done and planned")),
            (_("DSC"), _("On the validation scans, at the last validation")),
        ]
        self.jobs: Rows[str] = Rows(ui.jobsTable, titles, self.showJob)
        self._fill()
        ui.checkButton.connect("clicked(bool)", self.onCheck)
        ui.trainButton.connect("clicked(bool)", self.onTrain)
        ui.pauseButton.connect("clicked(bool)", self.onPause)
        ui.stopButton.connect("clicked(bool)", self.onStop)
        ui.resumeButton.connect("clicked(bool)", self.onResume)
        ui.removeButton.connect("clicked(bool)", self.onRemove)
        logic.onJob = self.onJob

    def _fill(self) -> None:
        """Fill the fields."""
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

    def fillParents(self) -> None:
        """Update the list of parent models; the chosen one stays chosen."""
        refill(self.ui.parentSelector, [*modelItems(), (_("None: random weights"), RANDOM_WEIGHTS)])

    def spec(self) -> JobSpec:
        """Return the specification of the training chosen in the panel.

        Raises:
            UserError: a choice is missing or invalid.
        """
        node = self.choices.parameters
        return self.logic.spec(node.dataset, node.name, node.pace, node.approach, node.start, node.seed, node.steps)

    def enter(self) -> None:
        """List the trainings, also those of earlier sessions, and show one."""
        self.listJobs()
        last = self.choices.parameters.job
        self.showJob(last if last in self.jobs.keys else self.logic.latestJob())

    def listJobs(self) -> None:
        """Update the list of trainings, the newest first."""
        rows = []
        for job in reversed(self.logic.jobs()):
            status = job.status
            model = job.spec.model if job.spec is not None else job.folder.name
            dice = "" if status.dice is None else f"{status.dice:.3f}"
            rows.append((job.folder.name, [model, stateText(status.state), f"{status.step} / {status.steps}", dice]))
        self.jobs.show(rows)
        self.updateButtons()

    @slot
    def showJob(self, name: str) -> None:
        """Follow a training; none for an empty name."""
        try:
            self.logic.follow(name)
        except UserError as error:
            self.showMessage(error)
            return
        self.choices.parameters.job = name
        self.state = ""
        if self.onChosen is not None:
            self.onChosen()
        self.jobs.select(name)
        self.ui.previewPicture.setPixmap(qt.QPixmap())
        # An adaptation has no curves: it is evaluated when it has ended.
        self.ui.plotFrame.visible = False
        if not name:
            self.curves.forget()
            showText(self.ui.trainingLabel, "")
            self.ui.trainingBar.visible = False
        self.updateButtons()

    @slot
    def onJob(self, followed: FollowedJob) -> None:
        """Show the progress of the selected training."""
        status = followed.status
        if status is None:
            return
        changed, self.state = status.state != self.state, status.state
        self.ui.trainingBar.visible = status.state in (*ACTIVE, *WAITING)
        self.ui.trainingBar.setValue(round(100 * status.step / status.steps) if status.steps else 0)
        showText(self.ui.trainingLabel, statusText(status))
        if followed.hasCurves:
            self.ui.plotFrame.visible = True
            self.curves.show(followed.losses, followed.validations)
        if followed.hasPicture and followed.picture is not None:
            # The newest predictions on a validation scan.
            showFile(self.ui.previewPicture, followed.picture)
        self._polls += 1
        if changed or self._polls % POLLS_PER_LIST == 0:
            self.listJobs()
        if self.onFinished is not None and status.state == "finished" and changed:
            self.onFinished(followed)

    def updateButtons(self) -> None:
        """Enable the buttons for the selected training."""
        ui = self.ui
        texts: dict[str, str] = {**dict.fromkeys(ACTIVE, _("Pause")), **dict.fromkeys(WAITING, _("Resume"))}
        checking = self.logic.runner.isRunning("check")
        ui.checkButton.enabled = not checking
        ui.trainButton.enabled = self.state in texts or not checking
        ui.trainButton.text = texts.get(self.state, _("Train"))
        ui.pauseButton.enabled = ui.stopButton.enabled = self.state in texts
        ui.pauseButton.text = texts.get(self.state, _("Pause"))
        ui.resumeButton.enabled = self.state in (*WAITING, "stopped", "failed")
        ui.removeButton.enabled = bool(self.jobs.current) and self.state not in ("", "running")

    def recover(self) -> None:
        """Update the buttons after an error."""
        self.updateButtons()

    @slot
    def onTrain(self, checked: bool = False) -> None:
        """Start, pause or resume, depending on the button's state."""
        if self.state in ACTIVE:
            self._do(self.logic.pause)
        elif self.state in WAITING:
            self._do(self.logic.resume)
        else:
            self.start()

    @slot
    def onPause(self, checked: bool = False) -> None:
        """Pause or resume, depending on the button's state."""
        self._do(self.logic.pause if self.state in ACTIVE else self.logic.resume)

    @slot
    def onCheck(self, checked: bool = False) -> None:
        """Check the choices and time a few steps, without training."""
        self._check(True, lambda spec: None)

    def start(self) -> None:
        """Check the choices, and queue the training if they pass."""
        self._check(False, self.submit)

    def _check(self, trial: bool, then: Callable[[JobSpec], object]) -> None:
        """Check the panel's choices and show the findings; call `then` with the specification if it can be trained.

        Args:
            trial: whether to time a few steps.
            then: called with the checked specification.
        """
        try:
            ensureTrainingInstalled()
            spec = self.spec()
            listener = Listener(lambda answer: self._checked(answer, spec, then), self._failed)
            self.logic.call("check", {"spec": spec.to_dict(), "trial": trial}, listener)
        except UserError as error:
            self.showMessage(error)
            return
        self.showMessage("")
        showText(self.ui.findingsLabel, _("Measuring a few steps...") if trial else _("Checking..."))
        self.updateButtons()

    def _checked(self, answer: Values, spec: JobSpec, then: Callable[[JobSpec], object]) -> None:
        marks = {"ok": "\u2713", "warning": "!", "refusal": "\u2717"}
        lines = [f"{marks[finding['level']]} {finding['sentence']}" for finding in answer["findings"]]
        showText(self.ui.findingsLabel, "\n".join(lines))
        if answer["may_start"]:
            then(spec)
        else:
            self.showMessage(_("The training cannot start yet; see what was found."))
        self.updateButtons()

    def _failed(self, error: UserError) -> None:
        showText(self.ui.findingsLabel, "")
        self.showMessage(error)
        self.updateButtons()

    def submit(self, spec: JobSpec) -> None:
        """Queue a training and show it."""
        try:
            name = self.logic.submit(spec)
        except UserError as error:
            self.showMessage(error)
            return
        self.listJobs()
        self.showJob(name)

    @slot
    def onStop(self, checked: bool = False) -> None:
        """End the selected training."""
        self._do(self.logic.stop)

    @slot
    def onResume(self, checked: bool = False) -> None:
        """Resume the selected training."""
        self._do(self.logic.resume)

    @slot
    def onRemove(self, checked: bool = False) -> None:
        """Delete the selected training and show another one."""
        self._do(self.logic.remove)
        self.enter()

    def _do(self, action: Callable[[str], object]) -> None:
        """Run an action of the logic on the selected training."""
        try:
            # The logic reports an empty name as an error.
            action(self.jobs.current or "")
        except UserError as error:
            self.showMessage(error)
            return
        self.showMessage("")
        self.listJobs()


def statusText(status: JobStatus) -> str:
    """Return state, progress, remaining time, device and memory of a training, in one line."""
    parts = [stateText(status.state)]
    if status.steps:
        parts.append(_("step {step} of {steps}").format(step=status.step, steps=status.steps))
    if status.seconds_left is not None and status.state == "running":
        parts.append(_("about {time} left").format(time=duration(status.seconds_left)))
    if status.device:
        parts.append(status.device)
    if status.memory_mb is not None:
        parts.append(_("{memory:.1f} GB of memory").format(memory=status.memory_mb / 1024))
    return ", ".join(parts) + ". " + status.message
