"""SpectBoneMetSeg: outlines abnormal uptake in planar whole-body bone scans. Research use only."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N806

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ctk
import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.pairing import show_only
from SpectBoneMetSegModule import settings
from SpectBoneMetSegModule.address import helpLink
from SpectBoneMetSegModule.archive.section import ArchiveRun
from SpectBoneMetSegModule.display.comparison_fields import EarlierScanFields
from SpectBoneMetSegModule.display.display_fields import Display
from SpectBoneMetSegModule.display.log_view import LogView
from SpectBoneMetSegModule.display.sides import followSides
from SpectBoneMetSegModule.display.views import Views, forgetCode, registerLayouts, restoreLayout
from SpectBoneMetSegModule.engine_fields import EngineFields
from SpectBoneMetSegModule.followup.section import FollowUp
from SpectBoneMetSegModule.logic import SpectBoneMetSegLogic
from SpectBoneMetSegModule.node_choice import Chosen
from SpectBoneMetSegModule.problems import slot
from SpectBoneMetSegModule.reading_actions import ReadingActions
from SpectBoneMetSegModule.review.click_tool import ClickTool
from SpectBoneMetSegModule.review.dicom_database import offerDatabase
from SpectBoneMetSegModule.review.lesion_selection import Selection, editorNode
from SpectBoneMetSegModule.review.lesion_table import LesionTable
from SpectBoneMetSegModule.review.report_preview import ReportPreview
from SpectBoneMetSegModule.review.review_keys import ReviewKeys
from SpectBoneMetSegModule.review.segment_changes import SegmentChanges
from SpectBoneMetSegModule.sample import registerSampleData
from SpectBoneMetSegModule.self_test import SpectBoneMetSegTest
from SpectBoneMetSegModule.status_lines import Messages

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegModule.parameter_node import SpectBoneMetSegParameterNode
    from SpectBoneMetSegModule.slicer_types import Event, Node, VolumeNode, VtkObject, Widget

#: So long after the last move of a slider the segments get their surfaces again.
SETTLED_MS = 300

__all__ = ["SpectBoneMetSeg", "SpectBoneMetSegLogic", "SpectBoneMetSegTest", "SpectBoneMetSegWidget"]


class SpectBoneMetSeg(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent: Widget) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Bone scan reading (SpectBoneMetSeg)")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Nuclear Medicine")]
        self.parent.dependencies = ["Segmentations", "SegmentEditor", "Markups", "SubjectHierarchy"]
        self.parent.contributors = ["The SpectBoneMetSeg developers"]
        self.parent.helpText = _(
            "Outlines areas of abnormal uptake in planar whole-body 99mTc-MDP bone scans and measures them. "
            "Research use only - not for diagnosis or treatment."
        ) + helpLink("slicer.md")
        self.parent.acknowledgementText = _(
            "Method: Lin et al., Semi-supervised segmentation of metastasis lesions in bone scan images, "
            "Frontiers in Molecular Biosciences 9:956720, 2022."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerLayouts)
        slicer.app.connect("startupCompleted()", followSides)


class SpectBoneMetSegWidget(ReadingActions, ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent: Widget | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.live = None
        self._parameterNode = None
        self._guiConnection: Any = None
        self._updating = False
        self._kept = None
        self._entered = False

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SpectBoneMetSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        # The editor's node comes before its scene: what it chooses by itself is kept in the node.
        self.ui.segmentEditor.setAutoShowSourceVolumeNode(False)
        self.ui.segmentEditor.setMRMLSegmentEditorNode(editorNode())
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.messages, self.chosen = Messages(self.ui), Chosen()
        self.logic = SpectBoneMetSegLogic()
        self.logic.onProgress, self.logic.onFinished = self.onProgress, self.onFinished
        self.logic.onFailed, self.logic.onWarm = self.onFailed, self.onWarm
        self.selection = Selection(self.ui.segmentEditor)
        self.table = LesionTable(self.ui.lesionTable, self.selection.onChosenInTable, self.onLesionReviewed)
        self.selection.table = self.table
        self.selection.onFolded(self.ui.editSection.collapsed)
        self.ui.editSection.connect("contentsCollapsed(bool)", self.selection.onFolded)
        self.display = Display(self.ui, self.shownVolumes, self.showViews)
        self.comparison = EarlierScanFields(self.ui, lambda: self.chosen.views, self.messages.say, self.compare)
        self.log = LogView(self.ui.logText, self.ui.copyLogButton)
        self.changes, self.preview = SegmentChanges(lambda: self.updateLesions()), ReportPreview()
        acts = (self.onDrawn, self.onUndoing)
        self.clicks = ClickTool(self.ui, self.selection, self.changes, self.messages, *acts)
        self.keys = ReviewKeys(self.ui, self.table, self.clicks.actions)
        self._settling = qt.QTimer()
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLED_MS)
        self._settling.connect("timeout()", self.onSettled)
        self.views = Views(self.selection.onClickedInView)
        self.choices = EngineFields(self.ui, self.logic.modelNames())
        self.followup, self.archive = FollowUp(self), ArchiveRun(self)
        # By default the line's button asks for a file.
        self.ui.outputPath.filters = ctk.ctkPathLineEdit.Dirs
        self.ui.outputPath.currentPath = settings.kept(settings.OUTPUT)
        self.ui.warmCheckBox.checked = settings.kept(settings.WARM) == "on"
        self.makeConnections()
        self.initializeParameterNode()

    def fillModels(self, chosen: str | None = None) -> None:
        """The models there are now; the one chosen stays, unless another is named."""
        self.choices.fillModels(self.logic.modelNames(), chosen)
        self.onChoice()

    def makeConnections(self) -> None:
        """Signals of the panel and of the scene."""
        ui, scene = self.ui, slicer.mrmlScene
        ui.loadButton.connect("clicked(bool)", self.onLoad)
        ui.applyButton.connect("clicked(bool)", self.onApplyOrCancel)
        ui.resetButton.connect("clicked(bool)", self.onReset)
        ui.saveButton.connect("clicked(bool)", self.onSave)
        ui.reportButton.connect("clicked(bool)", self.onReportPreview)
        ui.areaTableButton.connect("clicked(bool)", self.onAreaTable)
        ui.warmCheckBox.connect("toggled(bool)", self.onWarmChosen)
        ui.fromFrontCheckBox.connect("toggled(bool)", self.onFromFront)
        ui.useBoxCheckBox.connect("toggled(bool)", self.onUseBox)
        ui.thresholdSlider.connect("valueChanged(double)", self.onSliderMoved)
        ui.minimumAreaSlider.connect("valueChanged(double)", self.onSliderMoved)
        ui.modelSelector.connect("currentTextChanged(QString)", self.onChoice)
        ui.engineSelector.connect("currentIndexChanged(int)", self.onChoice)
        ui.deviceSelector.connect("currentIndexChanged(int)", self.onChoice)
        ui.regionSelector.connect("currentIndexChanged(int)", self.onChoice)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved)
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)

    def cleanup(self) -> None:
        """Clean up everything that belongs to the panel."""
        self.logic.close()
        self.followup.close()
        self.archive.close()
        self.comparison.end(self.live)
        self.clicks.end()
        self.views.release()
        self.views.removeObservers()
        self.keys.uninstall()
        self.log.close()
        self.preview.remove()
        self.setParameterNode(None)
        self.removeObservers()
        self.selection.removeObservers()
        self.changes.setLive(None)
        self._settling.stop()
        self.live = None

    def onReload(self) -> None:
        """Reload the module and its packages; its worker restarts with the new code."""
        self.cleanup()
        forgetCode("SpectBoneMetSegLib", "SpectBoneMetSegModule")
        ScriptedLoadableModuleWidget.onReload(self)
        # What the name stood for above is the code before.
        from SpectBoneMetSegModule.display.sides import followSides

        followSides()
        slicer.modules.SpectBoneMetSegWidget.enter()

    @slot
    def enter(self) -> None:
        """Update the panel when the module is opened, and load the model if the user wants that."""
        self._entered, self.followup.away = True, False
        self.fillModels()
        self.initializeParameterNode()
        if self._parameterNode is not None and not self.logic.busy:
            self.chosen.takeOver(self._parameterNode)
        if self.live is not None or self.chosen.views:
            self.showViews()
        self.views.observe()
        self.selection.enter()
        self.keys.install()
        if self.ui.warmCheckBox.checked:
            self.warmUp()

    def warmUp(self) -> None:
        """Load the model ahead of the first scan."""
        if self.logic.warmUp(*self.choices.current()):
            self.ui.deviceLabel.text = _("loading the model")

    @slot
    def onWarmChosen(self, checked: bool) -> None:
        """Whether opening the module loads the model; nothing else starts before Apply."""
        settings.keep(settings.WARM, "on" if checked else "off")
        if checked and self._entered:
            self.warmUp()

    @slot
    def exit(self) -> None:
        """Leave the module; a running reading continues, and edits in other modules are followed."""
        self._entered, self.followup.away = False, True
        self.clicks.end()
        restoreLayout()
        self.comparison.end(self.live)
        self.views.release()
        self.keys.uninstall()
        self.selection.exit()

    @slot
    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]  # VTK's Python code has no types
    def onNodeAboutToBeRemoved(self, caller: Node, event: Event, node: Node) -> None:
        """Remove all that belongs to a reading whose segmentation is removed."""
        if self.live is not None and node is self.live.node and not caller.IsClosing():
            live = self.live
            self.setLive(None)
            live.remove_parts()

    @slot
    def onSceneStartClose(self, caller: VtkObject, event: Event) -> None:
        """Stop all work for a scene before it closes."""
        restoreLayout()
        self.comparison.end(self.live)
        self.logic.cancel()
        self.setLive(None)
        self.setParameterNode(None)

    @slot
    def onSceneChanged(self, caller: VtkObject, event: Event) -> None:
        """The scene was closed or another one opened, perhaps with a reading in it."""
        self.setLive(None)
        self.setParameterNode(None)
        self.initializeParameterNode()
        if self._entered and self.chosen.views:
            self.showViews()

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node."""
        if self._parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode: SpectBoneMetSegParameterNode | None) -> None:
        """Show another parameter node, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiConnection)
            self.removeObserver(self._parameterNode.parameterNode, "ModifiedEvent", self.onParameters)
        self._parameterNode = parameterNode
        self.display.show(parameterNode)
        if parameterNode is None:
            return
        # The sliders take the node's values here, which moves no threshold.
        self._updating = True
        self._guiConnection = parameterNode.connectGui(self.ui)
        self.choices.show(parameterNode)
        self._updating = False
        self.views.fromBehind = not parameterNode.posteriorFromFront
        self.chosen.takeOver(parameterNode)
        self.addObserver(parameterNode.parameterNode, "ModifiedEvent", self.onParameters)
        self.onParameters()

    @slot
    def onParameters(self, caller: VtkObject | None = None, event: Event | None = None) -> None:
        """Follow the chosen nodes."""
        from SpectBoneMetSegLib.mrml.live_reading import LiveReading

        # While a scene is read its nodes refer to others that are not there yet.
        if self._parameterNode is None or self._updating or slicer.mrmlScene.IsBatchProcessing():
            return
        self._updating = True
        another = self.chosen.complete(self._parameterNode)
        # A connection that is just writing a node may not show what else changes meanwhile.
        selectors = (self.ui.anteriorSelector, self.ui.posteriorSelector, self.ui.segmentationSelector)
        for selector, node in zip(selectors, self.chosen.known, strict=True):
            selector.setCurrentNode(node)
        self._updating = False
        node = self._parameterNode.segmentation
        other = (self.live.node if self.live else None) is not node
        if other:
            self.setLive(LiveReading.find(node, slicer.mrmlScene) if node is not None else None)
        if another:
            self.showScan()
        if other and self.live is not None:
            self.showRead(self.live.result)
        self.updateButtons()

    def showScan(self) -> None:
        """Show another chosen scan and remove the box of the previous one."""
        parameters = self._parameterNode
        if parameters is None:
            return
        if parameters.box is not None:
            slicer.mrmlScene.RemoveNode(parameters.box)
        parameters.useBox = parameters.readAnyway = False
        self.showViews()
        if self.live is None:
            self.messages.warn(self.chosen.warnings())
        self.display.apply()

    @slot
    def onChoice(self, value: Any = None) -> None:
        """Remember model, engine and device."""
        if self._parameterNode is not None and not self._updating:
            parameters = self._parameterNode
            parameters.model, parameters.engine, parameters.device = self.choices.current()
            parameters.region = self.choices.region()

    def setLive(self, live: LiveReading | None) -> None:
        """Show another reading, or none."""
        self._settling.stop()
        self.live = live
        self.changes.setLive(live)
        show_only(live.node if live is not None else None, slicer.mrmlScene)
        self.selection.setLive(live)
        self.updateLesions()

    def updateLesions(self) -> None:
        """Update table, sliders and messages from the reading."""
        self.table.show(self.live)
        self.messages.found(self.live)
        if self.live is not None:
            self.selection.update()
            self._updating = True
            self.ui.thresholdSlider.value = self.live.threshold
            self.ui.minimumAreaSlider.value = self.live.minimum_area_mm2 / 100
            self._updating = False
        if self.comparison.active:
            self.keepApart()
        self.followup.update()
        self.updateButtons()

    def updateButtons(self) -> None:
        """Enable the buttons that can be used now."""
        parameters = self._parameterNode
        scan = parameters is not None and bool(self.chosen.views)
        self.ui.applyButton.enabled = bool(self.logic.busy or scan)
        self.ui.applyButton.text = _("Cancel") if self.logic.busy else _("Apply")
        self.ui.progressBar.visible = bool(self.logic.busy)
        ui = self.ui
        buttons = (ui.resetButton, ui.saveButton, ui.reportButton, ui.areaTableButton)
        for widget in (*buttons, ui.thresholdSlider, ui.minimumAreaSlider):
            widget.enabled = self.live is not None
        ui.regionSelector.enabled = not ui.useBoxCheckBox.checked
        offerDatabase(ui.databaseCheckBox, self.live)
        self.keys.update(self.live is not None and bool(self.live.reading.lesions))
        self.clicks.update(self.live is not None)
        self.messages.hint(scan)

    def showViews(self) -> None:
        """Show the reading, or the chosen scan, alone or side by side with an earlier one."""
        earlier = self.comparison.earlier()
        if earlier:
            self.views.showBeside(self.chosen.views, earlier)
        elif self.live is not None:
            self.views.showReading(self.live.node)
        else:
            self.views.show(self.chosen.views)
        self.clicks.follow()
        self.keepApart()

    def keepApart(self) -> None:
        """Show the outlines of each of two scans in its own views only."""
        box = self._parameterNode.box if self._parameterNode is not None else None
        self.comparison.update(self.live, box)

    def compare(self) -> None:
        """Compare the chosen scan with another one, or with none, at the same window."""
        if self._parameterNode is not None and not self._updating and self.chosen.views:
            self.showViews()
            self.display.apply(always=bool(self.comparison.earlier()))

    def shownVolumes(self) -> list[VolumeNode]:
        """The volume nodes of the scan that is chosen, with the sum of its views once it was read."""
        volumes = [*self.chosen.views.values(), *self.comparison.earlier().values()]
        total = self.live.node.GetNodeReference("aggregateCounts") if self.live is not None else None
        return [*volumes, total] if total is not None else volumes
