"""What the slice views show of a reading, and what is clicked in them."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.slice_views import (
    COMPARED,
    EARLIER,
    VIEWS,
    register_layout,
    restore_layout,
    show_scan,
    show_side_by_side,
)
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ..problems import slot

if TYPE_CHECKING:
    from ..slicer_types import Event, SegmentationNode, VolumeNode, Volumes, VtkObject, Widget

#: Slice views that show other scans, or copies.
OTHERS = {*EARLIER.values(), *COMPARED.values()}
#: Not imported anew at a reload.
KEPT = ("SpectBoneMetSegLib.common.errors",)


class Views(VTKObservationMixin):
    """Anterior, posterior and aggregate view of one reading."""

    def __init__(self, onClicked: Callable[[list[float]], None]) -> None:
        """Follow clicks.

        Args:
            onClicked: called with the RAS position (mm) of a click in a slice view.
        """
        VTKObservationMixin.__init__(self)
        self.onClicked = onClicked
        self.fromBehind = True
        self._listening = False
        self._clicks: list[tuple[VtkObject, int]] = []

    def show(self, volumes: Volumes, aggregateVolume: VolumeNode | None = None) -> None:
        """Show the views of a scan, {"anterior": volume node, "posterior": volume node} as far as they exist."""
        show_scan(volumes, slicer.mrmlScene, aggregateVolume, posterior_from_behind=self.fromBehind)
        self._fit()

    def showBeside(self, volumes: Volumes, earlier: Volumes) -> None:
        """Show the views of two scans side by side, each given as in `show`."""
        show_side_by_side(volumes, earlier, slicer.mrmlScene, posterior_from_behind=self.fromBehind)
        self._fit()

    def showReading(self, node: SegmentationNode) -> None:
        """Show the scan that belongs to a segmentation node."""
        volumes = {name: node.GetNodeReference(f"{name}Counts") for name in VIEW_NAMES}
        volumes = {name: volume for name, volume in volumes.items() if volume is not None}
        self.show(volumes, node.GetNodeReference("aggregateCounts"))

    def _fit(self) -> None:
        if self._listening:
            self.observe()
        fitViews()

    def observe(self) -> None:
        """Listen to clicks in the slice views that exist now, and in others once a scan is shown in them."""
        self.release()
        self._listening = True
        manager = slicer.app.layoutManager()
        # A position in the view of another scan is not a position of the reading.
        for name in set(manager.sliceViewNames()) - OTHERS if manager else ():
            interactor = manager.sliceWidget(name).sliceView().interactor()
            self._clicks.append((interactor, interactor.AddObserver("LeftButtonPressEvent", self._clicked)))

    def release(self) -> None:
        """Stop listening to clicks."""
        self._listening = False
        for interactor, tag in self._clicks:
            interactor.RemoveObserver(tag)
        self._clicks = []

    @slot
    def _clicked(self, caller: VtkObject, event: Event) -> None:
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        position = [0.0, 0.0, 0.0]
        if crosshair is not None and crosshair.GetCursorPositionRAS(position):
            self.onClicked(position)


def restoreLayout() -> None:
    """Back to the arrangement of views before ours."""
    if restore_layout(slicer.mrmlScene):
        fitViews()


def matchGround(names: Iterable[str] = tuple(VIEWS.values())) -> None:
    """Our views have the ground of a pixel without counts: around a whole body there would be bars beside it."""
    manager = slicer.app.layoutManager()
    for name in names:
        widget = manager.sliceWidget(name) if manager is not None else None
        if widget is not None:
            view, color = widget.sliceView(), groundOf(widget.mrmlSliceCompositeNode().GetBackgroundVolumeID())
            # Every setting draws the view anew.
            if view.backgroundColor.rgb() != color.rgb():
                view.setBackgroundColor(color)


def groundOf(volumeID: str | None) -> Widget:
    """The colour of a pixel without counts in a volume; white in an empty view, black for what has no colour table."""
    volume = slicer.mrmlScene.GetNodeByID(volumeID) if volumeID else None
    colors = volume.GetDisplayNode().GetColorNode() if volume is not None and volume.GetDisplayNode() else None
    color = [1.0, 1.0, 1.0, 1.0] if volume is None else [0.0, 0.0, 0.0, 1.0]
    if colors is not None:
        colors.GetColor(0, color)
    return qt.QColor(*(round(255 * part) for part in color[:3]))


def registerLayouts() -> None:
    """Make our arrangements of views known before a scene that was saved with one of them is opened."""
    register_layout(slicer.mrmlScene)


def fitViews() -> None:
    """Let every view show its whole field once the layout has given it its size, and ours on its own ground."""
    from .sides import ensureFollowed

    ensureFollowed()
    matchGround()
    manager = slicer.app.layoutManager()
    if manager is not None:
        qt.QTimer.singleShot(0, manager.resetSliceViews)


def forgetCode(*packages: str) -> None:
    """Let a module's own packages be imported anew; what is imported at a reload is what the files then hold.

    The class of our errors stays one: the other module, and what is under way, catch it by the class they know.
    """
    for name in [name for name in sys.modules if name.split(".")[0] in packages and name not in KEPT]:
        del sys.modules[name]
