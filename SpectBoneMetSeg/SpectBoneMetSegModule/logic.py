"""The module's logic: scans in, readings in the scene out, with the work done by a child process."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N806, N815

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic
from SpectBoneMetSegLib.common.errors import UserError, reason_of

from .display.views import fitViews
from .panel_texts import panelWords
from .parameter_node import SpectBoneMetSegParameterNode
from .problems import slot
from .requirements import areInstalled, ensureInstalled, requirementsFile
from .status_lines import RunningBar

if TYPE_CHECKING:
    from SpectBoneMetSegLib.lesions.model_result import ModelResult
    from SpectBoneMetSegLib.loading.options import Box, Region
    from SpectBoneMetSegLib.model.engines import DeviceName, EngineName
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan
    from SpectBoneMetSegLib.worker.client import Event as WorkerEvent
    from SpectBoneMetSegLib.worker.client import Worker

    from .slicer_types import BoxNode, SegmentationNode, VolumeNode, Volumes, Widget

#: How often the window looks for what the child process said, in milliseconds.
POLL_MS = 50


def boxOnScan(box: BoxNode, scan: WholeBodyScan) -> Box:
    """First row, end row, first column, end column of a scan inside a region node.

    Raises:
        UserError: the region does not lie on the scan.
    """
    from SpectBoneMetSegLib.mrml.slice_views import box_pixels

    first, end, left, right = box_pixels(box, scan.frame)
    rows, columns = scan.frame.shape
    if not (first < min(end, rows) and end > 0 and left < min(right, columns) and right > 0):
        raise UserError(_("The box lies outside the scan: move it onto the thorax."))
    # What reaches further out than the scan is long is air in any case.
    return max(first, -rows), min(end, 2 * rows), max(left, -columns), min(right, 2 * columns)


class Pending(NamedTuple):
    """A reading under way.

    Attributes:
        job: its number at the worker.
        nodeID: of the segmentation node that it fills; None for a new one.
        volumeIDs: of the scan's nodes. IDs, not nodes: the scene may be closed before the result comes.
        started: when it began, in seconds of `time.monotonic`.
    """

    job: int
    nodeID: str | None
    volumeIDs: dict[ViewName, str]
    started: float


class SpectBoneMetSegLogic(ScriptedLoadableModuleLogic):
    """Reads scans without the panel.

    logic = SpectBoneMetSegLogic()
    volumes = logic.loadScan("scan.dcm")
    live = logic.process(volumes.get("anterior"), volumes.get("posterior"))
    print(len(live.reading.lesions)); live.save("results")
    logic.processFolder("scans", "results")
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._worker: Worker | None = None
        self._pending: Pending | None = None
        self._timer: Widget | None = None
        self._failure: UserError | None = None
        self._live: LiveReading | None = None
        self.seconds = 0.0
        self._progress: RunningBar | None = None
        self.onProgress: Callable[[WorkerEvent], None] | None = None
        self.onFinished: Callable[[LiveReading], None] | None = None
        self.onFailed: Callable[[UserError], None] | None = None
        self.onWarm: Callable[[Mapping[str, Any]], None] | None = None

    @property
    def worker(self) -> Worker:
        """The child process that reads, started when first needed."""
        from SpectBoneMetSegLib.worker.client import Worker

        if self._worker is None:
            self._worker = Worker(python=shutil.which("PythonSlicer") or sys.executable)
        return self._worker

    @property
    def busy(self) -> bool:
        """Whether a reading is under way."""
        return self._pending is not None

    def getParameterNode(self) -> SpectBoneMetSegParameterNode:
        """The scene's parameter node."""
        return SpectBoneMetSegParameterNode(super().getParameterNode())

    @staticmethod
    def loadScan(
        path: str | Path | list[str], views: Sequence[ViewName] | None = None, pixelSize: float | None = None
    ) -> Volumes:
        """{"anterior": volume node, "posterior": volume node} of a file or the folder of a study, shown side by side.

        Args:
            path: the file or folder, or a list of the files of one scan.
            views: names of the pictures in stored order, such as ("posterior", "anterior"); None as the file states.
            pixelSize: edge of a pixel in mm; None as the file states.

        Raises:
            UserError: it cannot be read as a planar scan.
        """
        from SpectBoneMetSegLib.loading import read_files, read_scan
        from SpectBoneMetSegLib.mrml.slice_views import show_scan
        from SpectBoneMetSegLib.mrml.stored_result import add_scan

        scan = read_files(path) if isinstance(path, list) else read_scan(path, views=views, pixel_size_mm=pixelSize)
        volumes = add_scan(scan, slicer.mrmlScene)
        show_scan(volumes, slicer.mrmlScene)
        fitViews()
        return volumes

    @staticmethod
    def modelNames() -> list[str]:
        """Return the available models."""
        from SpectBoneMetSegLib.model.store import list_models

        try:
            return [model.path.name for model in list_models()]
        except ImportError:
            # Before the packages are installed; the default model still has no need of a name.
            return []

    def ensureRequirements(self, engine: EngineName = "auto", model: str = "", device: DeviceName = "auto") -> None:
        """Ask for missing packages of an engine and install them.

        Raises:
            UserError: the user declined, or the installation failed.
        """
        ensureInstalled(requirementsFile(engine, model, device))

    def warmUp(self, model: str = "", engine: EngineName = "auto", device: DeviceName = "auto") -> bool:
        """Load the model ahead of the first scan, when all packages are there; never asks.

        Returns:
            True when that was begun.
        """
        if self.worker.running or not areInstalled(requirementsFile(engine, model, device)):
            return False
        self.worker.warm_up(model or None, engine, device)
        self._startTimer()
        return True

    def findBox(
        self, anteriorVolume: VolumeNode | None, posteriorVolume: VolumeNode | None, box: BoxNode | None = None
    ) -> BoxNode:
        """Show the thorax of a scan as a region node that can be moved; a new one for None.

        Raises:
            UserError: there is no scan.
        """
        from SpectBoneMetSegLib.mrml.slice_views import show_box
        from SpectBoneMetSegLib.mrml.stored_result import scan_of_volumes
        from SpectBoneMetSegLib.pipeline import find_thorax

        scan = scan_of_volumes(anteriorVolume, posteriorVolume)
        return show_box(find_thorax(scan), scan.frame, slicer.mrmlScene, box)

    # Scripts call it with names of their choice.
    def process(  # noqa: PLR0913
        self,
        anteriorVolume: VolumeNode | None,
        posteriorVolume: VolumeNode | None,
        segmentationNode: SegmentationNode | None = None,
        model: str = "",
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        region: Region = "thorax",
        box: BoxNode | None = None,
        waitForCompletion: bool = True,
        inProcess: bool = False,
        readAnyway: bool = False,
    ) -> LiveReading | None:
        """Outline abnormal uptake in a scan.

        Args:
            anteriorVolume: one-slice volumes as the planar scintigraphy loader makes them, or None.
            posteriorVolume: one-slice volumes as the planar scintigraphy loader makes them, or None.
            segmentationNode: gets one segment per area; None makes a new one.
            model: name or folder; empty for the default one.
            engine: "auto", "tensorflow" or "onnx".
            device: "auto", "gpu" or "cpu".
            region: "thorax" or "whole-body".
            box: a vtkMRMLMarkupsROINode around what is to be read, instead of the thorax found.
            waitForCompletion: False returns at once; `onFinished` gets the reading later.
            inProcess: read in this very process, which brings the engine into it; waits.
            readAnyway: also what looks like no whole body in counts.

        Returns:
            The LiveReading, or None when not waiting.

        Raises:
            UserError: one sentence that says what to do.
        """
        from SpectBoneMetSegLib.mrml.stored_result import scan_of_volumes
        from SpectBoneMetSegLib.pipeline import Options

        if self.busy:
            raise UserError(_("Another scan is being read: wait for it or cancel it."))
        scan = scan_of_volumes(anteriorVolume, posteriorVolume)
        started = time.monotonic()
        crop = boxOnScan(box, scan) if box is not None else None
        options = Options(region=region, crop=crop, read_anyway=readAnyway)
        result, job = None, 0
        if inProcess:
            from SpectBoneMetSegLib.worker.child import read_here

            result = read_here(scan, model or None, engine, device, options)
        else:
            job = self.worker.read(scan, model or None, engine, device, options)
        volumes: Volumes = {"anterior": anteriorVolume, "posterior": posteriorVolume}
        ids = {name: volume.GetID() for name, volume in volumes.items() if volume is not None}
        nodeID = segmentationNode.GetID() if segmentationNode is not None else None
        self._pending, self._failure, self._live = Pending(job, nodeID, ids, started), None, None
        self._progress = None
        if result is not None:
            self._finish(result)
        elif not waitForCompletion:
            self._startTimer()
            return None
        return self._wait()

    def processFolder(
        self,
        inputFolder: str | Path,
        outputFolder: str | Path,
        model: str = "",
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        region: Region = "thorax",
    ) -> dict[str, str]:
        """Read every study in a folder (each a file or a folder of its own) and save all results; no scene is filled.

        Returns:
            {name of the study: its result folder, or the sentence that says why it was not read}

        Raises:
            UserError: there is no such folder, or a scan is being read.
        """
        from SpectBoneMetSegLib.export.result_folder import save_reading
        from SpectBoneMetSegLib.lesions.redraw import reading_at
        from SpectBoneMetSegLib.loading import case_name
        from SpectBoneMetSegLib.pipeline import Options

        if self.busy:
            raise UserError(_("Another scan is being read: wait for it or cancel it."))
        try:
            studies = sorted(path for path in Path(inputFolder).iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise UserError(
                _("{folder} cannot be read ({why}): choose the folder of the studies.").format(
                    folder=inputFolder, why=reason_of(error)
                )
            ) from error
        if self._timer is not None:
            # It would take the worker's words away from the loop that waits for them here.
            self._timer.stop()
        outcome: dict[str, str] = {}
        for path in studies:
            try:
                job = self.worker.read(path, model or None, engine, device, Options(region=region))
                result = self.worker.wait(job, idle=slicer.app.processEvents)
                limits = result.limits.threshold, result.limits.minimum_area_mm2
                folder = str(Path(outputFolder) / case_name(path))
                if folder in outcome.values():
                    raise UserError(
                        _("{folder} already holds another study of this folder: rename one of them.").format(
                            folder=folder
                        )
                    )
                save_reading(reading_at(result, *limits), folder)
                outcome[path.name] = folder
            except UserError as error:
                outcome[path.name] = panelWords(error)
        return outcome

    @slot
    def onTimer(self) -> None:
        """Poll the worker."""
        self.poll()

    def recover(self) -> None:
        """Reset after an unexpected error."""
        if self._timer is not None:
            self._timer.stop()
        self.cancel()
        words = _("The reading was interrupted by an error. Apply again, or copy the log for a bug report.")
        self._fail(UserError(words))

    def poll(self) -> None:
        """Process the events of the worker."""
        for event in self.worker.poll():
            mine = self._pending is not None and event.job == self._pending.job
            if event.kind == "progress" and self.busy:
                self._progress = RunningBar(event, self._progress)
            elif event.facts is not None and event.kind == "warm" and self.onWarm:
                self.onWarm(event.facts)
            elif event.result is not None and event.kind == "done" and mine:
                self._finish(event.result)
            elif event.kind == "crashed" and self.busy:
                self._fail(event.error)
            elif event.kind in ("failed", "crashed") and event.job and (mine or not self.busy):
                # Of a reading, or of a model that was to be loaded ahead of one.
                self._fail(event.error)
        if self.busy and self._progress is not None and self.onProgress:
            self.onProgress(self._progress.now())
        if self._timer is not None and not self.worker.busy:
            self._timer.stop()

    def cancel(self) -> None:
        """Stop the running reading, and the worker with its child processes."""
        if self.busy:
            self._pending = None
            self.worker.cancel()

    def close(self) -> None:
        """End the worker."""
        self._pending = None
        if self._timer is not None:
            self._timer.stop()
        if self._worker is not None:
            self._worker.close()

    def _wait(self) -> LiveReading:
        while self.busy:
            self.poll()
            slicer.app.processEvents()
            time.sleep(0.01)
        if self._live is None:
            raise self._failure or UserError(_("The reading was cancelled."))
        return self._live

    def _startTimer(self) -> None:
        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.setInterval(POLL_MS)
            self._timer.connect("timeout()", self.onTimer)
        self._timer.start()

    def _finish(self, result: ModelResult) -> None:
        from SpectBoneMetSegLib.mrml.live_reading import LiveReading
        from SpectBoneMetSegLib.mrml.nodes import add_segmentation

        pending, self._pending = self._pending, None
        if pending is None:
            return
        node = slicer.mrmlScene.GetNodeByID(pending.nodeID) if pending.nodeID is not None else None
        volumes = {name: slicer.mrmlScene.GetNodeByID(number) for name, number in pending.volumeIDs.items()}
        if (node is None and pending.nodeID is not None) or None in volumes.values():
            self._fail(UserError(_("The scan or its segmentation was removed while it was read.")))
            return
        if node is None:
            # Only now: a reading that was cancelled or failed leaves nothing behind.
            name = _("{case} abnormal uptake").format(case=result.scan.case)
            name = slicer.mrmlScene.GenerateUniqueName(name)
            node = add_segmentation(name, next(iter(volumes.values())), slicer.mrmlScene)
        self._live = LiveReading.start(result, node, volumes, slicer.mrmlScene)
        self.seconds = time.monotonic() - pending.started
        if self.onFinished:
            self.onFinished(self._live)

    def _fail(self, error: UserError) -> None:
        self._pending, self._failure = None, error
        if self.onFailed:
            self.onFailed(error)
