"""What the slice views show of a reading, and what is clicked in them."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

import sys

import slicer


class Views:
    """Anterior, posterior and aggregate view of one reading."""

    def __init__(self, onClicked):
        """Follow clicks.

        Args:
            onClicked: called with the RAS position (mm) of a click in a slice view.
        """
        self.onClicked = onClicked
        self.fromBehind = True
        self._observers = []

    def show(self, node):
        """Show the scan that belongs to a segmentation node."""
        from SpectBoneMetSegLib.scene_views import show_scan

        volumes = {name: node.GetNodeReference(f"{name}Counts") for name in ("anterior", "posterior")}
        volumes = {name: volume for name, volume in volumes.items() if volume is not None}
        show_scan(volumes, slicer.mrmlScene, self.fromBehind, node.GetNodeReference("aggregateCounts"))

    def observe(self):
        """Listen to the slice views that exist now."""
        self.release()
        manager = slicer.app.layoutManager()
        for name in manager.sliceViewNames() if manager else ():
            interactor = manager.sliceWidget(name).sliceView().interactor()
            self._observers.append((interactor, interactor.AddObserver("LeftButtonPressEvent", self._clicked)))

    def release(self):
        """Stop listening."""
        for interactor, tag in self._observers:
            interactor.RemoveObserver(tag)
        self._observers = []

    def _clicked(self, caller, event):
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        position = [0.0, 0.0, 0.0]
        if crosshair is not None and crosshair.GetCursorPositionRAS(position):
            self.onClicked(position)


def forgetCode():
    """Let the module's own code be imported anew; what is imported at a reload is what the files then hold."""
    packages = ("SpectBoneMetSegLib", "SpectBoneMetSegModule")
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]
