"""Views of two scans that are compared show a millimetre equally large; where each looks is its own."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import qt
import slicer
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.slice_views import BESIDE, LAYOUTS, VIEWS

from ..problems import slot

#: Scales that differ by less are the same.
SAME = 1e-3


class ZoomLink(VTKObservationMixin):
    """Lets the zoom of one of the four views be that of all."""

    def __init__(self):
        """Nothing is linked yet."""
        VTKObservationMixin.__init__(self)
        self._wanted = self._linking = False

    def link(self):
        """Follow the views that are there, once each shows its whole field."""
        if not self._wanted:
            self._wanted = True
            qt.QTimer.singleShot(0, self.begin)

    def unlink(self):
        """Follow none."""
        self._wanted = False
        self.removeObservers()

    @slot
    def begin(self):
        """Begin with the scale at which every scan is seen whole."""
        if not self._wanted:
            return
        nodes = shownNodes()
        if nodes:
            self._take(max(nodes, key=scaleOf))
        for node in nodes:
            if not self.hasObserver(node, "ModifiedEvent", self.onZoomed):
                self.addObserver(node, "ModifiedEvent", self.onZoomed)

    @slot
    def onZoomed(self, caller, event):
        """A view was zoomed, shifted or sized: the others take its scale, and stay where they are."""
        if not self._linking and not slicer.mrmlScene.IsBatchProcessing():
            self._take(caller)

    def _take(self, leader):
        self._linking = True
        scale = scaleOf(leader)
        for node in shownNodes():
            if abs(scaleOf(node) - scale) > SAME * scale:
                width, height = node.GetDimensions()[:2]
                node.SetFieldOfView(scale * width, scale * height, node.GetFieldOfView()[2])
        self._linking = False


def scaleOf(node):
    """Millimetres in a pixel of a slice view."""
    return node.GetFieldOfView()[1] / max(1, node.GetDimensions()[1])


def shownNodes():
    """The slice nodes of the four views."""
    nodes = (slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{VIEWS[name]}") for name in LAYOUTS[BESIDE])
    return [node for node in nodes if node is not None]
