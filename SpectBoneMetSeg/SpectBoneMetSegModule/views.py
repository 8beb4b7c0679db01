"""What the slice views show of a reading, and what is clicked in them."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N806

import sys

import qt
import slicer
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.side_marks import follow_view
from SpectBoneMetSegLib.mrml.slice_views import PANELS, register_layout, show_scan


class Views(VTKObservationMixin):
    """Anterior, posterior and aggregate view of one reading."""

    def __init__(self, onClicked):
        """Follow clicks.

        Args:
            onClicked: called with the RAS position (mm) of a click in a slice view.
        """
        VTKObservationMixin.__init__(self)
        self.onClicked = onClicked
        self.fromBehind = True
        self._listening = False
        self._clicks = []

    def show(self, volumes, aggregateVolume=None):
        """Show the views of a scan, {"anterior": volume node, "posterior": volume node} as far as they exist."""
        show_scan(volumes, slicer.mrmlScene, self.fromBehind, aggregateVolume)
        # A view comes into being with the first layout that shows it.
        self.followMarks()
        if self._listening:
            self.observe()
        fitViews()

    def showReading(self, node):
        """Show the scan that belongs to a segmentation node."""
        volumes = {name: node.GetNodeReference(f"{name}Counts") for name in ("anterior", "posterior")}
        volumes = {name: volume for name, volume in volumes.items() if volume is not None}
        self.show(volumes, node.GetNodeReference("aggregateCounts"))

    def followMarks(self):
        """Keep the letters of the patient's sides in sight, whatever is done to the views that exist now."""
        self.removeObservers()
        for name in PANELS.values():
            sliceNode = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")
            composite = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}")
            for node in (sliceNode, composite):
                if node is not None:
                    self.addObserver(node, "ModifiedEvent", lambda caller, event, s=sliceNode: self._follow(s))

    def observe(self):
        """Listen to clicks in the slice views that exist now, and in others once a scan is shown in them."""
        self.release()
        self._listening = True
        manager = slicer.app.layoutManager()
        for name in manager.sliceViewNames() if manager else ():
            interactor = manager.sliceWidget(name).sliceView().interactor()
            self._clicks.append((interactor, interactor.AddObserver("LeftButtonPressEvent", self._clicked)))

    def release(self):
        """Stop listening to clicks."""
        self._listening = False
        for interactor, tag in self._clicks:
            interactor.RemoveObserver(tag)
        self._clicks = []

    def _follow(self, sliceNode):
        # While a scene is read its nodes refer to others that are not there yet.
        if not slicer.mrmlScene.IsBatchProcessing():
            follow_view(sliceNode, slicer.mrmlScene)

    def _clicked(self, caller, event):
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        position = [0.0, 0.0, 0.0]
        if crosshair is not None and crosshair.GetCursorPositionRAS(position):
            self.onClicked(position)


def registerLayouts():
    """Make our arrangements of views known before a scene that was saved with one of them is opened."""
    register_layout(slicer.mrmlScene)


def fitViews():
    """Let every view show its whole field once the layout has given it its size."""
    manager = slicer.app.layoutManager()
    if manager is not None:
        qt.QTimer.singleShot(0, manager.resetSliceViews)


def forgetCode(*packages):
    """Let a module's own packages be imported anew; what is imported at a reload is what the files then hold."""
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]
