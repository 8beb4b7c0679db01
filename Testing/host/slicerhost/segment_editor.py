"""A stand-in for qMRMLSegmentEditorWidget: does to the scene what the application's does to it by itself.

Its rules are those of Slicer 5.12 (Modules/Loadable/Segmentations/Widgets/qMRMLSegmentEditorWidget.cxx).
"""

# Names are those of the C++ classes, and so is their documentation.
# ruff: noqa: N801, N802, D102
from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets


class qMRMLSegmentEditorWidget(QtWidgets.QFrame):
    """Says what it would edit; edits are made by the tests."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene = self._node = self._source = None
        self._arrangement = 0
        self._shows_source = True
        self.observing = False
        self._label = QtWidgets.QLabel("Segment Editor", self)
        QtWidgets.QVBoxLayout(self).addWidget(self._label)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        self._arrangement = layout.GetViewArrangement()
        layout.AddObserver("ModifiedEvent", self._layout_changed)

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._node = node
        if node is not None:
            node.AddObserver("ModifiedEvent", lambda caller, event: self._follow())
            self._follow()

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        if self._node is None:
            if node is not None:
                raise RuntimeError("need to set segment editor node first")
            return
        if self._node.GetSegmentationNode() is node:
            return
        self._node.SetAndObserveSegmentationNode(node)
        self.setActiveEffect(None)
        segmentation = node.GetSegmentation() if node is not None else None
        if segmentation is not None and segmentation.GetNumberOfSegments():
            self._node.SetSelectedSegmentID(segmentation.GetNthSegmentID(0))

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._node is None or self._node.GetSegmentationNode() is None:
            if node is not None:
                raise RuntimeError("need to set segment editor and segmentation nodes first")
            return
        self._node.SetAndObserveSourceVolumeNode(node)

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setAutoShowSourceVolumeNode(self, shown: bool) -> None:
        self._shows_source = shown

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        """The host shows no selector."""

    def setupViewObservations(self) -> None:
        self.observing = True

    def removeViewObservations(self) -> None:
        self.observing = False

    def installKeyboardShortcuts(self) -> None:
        """The host has no shortcuts."""

    def uninstallKeyboardShortcuts(self) -> None:
        """The host has no shortcuts."""

    def setActiveEffect(self, effect: None) -> None:
        """The host has no effect objects: an effect is chosen by its name."""
        if effect is not None:
            raise ValueError("setActiveEffect takes an effect object; use setActiveEffectByName for a name")
        self.setActiveEffectByName("")

    def setActiveEffectByName(self, name: str) -> None:
        if self._node is not None:
            self._node.SetActiveEffectName(name)
            self.observing = bool(name)

    def setCurrentSegmentID(self, segment: str) -> None:
        if self._node is not None:
            self._node.SetSelectedSegmentID(segment)

    def _follow(self) -> None:
        """Another source volume is shown in the slice views."""
        source = self.sourceVolumeNode()
        if self.segmentationNode() is not None and source is not self._source:
            self._source = source
            if source is not None and self._shows_source:
                self._show_source()

    def _layout_changed(self, layout: Any, event: str) -> None:
        if layout.GetViewArrangement() == self._arrangement:
            return
        self._arrangement = layout.GetViewArrangement()
        if self.observing and self._shows_source:
            if self._node is None:
                raise RuntimeError("the application would crash: the editor has no segment editor node")
            self._show_source()

    def _show_source(self) -> None:
        source = self.sourceVolumeNode()
        if source is None:
            return
        for index in range(self._scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            composite = self._scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
            if source.GetID() not in (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()):
                composite.SetBackgroundVolumeID(source.GetID())
                composite.SetForegroundVolumeID(None)
                composite.SetLabelVolumeID(None)
