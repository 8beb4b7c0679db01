"""The selected lesion: chosen in the table, in a slice view or in the Segment Editor, and shown in all of them."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import slicer
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.mrml.slice_views import center_views

from ..problems import slot

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    from ..slicer_types import Event, Node, SegmentationNode, VtkObject, Widget
    from .lesion_table import LesionTable

#: Effects of the Segment Editor that make sense on one slice.
EFFECTS = ("Paint", "Draw", "Erase", "Threshold", "Level tracing", "Scissors", "Islands", "Logical operators")


class Selection(VTKObservationMixin):
    """Links a table of lesions, the slice views and a Segment Editor widget.

    Attributes:
        table: of the lesions; set by who makes both.
    """

    table: LesionTable

    def __init__(self, editorWidget: Widget) -> None:
        """Link an editor widget."""
        VTKObservationMixin.__init__(self)
        self.editorWidget = editorWidget
        # Another segmentation in the editor than in the panel would be edited unseen.
        editorWidget.setSegmentationNodeSelectorVisible(False)
        # By itself it shows its source, the anterior view, in all slice views: also under the posterior view's name.
        editorWidget.setAutoShowSourceVolumeNode(False)
        editorWidget.setSwitchToSegmentationsButtonVisible(False)
        # What makes sense on one slice; the others grow, cut or smooth in three dimensions.
        editorWidget.setEffectNameOrder(list(EFFECTS))
        editorWidget.setUnorderedEffectsVisible(False)
        self.live: LiveReading | None = None
        self.entered = False
        self.folded = True

    def enter(self) -> None:
        """The panel is opened; the editor watches the views by itself while a tool is in use."""
        self.entered = True
        self._keys()

    def exit(self) -> None:
        """Another panel is opened: no tool may go on drawing."""
        self.entered = False
        self.editorWidget.setActiveEffect(None)
        self.editorWidget.removeViewObservations()
        self._keys()

    @slot
    def onFolded(self, folded: bool) -> None:
        """The editor is shown or folded away: hidden keys must not draw."""
        self.folded = folded
        if folded:
            self.editorWidget.setActiveEffect(None)
        self._keys()

    def _keys(self) -> None:
        """The editor's keys work while it is seen."""
        if self.entered and not self.folded:
            self.editorWidget.installKeyboardShortcuts()
        else:
            self.editorWidget.uninstallKeyboardShortcuts()

    def setLive(self, live: LiveReading | None) -> None:
        """Link another reading, or none."""
        self.removeObservers()
        self.live = live
        if live is not None:
            editor = connectEditor(self.editorWidget, live.node)
            self.addObserver(editor, "ModifiedEvent", self.onChosenInEditor)
        else:
            self.editorWidget.setSegmentationNode(None)

    def update(self) -> None:
        """Outlines were drawn anew: let the one in hand stand out again."""
        if self.live is not None:
            self.live.highlight(self.table.current)

    def onChosenInTable(self, lesion: int) -> None:
        """Bring a lesion into the middle of the views and into the editor's hand."""
        if self.live is None:
            return
        center_views(self.live.reading.lesions[lesion - 1].centroid, slicer.mrmlScene)
        self.live.highlight(lesion)
        self.editorWidget.setCurrentSegmentID(self.live.segment_of(lesion))

    def onClickedInView(self, position: Sequence[float]) -> None:
        """Take the lesion at a place of the patient (RAS mm) in hand, if there is one.

        While a tool of the editor is in use its clicks draw, and must not hand it another segment.
        """
        editor = self.editorWidget.mrmlSegmentEditorNode()
        if editor is not None and editor.GetActiveEffectName():
            return
        lesion = self.live.lesion_at(position) if self.live is not None else None
        if lesion is not None:
            self.take(lesion.id)

    def take(self, lesion: int) -> None:
        """Take a lesion in hand where it is: the views stay."""
        if self.live is None:
            return
        self.table.select(lesion)
        self.live.highlight(lesion)
        self.editorWidget.setCurrentSegmentID(self.live.segment_of(lesion))

    def letGo(self) -> None:
        """Take no lesion in hand: what was rejected is to be seen no more than others."""
        self.table.select(None)
        if self.live is not None:
            self.live.highlight(None)

    @slot
    def onChosenInEditor(self, caller: VtkObject, event: Event) -> None:
        """Select the row of the segment in the editor's hand, unless a piece of it is selected already."""
        segment = caller.GetSelectedSegmentID()
        if self.live is None or self.live.updating or not segment:
            return
        lesion, current = self.live.lesion_of(segment), self.table.current
        if lesion is not None and (current is None or self.live.segment_of(current) != segment):
            self.table.select(lesion.id)
            self.live.highlight(lesion.id)


def editorNode() -> Node:
    """The node of this panel's Segment Editor, made when it is missing."""
    editor = slicer.mrmlScene.GetSingletonNode("SpectBoneMetSeg", "vtkMRMLSegmentEditorNode")
    if editor is None:
        editor = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        editor.UnRegister(None)
        editor.SetSingletonTag("SpectBoneMetSeg")
        editor = slicer.mrmlScene.AddNode(editor)
    return editor


def connectEditor(widget: Widget, node: SegmentationNode) -> Node:
    """Let a Segment Editor widget edit a segmentation node over its counts; returns the editor's node."""
    editor = editorNode()
    widget.setMRMLSegmentEditorNode(editor)
    widget.setSegmentationNode(node)
    widget.setSourceVolumeNode(node.GetNodeReference("anteriorCounts") or node.GetNodeReference("posteriorCounts"))
    return editor
