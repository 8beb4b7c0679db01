"""SpectBoneMetSegTraining: trains the network on corrected scans, in the background. Research use only."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N806

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import ctk
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin
from SpectBoneMetSegModule.address import helpLink
from SpectBoneMetSegModule.display.log_view import LogView
from SpectBoneMetSegModule.display.views import forgetCode
from SpectBoneMetSegModule.panel_texts import panelWords
from SpectBoneMetSegModule.problems import note, slot
from SpectBoneMetSegModule.status_lines import showText
from SpectBoneMetSegTrainingModule.logic import SpectBoneMetSegTrainingLogic
from SpectBoneMetSegTrainingModule.panels.adapt import AdaptPanel
from SpectBoneMetSegTrainingModule.panels.gather import GatherPanel
from SpectBoneMetSegTrainingModule.panels.next import NextPanel
from SpectBoneMetSegTrainingModule.panels.result import ResultPanel
from SpectBoneMetSegTrainingModule.panels.train import TrainPanel
from SpectBoneMetSegTrainingModule.parameter_fields import ParameterFields
from SpectBoneMetSegTrainingModule.self_test import SpectBoneMetSegTrainingTest

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import Values
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.slicer_types import Event, VtkObject, Widget
    from SpectBoneMetSegTrainingModule.followed_job import FollowedJob

__all__ = [
    "SpectBoneMetSegTraining",
    "SpectBoneMetSegTrainingLogic",
    "SpectBoneMetSegTrainingTest",
    "SpectBoneMetSegTrainingWidget",
]


class SpectBoneMetSegTraining(ScriptedLoadableModule):
    """Description of the module for the application."""

    def __init__(self, parent: Widget) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Bone scan training (SpectBoneMetSegTraining)")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Nuclear Medicine")]
        self.parent.dependencies = ["SpectBoneMetSeg", "Segmentations", "Plots", "Tables"]
        self.parent.contributors = ["The SpectBoneMetSeg developers"]
        self.parent.helpText = _(
            "Trains the network of the module SpectBoneMetSeg from corrected outlines and unlabelled scans. "
            "Research use only - not for diagnosis or treatment."
        ) + helpLink("teaching.md")
        self.parent.acknowledgementText = _(
            "Method: Lin et al., Semi-supervised segmentation of metastasis lesions in bone scan images, "
            "Frontiers in Molecular Biosciences 9:956720, 2022."
        )


class SpectBoneMetSegTrainingWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel; each section is a class in `panels`."""

    def __init__(self, parent: Widget | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        # Made here, so that `cleanup` and Reload work also after an error in `setup`.
        self.logic = SpectBoneMetSegTrainingLogic()
        self.choices = ParameterFields()
        self.log: LogView | None = None

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SpectBoneMetSegTraining.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.log = LogView(self.ui.logText, self.ui.copyLogButton)
        self.ui.datasetPath.filters = ctk.ctkPathLineEdit.Dirs
        self.gather = GatherPanel(self.ui, self.logic, self.choices, self.showMessage)
        self.train = TrainPanel(self.ui, self.logic, self.choices, self.showMessage)
        self.adapt = AdaptPanel(self.ui, self.logic, self.choices, self.gather, self.train)
        self.result = ResultPanel(self.ui, self.logic, self.onModelUsed)
        self.next = NextPanel(self.ui, self.logic, self.choices, self.gather)
        self.train.onFinished = self.onFinished
        self.logic.onBroken = self.recover
        self.train.onChosen = lambda: self.result.show(None)
        self.gather.onCollected = self.onCollected
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)
        self.enter()

    def cleanup(self) -> None:
        """Clean up the panel; trainings continue."""
        self.logic.close()
        if self.log is not None:
            self.log.close()
        self.choices.show(None)
        self.removeObservers()

    def onReload(self) -> None:
        """Reload the module and its packages."""
        self.cleanup()
        forgetCode("SpectBoneMetSegTrainingLib", "SpectBoneMetSegTrainingModule")
        ScriptedLoadableModuleWidget.onReload(self)

    @slot
    def enter(self) -> None:
        """Update the panel when the module is opened."""
        node = self.logic.getParameterNode()
        self.choices.show(node)
        self.gather.enter(node)
        self.train.enter()

    @slot
    def onSceneStartClose(self, caller: VtkObject, event: Event) -> None:
        """Release the scene before it closes; a training continues."""
        self.choices.show(None)
        self.train.curves.forget()

    @slot
    def onSceneChanged(self, caller: VtkObject, event: Event) -> None:
        """Update the panel after the scene was closed or another one opened."""
        self.enter()

    def recover(self) -> None:
        """Reset the panel after an error and update the buttons."""
        text = _("Interrupted by an error; open the module again to follow a training.")
        calls = ((self.gather.call, "collect"), (self.next.call, "rank"), (self.adapt.call, "audit"))
        for call, name in calls:
            if call.running and not self.logic.runner.isRunning(name) and not self.logic.collector.busy:
                call.ended(text)
        self.train.updateButtons()

    def onCollected(self, answer: Values) -> None:
        """Update the panel after the data set has changed."""
        self.adapt.forget()
        self.next.collected(answer)

    @slot
    def onFinished(self, followed: FollowedJob) -> None:
        """Show the model of a finished training."""
        self.result.show(followed.model, followed.page, followed.message)

    @slot
    def onModelUsed(self, name: str) -> None:
        """Update the lists of models after one was installed."""
        self.train.fillParents()
        self.next.fillModels(name)

    def showMessage(self, message: str | UserError) -> None:
        """Show a message or an error in the panel, without a dialog, and log it; empty to clear the line."""
        text = panelWords(message)
        if text:
            logging.info(text)
            note(text)
        showText(self.ui.statusLabel, text)
