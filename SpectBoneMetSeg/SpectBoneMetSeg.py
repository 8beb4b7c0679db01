"""SpectBoneMetSeg: outlines abnormal uptake in planar whole-body bone scans. Research use only."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N806

import logging
import os

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegLib.scene_views import make_adjustable, register_layout, show_box
from SpectBoneMetSegModule.lesion_table import LesionTable
from SpectBoneMetSegModule.logic import SpectBoneMetSegLogic, sampleFile
from SpectBoneMetSegModule.selection import Selection
from SpectBoneMetSegModule.self_test import SpectBoneMetSegTest
from SpectBoneMetSegModule.views import Views, forgetCode

__all__ = ["SpectBoneMetSeg", "SpectBoneMetSegLogic", "SpectBoneMetSegTest", "SpectBoneMetSegWidget"]


class SpectBoneMetSeg(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Bone scan reading (SpectBoneMetSeg)")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Nuclear Medicine")]
        self.parent.dependencies = ["Segmentations", "SegmentEditor", "Markups", "SubjectHierarchy"]
        self.parent.contributors = ["The SpectBoneMetSeg developers"]
        self.parent.helpText = _(
            "Outlines areas of abnormal uptake in planar whole-body 99mTc-MDP bone scans and measures them. "
            "Research use only - not for diagnosis or treatment."
        )
        self.parent.acknowledgementText = _(
            "Method: Lin et al., Semi-supervised segmentation of metastasis lesions in bone scan images, "
            "Frontiers in Molecular Biosciences 9:956720, 2022."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the simulated study in the module Sample Data."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=_("Nuclear Medicine"),
        sampleName="SimulatedBoneScan",
        uris=sampleFile().as_uri(),
        fileNames="simulated_scan.dcm",
        nodeNames="SimulatedBoneScan",
        thumbnailFileName=os.path.join(os.path.dirname(__file__), "Resources", "Icons", "SpectBoneMetSeg.png"),
        customDownloader=lambda source: list(SpectBoneMetSegLogic.loadScan(sampleFile()).values()),
    )


class SpectBoneMetSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.live = None
        self._parameterNode = None
        self._guiConnection = None
        self._updating = False

    def setup(self):
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SpectBoneMetSeg.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SpectBoneMetSegLogic()
        self.logic.onProgress, self.logic.onFinished = self.onProgress, self.onFinished
        self.logic.onFailed, self.logic.onWarm = self.onFailed, self.onWarm
        self.selection = Selection(self.ui.segmentEditor)
        self.table = LesionTable(self.ui.lesionTable, self.selection.onChosenInTable, self.onLesionReviewed)
        self.selection.table = self.table
        self.views = Views(self.selection.onClickedInView)
        register_layout(slicer.mrmlScene)
        self.fillChoices()
        self.makeConnections()
        self.initializeParameterNode()

    def fillChoices(self):
        """Models, engines and devices."""
        self.ui.modelSelector.addItem("")
        for name in self.logic.modelNames():
            self.ui.modelSelector.addItem(name)
        engines = (("auto", _("Automatic")), ("tensorflow", "TensorFlow"), ("onnx", "ONNX Runtime"))
        devices = (("auto", _("Automatic")), ("gpu", _("GPU")), ("cpu", _("CPU")))
        for selector, choices in ((self.ui.engineSelector, engines), (self.ui.deviceSelector, devices)):
            for value, text in choices:
                selector.addItem(text, value)

    def makeConnections(self):
        """Signals of the panel and of the scene."""
        ui, scene = self.ui, slicer.mrmlScene
        ui.loadButton.connect("clicked(bool)", self.onLoad)
        ui.applyButton.connect("clicked(bool)", self.onApplyOrCancel)
        ui.resetButton.connect("clicked(bool)", self.onReset)
        ui.saveButton.connect("clicked(bool)", self.onSave)
        ui.fromFrontCheckBox.connect("toggled(bool)", self.onFromFront)
        ui.useBoxCheckBox.connect("toggled(bool)", self.onUseBox)
        ui.thresholdSlider.connect("valueChanged(double)", self.onSliderMoved)
        ui.minimumAreaSlider.connect("valueChanged(double)", self.onSliderMoved)
        ui.modelSelector.connect("currentTextChanged(QString)", self.onChoice)
        ui.engineSelector.connect("currentIndexChanged(int)", self.onChoice)
        ui.deviceSelector.connect("currentIndexChanged(int)", self.onChoice)
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)

    def cleanup(self):
        """The panel goes: nothing may stay behind."""
        self.logic.close()
        self.views.release()
        self.setParameterNode(None)
        self.removeObservers()
        self.selection.removeObservers()
        self.live = None

    def onReload(self):
        """Load all the module consists of anew; its worker starts again with the new code."""
        self.cleanup()
        forgetCode()
        ScriptedLoadableModuleWidget.onReload(self)
        slicer.modules.SpectBoneMetSegWidget.enter()

    def enter(self):
        """The module is opened: the worker starts meanwhile."""
        self.initializeParameterNode()
        self.views.observe()
        self.logic.warmUp(*self.choices())

    def exit(self):
        """Another module is opened; a reading under way goes on, and edits made there are followed."""
        self.views.release()

    def onSceneStartClose(self, caller, event):
        """The scene goes while the panel stays: stop what works for it."""
        self.logic.cancel()
        self.setLive(None)
        self.setParameterNode(None)

    def onSceneChanged(self, caller, event):
        """The scene was closed or another one opened, perhaps with a reading in it."""
        self.setLive(None)
        self.setParameterNode(None)
        self.initializeParameterNode()

    def initializeParameterNode(self):
        """Follow the scene's parameter node."""
        if self._parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode):
        """Show another parameter node, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiConnection)
            self.removeObserver(self._parameterNode.parameterNode, "ModifiedEvent", self.onParameters)
        self._parameterNode = parameterNode
        if parameterNode is None:
            return
        # The sliders take the node's values here, which moves no threshold.
        self._updating = True
        self._guiConnection = parameterNode.connectGui(self.ui)
        self.ui.modelSelector.setCurrentText(parameterNode.model)
        self.ui.engineSelector.setCurrentIndex(max(0, self.ui.engineSelector.findData(parameterNode.engine)))
        self.ui.deviceSelector.setCurrentIndex(max(0, self.ui.deviceSelector.findData(parameterNode.device)))
        self._updating = False
        self.views.fromBehind = not parameterNode.posteriorFromFront
        self.addObserver(parameterNode.parameterNode, "ModifiedEvent", self.onParameters)
        self.onParameters()

    def onParameters(self, caller=None, event=None):
        """Follow the chosen nodes."""
        from SpectBoneMetSegLib.live_reading import LiveReading

        # While a scene is read its nodes refer to others that are not there yet.
        if self._parameterNode is None or self._updating or slicer.mrmlScene.IsBatchProcessing():
            return
        node = self._parameterNode.segmentation
        if (self.live.node if self.live else None) is not node:
            self.setLive(LiveReading.find(node, slicer.mrmlScene) if node is not None else None)
        self.updateButtons()

    def choices(self):
        """Model, engine and device, as the logic takes them."""
        ui = self.ui
        return ui.modelSelector.currentText, ui.engineSelector.currentData, ui.deviceSelector.currentData

    def onChoice(self, value=None):
        """Remember model, engine and device."""
        if self._parameterNode is not None and not self._updating:
            parameters = self._parameterNode
            parameters.model, parameters.engine, parameters.device = self.choices()

    def setLive(self, live):
        """Show another reading, or none."""
        kinds = slicer.vtkSegmentation
        events = (kinds.SourceRepresentationModified, kinds.SegmentAdded, kinds.SegmentRemoved)
        if self.live is not None:
            for event in events:
                self.removeObserver(self.live.node.GetSegmentation(), event, self.onEdited)
        self.live = live
        if live is not None:
            for event in events:
                self.addObserver(live.node.GetSegmentation(), event, self.onEdited)
        self.selection.setLive(live)
        self.updateLesions()

    def updateLesions(self):
        """Table, sliders and words follow the reading."""
        self.table.show(self.live)
        if self.live is None:
            self.ui.summaryLabel.text = ""
            self.updateButtons()
            return
        self.selection.update()
        live, receipt = self.live, self.live.result.receipt
        self._updating = True
        self.ui.thresholdSlider.value = live.threshold
        self.ui.minimumAreaSlider.value = live.minimum_area_mm2 / 100
        self._updating = False
        area = sum(lesion.area_mm2 for lesion in live.reading.lesions) / 100
        words = [
            _("{n} areas of abnormal uptake, {area:.1f} cm² in all.").format(n=len(live.reading.lesions), area=area)
        ]
        if live.edited:
            words.append(_("Edited by hand; the sliders leave what was edited as it is."))
        self.ui.summaryLabel.text = " ".join(words + [str(note) for note in receipt.get("warnings", [])])
        self.ui.deviceLabel.text = f"{receipt.get('engine', '-')}, {receipt.get('device', '-')}"
        self.updateButtons()

    def updateButtons(self):
        """What can be done now."""
        parameters = self._parameterNode
        scan = parameters is not None and (parameters.anteriorVolume or parameters.posteriorVolume) is not None
        self.ui.applyButton.enabled = bool(self.logic.busy or scan)
        self.ui.applyButton.text = _("Cancel") if self.logic.busy else _("Apply")
        self.ui.progressBar.visible = bool(self.logic.busy)
        for widget in (self.ui.resetButton, self.ui.saveButton, self.ui.thresholdSlider, self.ui.minimumAreaSlider):
            widget.enabled = self.live is not None

    def onLoad(self, checked=False):
        """Load the file named in the panel."""
        try:
            volumes = self.logic.loadScan(self.ui.scanPath.currentPath)
        except UserError as error:
            self.onFailed(str(error))
            return
        self._parameterNode.anteriorVolume = volumes.get("anterior")
        self._parameterNode.posteriorVolume = volumes.get("posterior")

    def onApplyOrCancel(self, checked=False):
        """Start a reading, or stop the one under way."""
        if self.logic.busy:
            self.logic.cancel()
            self.logic.warmUp(*self.choices())
            self.ui.statusLabel.text = _("Cancelled.")
            self.updateButtons()
            return
        parameters = self._parameterNode
        try:
            model, engine, _device = self.choices()
            self.logic.ensureRequirements(engine, model)
            self.logic.process(
                parameters.anteriorVolume,
                parameters.posteriorVolume,
                parameters.segmentation,
                *self.choices(),
                box=parameters.box if parameters.useBox else None,
                waitForCompletion=False,
            )
        except UserError as error:
            self.onFailed(str(error))
            return
        self.ui.statusLabel.text = _("Starting...")
        self.updateButtons()

    def onProgress(self, event):
        """Show how far the worker is."""
        self.ui.progressBar.setValue(round(100 * event.fraction))
        text = self.logic.stepText(event.step)
        if event.remaining is not None:
            text = _("{step} - about {seconds:.0f} s to go").format(step=text, seconds=event.remaining)
        self.ui.statusLabel.text = text

    def onWarm(self, facts):
        """Say what the model was loaded with, before the first scan is read."""
        self.ui.deviceLabel.text = _("{engine}, {device} (ready)").format(**facts)
        if facts["warnings"] and not self.logic.busy:
            self.ui.statusLabel.text = " ".join(facts["warnings"])

    def onFinished(self, live):
        """Show the new reading."""
        self.setLive(live)
        parameters, scan = self._parameterNode, live.result.scan
        parameters.segmentation = live.node
        parameters.box = show_box(live.result.crop, scan.frame, slicer.mrmlScene, parameters.box)
        self.views.show(live.node)
        self.ui.statusLabel.text = _("Done in {seconds:.1f} s.").format(seconds=self.logic.seconds)
        self.updateButtons()

    def onFailed(self, message):
        """Say what went wrong, in the panel: no window to close."""
        logging.error(message)
        self.ui.statusLabel.text = message
        self.updateButtons()

    def onSliderMoved(self, value):
        """Draw the lesions anew from the stored probabilities."""
        wanted = self.ui.thresholdSlider.value, self.ui.minimumAreaSlider.value * 100
        # A scene that is read moves the sliders, too; its reading is found when all nodes are there.
        if self.live is None or self._updating or slicer.mrmlScene.IsBatchProcessing():
            return
        if wanted != (self.live.threshold, self.live.minimum_area_mm2):
            self.live.set_threshold(*wanted)
        self.updateLesions()

    def onEdited(self, caller, event):
        """Somebody changed the segments."""
        if self.live is not None and not self.live.updating and self.live.follow_edit():
            self.updateLesions()

    def onLesionReviewed(self, lesion, review):
        """Keep what was said; pieces of one segment share it."""
        self.live.set_review(lesion, review)
        self.updateLesions()

    def onFromFront(self, checked):
        """Look at the posterior view from the front, or from behind as acquired."""
        self.views.fromBehind = not checked
        if self.live is not None:
            self.views.show(self.live.node)

    def onUseBox(self, checked):
        """Show the thorax as a box that can be moved, before anything was read."""
        parameters = self._parameterNode
        if self._updating or parameters is None or slicer.mrmlScene.IsBatchProcessing():
            return
        if checked and parameters.box is None:
            try:
                parameters.box = self.logic.findBox(parameters.anteriorVolume, parameters.posteriorVolume)
            except UserError as error:
                self.onFailed(str(error))
        if parameters.box is not None:
            make_adjustable(parameters.box, checked)

    def onReset(self, checked=False):
        """Back to the model's result."""
        self.live.reset()
        self.updateLesions()

    def onSave(self, checked=False):
        """Write all results."""
        try:
            folder = self.live.save(self.ui.outputPath.currentPath or os.path.expanduser("~"))
        except UserError as error:
            self.onFailed(str(error))
            return
        self.ui.statusLabel.text = _("Saved in {folder}.").format(folder=folder)
