"""Views of two scans that are compared have the same scale; each keeps its own position."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.slice_views import LAYOUTS, SIDE_BY_SIDE, VIEWS

from ..problems import slot

if TYPE_CHECKING:
    from ..slicer_types import Event, SliceNode, VtkObject

#: Scales that differ by less are the same.
SAME = 1e-3


class LinkedViews(VTKObservationMixin):
    """Lets some views follow the one that is moved; what they take over from it, `take` says."""

    def __init__(self) -> None:
        """Nothing is linked yet."""
        VTKObservationMixin.__init__(self)
        self._wanted = self._linking = False

    def link(self) -> None:
        """Follow the views that are there, once each shows its whole field."""
        if not self._wanted:
            self._wanted = True
            qt.QTimer.singleShot(0, self.begin)

    def unlink(self) -> None:
        """Follow none."""
        self._wanted = False
        self.removeObservers()

    @slot
    def begin(self) -> None:
        """Begin with the scale at which every scan is seen whole."""
        nodes = self.nodes()
        if not self._wanted or not nodes:
            return
        self.first(nodes)
        for node in nodes:
            if not self.hasObserver(node, "ModifiedEvent", self.onMoved):
                self.addObserver(node, "ModifiedEvent", self.onMoved)

    @slot
    def onMoved(self, caller: VtkObject, event: Event) -> None:
        """A view was zoomed, shifted or sized: the others follow."""
        if self._wanted and not self._linking and not slicer.mrmlScene.IsBatchProcessing():
            self.take(caller, scaleOf(caller))

    def nodes(self) -> list[SliceNode]:
        """The slice nodes of the views that are there."""
        raise NotImplementedError

    def first(self, nodes: list[SliceNode]) -> None:
        """Let the views begin alike."""
        leader = max(nodes, key=scaleOf)
        self.take(leader, scaleOf(leader))

    def take(self, leader: SliceNode, scale: float) -> None:
        """Let all views follow one, `scale` millimetres in a pixel."""
        raise NotImplementedError


class ZoomLink(LinkedViews):
    """Lets the zoom of one of the four views be that of all, which stay where they are."""

    def nodes(self) -> list[SliceNode]:
        """The slice nodes of the four views."""
        nodes = (slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{VIEWS[name]}") for name in LAYOUTS[SIDE_BY_SIDE])
        return [node for node in nodes if node is not None]

    def take(self, leader: SliceNode, scale: float) -> None:
        """Let all views have one scale."""
        self._linking = True
        for node in self.nodes():
            setScale(node, scale)
        self._linking = False


def scaleOf(node: SliceNode) -> float:
    """Millimetres in a pixel of a slice view."""
    return float(node.GetFieldOfView()[1] / max(1, node.GetDimensions()[1]))


def setScale(node: SliceNode, scale: float) -> None:
    """Show so many millimetres in a pixel of a slice view, which stays as it is where that is so already."""
    if abs(scaleOf(node) - scale) > SAME * scale:
        width, height = node.GetDimensions()[:2]
        node.SetFieldOfView(scale * width, scale * height, node.GetFieldOfView()[2])
