"""What the buttons and sliders of the reading module's panel do."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.outputs import Outputs
from SpectBoneMetSegLib.mrml.area_table import show_areas
from SpectBoneMetSegLib.mrml.slice_views import make_adjustable, show_box

from . import settings
from .followup.earlier_scans import remember
from .panel import Panel
from .panel_texts import readingStepWords
from .problems import slot
from .requirements import RESULTS, ensureInstalled
from .review.dicom_database import addToDatabase, whyNotInDatabase
from .review.segment_changes import endHistories

if TYPE_CHECKING:
    from SpectBoneMetSegLib.lesions.model_result import ModelResult
    from SpectBoneMetSegLib.lesions.review import Review
    from SpectBoneMetSegLib.loading.options import Region
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.scan.planar import ViewName
    from SpectBoneMetSegLib.worker.client import Event as WorkerEvent


class ReadingActions(Panel):
    """Mixin of the panel's widget: load, read, redraw, review and save."""

    @slot
    def onLoad(self, checked: bool = False) -> None:
        """Load the file named in the panel."""
        path = self.ui.scanPath.currentPath
        if not path:
            self.messages.say(_("Choose a file first."), "error")
            return
        try:
            self.openScan(path, *self.choices.scanFacts())
        except UserError as error:
            self.messages.fail(error)

    def openScan(
        self, path: str | Path | list[str], views: Sequence[ViewName] | None = None, pixelSize: float | None = None
    ) -> None:
        """Load a scan and choose it; arguments and errors are those of `logic.loadScan`."""
        with slicer.util.WaitCursor():
            volumes = self.logic.loadScan(path, views, pixelSize)
        self.messages.say("")
        parameters = self._parameterNode
        if parameters is not None:
            parameters.anteriorVolume, parameters.posteriorVolume = volumes.get("anterior"), volumes.get("posterior")

    @slot
    def onApplyOrCancel(self, checked: bool = False) -> None:
        """Start a reading, or stop the one under way."""
        if self.logic.busy:
            self.logic.cancel()
            if self.ui.warmCheckBox.checked:
                self.warmUp()
            self.messages.say(_("Cancelled."))
            self.updateButtons()
            return
        parameters = self._parameterNode
        if parameters is None:
            return
        self.changes.flush()
        # What a person has done is not thrown away: it stays as a reading of its own.
        self._kept = self.live.node.GetID() if self.live is not None and self.live.touched() else None
        try:
            model, engine, device = self.choices.current()
            self.logic.ensureRequirements(engine, model, device)
            self.logic.process(
                parameters.anteriorVolume,
                parameters.posteriorVolume,
                None if self._kept else parameters.segmentation,
                model,
                engine,
                device,
                region="thorax" if parameters.useBox else cast("Region", parameters.region),
                box=parameters.box if parameters.useBox else None,
                waitForCompletion=False,
                readAnyway=parameters.readAnyway,
            )
        except UserError as error:
            self.onFailed(error)
            return
        self.messages.say(_("Starting..."))
        self.ui.progressBar.setValue(0)
        self.updateButtons()

    @slot
    def onProgress(self, event: WorkerEvent) -> None:
        """Show how far the worker is."""
        self.messages.progress(event, readingStepWords(event.step))

    @slot
    def onWarm(self, facts: Mapping[str, Any]) -> None:
        """Show the engine and device that the model was loaded with."""
        self.messages.ready(facts, self.logic.busy)

    def readsAnyway(self) -> bool:
        """Whether to read a scan that is not recognised as a whole body in counts."""
        return self._parameterNode is not None and self._parameterNode.readAnyway

    def showRead(self, result: ModelResult) -> None:
        """Show a movable box around the region read; none for the whole body."""
        parameters = self._parameterNode
        if parameters is None:
            return
        if result.crop.method != "whole-body":
            parameters.box = show_box(result.crop, result.scan.frame, slicer.mrmlScene, parameters.box)
        elif parameters.box is not None:
            slicer.mrmlScene.RemoveNode(parameters.box)
            parameters.useBox = False

    @slot
    def onFinished(self, live: LiveReading) -> None:
        """Show the new reading."""
        endHistories(self.ui.segmentEditor, live.node)
        self.setLive(live)
        if self._parameterNode is not None:
            self._parameterNode.segmentation = live.node
        self.showRead(live.result)
        self.showViews()
        self.display.apply()
        text = _("Done in {seconds:.1f} s.").format(seconds=self.logic.seconds)
        kept = slicer.mrmlScene.GetNodeByID(self._kept) if self._kept else None
        if kept is not None:
            words = _("The reading with your changes is kept as {name}; choose it under Result to continue with it.")
            text = f"{text} {words.format(name=kept.GetName())}"
        self.messages.say(text)
        self.updateButtons()

    @slot
    def onFailed(self, error: str | UserError) -> None:
        """Show an error in the panel, without a dialog."""
        self.messages.fail(error)
        self.updateButtons()

    def fail(self, sentence: str | UserError) -> None:
        """Show in the panel why an action is not possible."""
        self.messages.fail(sentence)

    def recover(self) -> None:
        """Update the buttons after an error."""
        self.updateButtons()

    @slot
    def onSliderMoved(self, value: float) -> None:
        """Redraw the lesions from the stored probabilities."""
        wanted = self.ui.thresholdSlider.value, self.ui.minimumAreaSlider.value * 100
        # A scene that is read moves the sliders, too; its reading is found when all nodes are there.
        if self.live is None or self._updating or slicer.mrmlScene.IsBatchProcessing():
            return
        self.changes.flush()
        with slicer.util.RenderBlocker():
            if wanted != (self.live.threshold, self.live.minimum_area_mm2):
                self.live.set_threshold(*wanted)
                endHistories(self.ui.segmentEditor, self.live.node)
                self._settling.start()
            self.updateLesions()

    @slot
    def onSettled(self) -> None:
        """Finish a change of the sliders once they have stopped."""
        if self.live is not None and self.live.node.GetScene() is not None:
            self.live.make_surfaces()

    def onDrawn(self) -> None:
        """Update the panel after clicks corrected areas; surfaces are rebuilt once the clicks pause."""
        self._settling.start()
        self.updateLesions()

    def onUndoing(self) -> None:
        """Finish pending updates first: surfaces built after an undo would be a new step and end the redo history."""
        self.changes.flush()
        if self._settling.active:
            self._settling.stop()
            self.onSettled()

    @slot
    def onLesionReviewed(self, lesion: int, review: Review) -> None:
        """Store a review decision as one undo step; pieces of one segment share it."""
        self.changes.flush()
        if self.live is None:
            return
        self.ui.segmentEditor.saveStateForUndo()
        self.live.set_review(lesion, review)
        self.updateLesions()

    @slot
    def onReset(self, checked: bool = False) -> None:
        """Back to the model's result."""
        question = _("Discard all edits, decisions and classifications of this reading? This cannot be undone.")
        if self.live is None:
            return
        if self.live.touched() and not (slicer.app.testingEnabled() or slicer.util.confirmOkCancelDisplay(question)):
            return
        with slicer.util.RenderBlocker():
            self.live.reset()
            endHistories(self.ui.segmentEditor, self.live.node)
            self.updateLesions()

    @slot
    def onSave(self, checked: bool = False) -> None:
        """Write all results."""
        if not self.ui.outputPath.currentPath:
            self.messages.say(_("Choose a folder to save in first."), "error")
            return
        self.changes.flush()
        live = self.live
        if live is None:
            return
        kept = self.ui.databaseCheckBox.checked and not whyNotInDatabase(live)
        outputs = Outputs(dicom=self.ui.dicomCheckBox.checked or kept, report=self.ui.reportCheckBox.checked)
        try:
            if outputs.wanted:
                ensureInstalled(RESULTS)
            with slicer.util.WaitCursor():
                folder = live.save(self.ui.outputPath.currentPath, outputs)
                added, complete = addToDatabase(folder) if kept else ("", True)
        except UserError as error:
            self.messages.fail(error)
            return
        settings.keep(settings.OUTPUT, self.ui.outputPath.currentPath)
        remember(folder)
        told = [_("Saved in {folder}.").format(folder=folder), *live.not_saved, added]
        self.messages.say(" ".join(filter(None, told)), "" if complete else "error")

    @slot
    def onReportPreview(self, checked: bool = False) -> None:
        """Show the report in the browser; nothing is saved."""
        self.changes.flush()
        if self.live is None:
            return
        try:
            ensureInstalled(RESULTS)
            with slicer.util.WaitCursor():
                self.preview.show(self.live)
        except UserError as error:
            self.messages.fail(error)

    @slot
    def onAreaTable(self, checked: bool = False) -> None:
        """Put the areas into a table of the scene."""
        self.changes.flush()
        if self.live is None:
            return
        node = show_areas(self.live, slicer.mrmlScene)
        words = _("{name} is in the scene: see it in the module Tables. A planar scan has areas, and no volumes.")
        self.messages.say(words.format(name=node.GetName()))

    @slot
    def onFromFront(self, checked: bool) -> None:
        """Show the posterior view from the front, or from behind as acquired."""
        self.views.fromBehind = not checked
        if not self._updating and self._parameterNode is not None:
            self.showViews()

    @slot
    def onUseBox(self, checked: bool) -> None:
        """Show the thorax as a box that can be moved, before anything was read."""
        self.ui.regionSelector.enabled = not checked
        parameters = self._parameterNode
        if self._updating or parameters is None or slicer.mrmlScene.IsBatchProcessing():
            return
        # Before the box: a changed parameter shows all of them in the panel, the earlier useBox included.
        parameters.useBox = checked
        if checked and parameters.box is None:
            try:
                parameters.box = self.logic.findBox(parameters.anteriorVolume, parameters.posteriorVolume)
            except UserError as error:
                self.onFailed(error)
        if parameters.box is not None:
            make_adjustable(parameters.box, adjustable=checked)
