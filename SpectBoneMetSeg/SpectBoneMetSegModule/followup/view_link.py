"""The four views of two compared scans show the same position of the body at the same scale."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import slicer
from numpy.typing import NDArray
from SpectBoneMetSegLib.mrml.slice_views import COMPARED

from ..display.zoom_link import LinkedViews, scaleOf, setScale

if TYPE_CHECKING:
    from SpectBoneMetSegLib.followup.registration import Affine
    from SpectBoneMetSegLib.followup.side_by_side import Position

    from ..slicer_types import SliceNode

#: Places that lie closer together than this are the same (mm).
CLOSE_MM = 0.05
#: At first the field is so much smaller than its view: a head at the field's edge is not under the line of letters.
ROOM = 1.1
EARLIER_VIEWS, LATER_VIEWS = (
    [view for name, view in COMPARED.items() if name.startswith(when)] for when in ("then", "now")
)


class ViewLink(LinkedViews):
    """Applies position and zoom of one of the four views to all, through the map between both scans."""

    def __init__(self) -> None:
        """Nothing is linked yet."""
        LinkedViews.__init__(self)
        self._body: Affine | None = None
        self._offset = np.zeros(2)

    def follow(self, body: Affine) -> None:
        """Link the views; `body` is the map from the earlier scan to the later."""
        self._body, self._offset = body, np.zeros(2)
        self.link()

    def focus(self, earlier: Position, later: Position) -> None:
        """Bring a position of each scan (R, S mm) into the middle of its views; from there on they move together."""
        if self._body is None:
            return
        self._offset = np.asarray(later) - self._body(np.array([earlier]))[0]
        nodes = self.nodes()
        if nodes:
            self._spread(np.asarray(later), scaleOf(nodes[0]))

    def nodes(self) -> list[SliceNode]:
        """The slice nodes of the four views."""
        return [node for group in (EARLIER_VIEWS, LATER_VIEWS) for node in nodesOf(group)]

    def first(self, nodes: list[SliceNode]) -> None:
        """Begin where the later scan is seen whole, with a margin."""
        later = nodesOf(LATER_VIEWS)
        leader = max(nodes, key=scaleOf)
        self.take(later[0] if later else leader, ROOM * scaleOf(leader))

    def take(self, leader: SliceNode, scale: float) -> None:
        """Move all views to the position of one."""
        if self._body is None:
            return
        place = centreOf(leader)
        if leader in nodesOf(EARLIER_VIEWS):
            place = self._body(place[None])[0] + self._offset
        self._spread(place, scale)

    def _spread(self, later: NDArray[np.float64], scale: float) -> None:
        """Centre all views on a position of the later scan and its match, at `scale` millimetres per pixel."""
        if self._body is None:
            return
        earlier = self._body.inverse((later - self._offset)[None])[0]
        self._linking = True
        for views, wanted in ((EARLIER_VIEWS, earlier), (LATER_VIEWS, later)):
            for node in nodesOf(views):
                if np.abs(centreOf(node) - wanted).max() > CLOSE_MM:
                    matrix = node.GetSliceToRAS()
                    matrix.SetElement(0, 3, float(wanted[0]))
                    matrix.SetElement(2, 3, float(wanted[1]))
                    node.UpdateMatrices()
                setScale(node, scale)
        self._linking = False


def nodesOf(views: Iterable[str]) -> list[SliceNode]:
    """The slice nodes of views that are there."""
    nodes = (slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}") for view in views)
    return [node for node in nodes if node is not None]


def centreOf(node: SliceNode) -> NDArray[np.float64]:
    """R, S mm of the middle of a slice view."""
    matrix = node.GetSliceToRAS()
    return np.array([matrix.GetElement(0, 3), matrix.GetElement(2, 3)])
