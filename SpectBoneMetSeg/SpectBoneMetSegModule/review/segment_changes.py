"""Changes of the segments of a reading: manual edits, undo and redo, other modules."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.util import VTKObservationMixin

from ..problems import slot

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    from ..slicer_types import Event, SegmentationNode, VtkObject, Widget

#: Events of a vtkSegmentation. Undo and redo restore segments one by one and tell no more than SegmentModified.
EVENTS = (
    "SourceRepresentationModified",
    "SegmentAdded",
    "SegmentRemoved",
    "SegmentModified",
    "SegmentsOrderModified",
    "ContainedRepresentationNamesModified",
)


class SegmentChanges(VTKObservationMixin):
    """Notifies once per complete change of segments: a partial change would be taken for an edit."""

    def __init__(self, onChanged: Callable[[], None]) -> None:
        """Follow nothing yet; `onChanged` is called after a change."""
        VTKObservationMixin.__init__(self)
        self.onChanged = onChanged
        self.live: LiveReading | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.take)

    def setLive(self, live: LiveReading | None) -> None:
        """Follow another reading, or none."""
        self.removeObservers()
        self._timer.stop()
        self.live = live
        if live is None:
            return
        segmentation, display = live.node.GetSegmentation(), live.node.GetDisplayNode()
        for event in EVENTS:
            self.addObserver(segmentation, getattr(slicer.vtkSegmentation, event), self.onEvent)
        if display is not None:
            self.addObserver(display, "ModifiedEvent", self.onEvent)

    @slot
    def onEvent(self, caller: VtkObject, event: Event) -> None:
        """Something of a change."""
        if self.live is not None and not self.live.updating:
            self._timer.start()

    @slot
    def take(self) -> None:
        """Take over what has changed since it was told last; for all who need it before the timer comes."""
        self._timer.stop()
        live = self.live
        if live is None or live.node.GetScene() is None or slicer.mrmlScene.IsBatchProcessing():
            return
        live.follow_edit()
        live.update_outline_display()
        self.onChanged()

    def flush(self) -> None:
        """Take over a change that waits to be told."""
        if self._timer.active:
            self.take()


def endHistories(editorWidget: Widget, node: SegmentationNode) -> None:
    """Let no Segment Editor undo what was done before a segmentation was drawn anew: what it brought back would lie
    beside the new lesions, and be taken for edits by hand.
    """
    others = getattr(slicer.modules, "SegmentEditorWidget", None)
    for widget in (editorWidget, getattr(others, "editor", None)):
        if widget is not None and widget.segmentationNode() is node:
            # Slicer's way to empty a history.
            widget.setUndoEnabled(True)
