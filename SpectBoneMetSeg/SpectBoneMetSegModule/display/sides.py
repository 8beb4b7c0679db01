"""What holds for the views from the start of the application: letters and grounds that are right, scenes that open."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N806

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
import vtk
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.side_marks import follow_view
from SpectBoneMetSegLib.mrml.slice_views import VIEWS, exclude_layout_from_scenes

from ..problems import slot
from .views import matchGround

if TYPE_CHECKING:
    from ..slicer_types import Event, Node, VtkObject

#: The name under which `slicer.modules` keeps the one follower.
NAME = "SpectBoneMetSegSides"
#: Dots per inch that VTK takes for a plain screen.
PLAIN_DPI = 72.0


class Sides(VTKObservationMixin):
    """Follows all slice views of the scene, those that come later, too."""

    def __init__(self) -> None:
        """Begin."""
        VTKObservationMixin.__init__(self)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        for event in (scene.EndImportEvent, scene.EndCloseEvent, scene.EndBatchProcessEvent):
            self.addObserver(scene, event, self.onSceneChanged)
        layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        if layout is not None:
            self.addObserver(layout, "ModifiedEvent", self.onLayoutChanged)
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
            for node in slicer.util.getNodesByClass(kind):
                self.observe(node)
        self.followAll()

    def observe(self, node: Node) -> None:
        """Follow a slice node, or the node of what a slice view shows."""
        if not self.hasObserver(node, "ModifiedEvent", self.onViewChanged):
            self.addObserver(node, "ModifiedEvent", self.onViewChanged)

    @slot
    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]  # VTK's Python code has no types
    def onNodeAdded(self, caller: VtkObject, event: Event, node: Node) -> None:
        """A view comes into being with the first layout that shows it."""
        if node.IsA("vtkMRMLSliceNode") or node.IsA("vtkMRMLSliceCompositeNode"):
            self.observe(node)

    @slot
    def onViewChanged(self, node: Node, event: Event | None) -> None:
        """A view was turned, sized, shifted, or shows something else."""
        # While a scene is read its nodes refer to others that are not there yet.
        if slicer.mrmlScene.IsBatchProcessing() or slicer.mrmlScene.IsClosing():
            return
        name = node.GetLayoutName()
        sliceNode = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")
        if sliceNode is not None:
            follow_view(sliceNode, slicer.mrmlScene, pixelsPerPoint(name))
        if name in VIEWS.values():
            self.followGround(name)

    def followGround(self, name: str) -> None:
        """One of our views has the ground of what is shown there now, also when that gets other colours."""
        composite = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}")
        volume = (
            slicer.mrmlScene.GetNodeByID(composite.GetBackgroundVolumeID() or "") if composite is not None else None
        )
        if volume is not None and not self.hasObserver(volume, volume.DisplayModifiedEvent, self.onColorsChanged):
            self.addObserver(volume, volume.DisplayModifiedEvent, self.onColorsChanged)
        matchGround([name])

    @slot
    def onColorsChanged(self, caller: VtkObject, event: Event) -> None:
        """A volume that is or was in one of our views is drawn in another way."""
        if not slicer.mrmlScene.IsBatchProcessing() and not slicer.mrmlScene.IsClosing():
            matchGround()

    @slot
    def onLayoutChanged(self, caller: VtkObject, event: Event) -> None:
        """Another arrangement of views, by us or by the user."""
        exclude_layout_from_scenes(slicer.mrmlScene)

    @slot
    def onSceneChanged(self, caller: VtkObject, event: Event) -> None:
        """All nodes are there again."""
        self.followAll()

    def followAll(self) -> None:
        """Every view that there is."""
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            self.onViewChanged(node, None)


def followSides() -> None:
    """Begin, in place of a follower of code that was loaded before."""
    before = getattr(slicer.modules, NAME, None)
    if before is not None:
        before.removeObservers()
    setattr(slicer.modules, NAME, Sides())


def ensureFollowed() -> None:
    """Begin if nobody has: an application that loads the modules after its own start never tells of that start."""
    if getattr(slicer.modules, NAME, None) is None:
        followSides()


def pixelsPerPoint(viewName: str) -> float:
    """How much larger than on a plain screen everything is drawn in a slice view."""
    manager = slicer.app.layoutManager()
    widget = manager.sliceWidget(viewName) if manager is not None else None
    window = widget.sliceView().renderWindow() if widget is not None else None
    return max(1.0, window.GetDPI() / PLAIN_DPI) if window is not None else 1.0
