"""The four views of two compared scans look at one place of the body, equally large."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import numpy as np
import qt
import slicer
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.slice_views import COMPARED

from ..display.zoom_link import SAME, scaleOf
from ..problems import slot

#: Places that lie closer together than this are the same (mm).
CLOSE_MM = 0.05
#: At first the field is so much smaller than its view: a head at the field's edge is not under the line of letters.
ROOM = 1.1


class ViewLink(VTKObservationMixin):
    """Lets the place and the zoom of one of the four views be that of all, through the map between both scans."""

    def __init__(self):
        """Nothing is linked yet."""
        VTKObservationMixin.__init__(self)
        self._wanted = self._linking = False
        self._body, self._offset = None, np.zeros(2)

    def link(self, body):
        """Follow the views, once each shows its whole field; `body` is the map from the earlier scan to the later."""
        self._body, self._offset = body, np.zeros(2)
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
        nodes = self.nodes()
        if not self._wanted or not nodes:
            return
        later = [node for name, node in nodes.items() if name.startswith("now")]
        leader = max(nodes.values(), key=scaleOf)
        self._take(later[0] if later else leader, ROOM * scaleOf(leader))
        for node in nodes.values():
            if not self.hasObserver(node, "ModifiedEvent", self.onMoved):
                self.addObserver(node, "ModifiedEvent", self.onMoved)

    def focus(self, earlier, later):
        """Bring a place of each scan (R, S mm) into the middle of its views; from there on they move together."""
        if self._body is None:
            return
        self._offset = np.asarray(later) - self._body(np.array([earlier]))[0]
        nodes = self.nodes()
        if nodes:
            self._spread(np.asarray(later), scaleOf(next(iter(nodes.values()))))

    @slot
    def onMoved(self, caller, event):
        """A view was zoomed, shifted or sized: the others follow."""
        if self._wanted and not self._linking and not slicer.mrmlScene.IsBatchProcessing():
            self._take(caller, scaleOf(caller))

    def nodes(self):
        """{name: slice node} of the four views."""
        found = {name: slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}") for name, view in COMPARED.items()}
        return {name: node for name, node in found.items() if node is not None}

    def _take(self, leader, scale):
        place = centreOf(leader)
        earlier = [node for name, node in self.nodes().items() if name.startswith("then")]
        if leader in earlier:
            place = self._body(place[None])[0] + self._offset
        self._spread(place, scale)

    def _spread(self, later, scale):
        """Let all views look at a place of the later scan and its partner, `scale` millimetres in a pixel."""
        earlier = self._body.back((later - self._offset)[None])[0]
        self._linking = True
        for name, node in self.nodes().items():
            wanted = later if name.startswith("now") else earlier
            if np.abs(centreOf(node) - wanted).max() > CLOSE_MM:
                matrix = node.GetSliceToRAS()
                matrix.SetElement(0, 3, float(wanted[0]))
                matrix.SetElement(2, 3, float(wanted[1]))
                node.UpdateMatrices()
            if abs(scaleOf(node) - scale) > SAME * scale:
                width, height = node.GetDimensions()[:2]
                node.SetFieldOfView(scale * width, scale * height, node.GetFieldOfView()[2])
        self._linking = False


def centreOf(node):
    """R, S mm of the middle of a slice view."""
    matrix = node.GetSliceToRAS()
    return np.array([matrix.GetElement(0, 3), matrix.GetElement(2, 3)])
