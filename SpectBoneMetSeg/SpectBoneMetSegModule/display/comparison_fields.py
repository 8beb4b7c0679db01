"""The panel's field for an earlier scan, and what is shown while two scans are compared."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.mrml.comparison import ScanSeparation, of_one_patient, scan_of

from ..problems import slot
from ..status_lines import Say
from .zoom_link import ZoomLink

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    from ..slicer_types import BoxNode, Ui, Volumes


class EarlierScanFields:
    """The earlier scan that the chosen one is compared with, if any."""

    def __init__(self, ui: Ui, chosen: Callable[[], Volumes], say: Say, onChanged: Callable[[], None]) -> None:
        """Take over the field of a panel.

        Args:
            ui: the panel's widgets.
            chosen: called for the views of the scan that is chosen.
            say: called with a message and its kind.
            onChanged: called when another scan is chosen for comparison.
        """
        self.ui, self.chosen, self.say, self.onChanged = ui, chosen, say, onChanged
        self.apart, self.zoom = ScanSeparation(), ZoomLink()
        self.active = False
        ui.earlierSelector.connect("currentNodeIDChanged(QString)", self.onChosen)

    def earlier(self) -> Volumes:
        """{"anterior": volume node, "posterior": volume node} of the other scan; empty for none and for the same."""
        found = scan_of(self.ui.earlierSelector.currentNode(), slicer.mrmlScene)
        own = list(self.chosen().values())
        return {} if not own or any(volume in own for volume in found.values()) else found

    @slot
    def onChosen(self, nodeID: str) -> None:
        """Compare the chosen scan with another one, or with none."""
        if slicer.mrmlScene.IsBatchProcessing() or slicer.mrmlScene.IsClosing():
            return
        self.onChanged()
        self.warn()

    def warn(self) -> None:
        """Show warnings about the two scans."""
        node, earlier = self.ui.earlierSelector.currentNode(), self.earlier()
        if node is None:
            self.say("")
            return
        if not earlier:
            self.say(_("Choose a view of another scan to compare with, loaded as planar scintigraphy."), "error")
            return
        same = of_one_patient(next(iter(self.chosen().values())), next(iter(earlier.values())), slicer.mrmlScene)
        if same is None:
            self.say(_("Make sure that both scans are of one patient."), "warning")
        elif not same:
            self.say(_("The two scans lie under different patients in the data tree."), "warning")
        else:
            self.say("")

    def update(self, live: LiveReading | None, box: BoxNode | None) -> None:
        """Keep what belongs to each scan in its own views: called when views, outlines or scans have changed."""
        earlier, node = self.earlier(), live.node if live is not None else None
        self.active = bool(earlier)
        if earlier:
            self.apart.keep(node, box, earlier, slicer.mrmlScene)
            self.zoom.link()
        else:
            self.end(live)

    def end(self, live: LiveReading | None = None) -> None:
        """Nothing is compared any more."""
        self.active = False
        self.zoom.unlink()
        if self.apart.kept:
            self.apart.end(live.node if live is not None else None, slicer.mrmlScene)
