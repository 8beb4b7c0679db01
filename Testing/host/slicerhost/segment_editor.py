"""A substitute for qMRMLSegmentEditorWidget: changes the scene as the application's widget does automatically.

Its rules are those of Slicer 5.12 (Modules/Loadable/Segmentations/Widgets/qMRMLSegmentEditorWidget.cxx). What edits,
undoes and redoes is Slicer's own vtkSlicerSegmentEditorLogic with its vtkSegmentationHistory.
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
        self.observing = self.shortcuts = False
        self.problems: list[str] = []
        self.effectNames: list[str] = []
        self.unorderedEffects = True
        self.logic: Any = None
        self._label = QtWidgets.QLabel("Segment Editor", self)
        QtWidgets.QVBoxLayout(self).addWidget(self._label)

    def setMRMLScene(self, scene: Any) -> None:
        import slicer

        if self._node is None:
            self.problems.append("the segment editor node is to be set before the scene, as the class's header says")
        self._scene = scene
        if self.logic is None:
            self.logic = slicer.vtkSlicerSegmentEditorLogic()
            self.logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
            self.logic.SetMRMLScene(scene)
            self.logic.SetSegmentEditorNode(self._node)
        layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        self._arrangement = layout.GetViewArrangement()
        layout.AddObserver("ModifiedEvent", self._layout_changed)

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        if node is self._node:
            return
        self._node = node
        if self.logic is not None:
            self.logic.SetSegmentEditorNode(node)
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

    def setSwitchToSegmentationsButtonVisible(self, visible: bool) -> None:
        """The host shows no button."""

    def setEffectNameOrder(self, names: Any) -> None:
        self.effectNames = list(names)

    def setUnorderedEffectsVisible(self, visible: bool) -> None:
        self.unorderedEffects = visible

    def setUndoEnabled(self, enabled: bool) -> None:
        if enabled and self.logic is not None:
            self.logic.ClearUndoState()

    def setMaximumNumberOfUndoStates(self, number: int) -> None:
        if self.logic is not None:
            self.logic.SetMaximumNumberOfUndoStates(number)

    def saveStateForUndo(self) -> None:
        self.logic.SaveStateForUndo()

    def undo(self) -> None:
        self.logic.Undo()

    def redo(self) -> None:
        self.logic.Redo()

    def modify(self, segment: str, pixels: Any, mode: str) -> None:
        """What an effect does: keep the state before, then add or remove (rows, columns) pixels of the reference grid.

        Args:
            segment: its ID.
            pixels: bool, on the grid of the segmentation's reference geometry.
            mode: "Add", "Remove".
        """
        import numpy as np
        from vtkmodules.util.numpy_support import vtk_to_numpy

        self.setCurrentSegmentID(segment)
        self.saveStateForUndo()
        self.logic.UpdateReferenceGeometryImage()
        self.logic.ResetModifierLabelmapToDefault()
        image = self.logic.GetModifierLabelmap()
        scalars = vtk_to_numpy(image.GetPointData().GetScalars())
        scalars[:] = np.asarray(pixels).ravel()
        image.Modified()
        kind = getattr(self.logic, f"ModificationMode{mode}")
        self.logic.ModifySegmentByLabelmap(self.segmentationNode(), segment, image, kind, True, False)

    def setupViewObservations(self) -> None:
        self.observing = True

    def removeViewObservations(self) -> None:
        self.observing = False

    def installKeyboardShortcuts(self) -> None:
        self.shortcuts = True

    def uninstallKeyboardShortcuts(self) -> None:
        self.shortcuts = False

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
        if source is None or self._scene is None:
            return
        for index in range(self._scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
            composite = self._scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
            if source.GetID() not in (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()):
                composite.SetBackgroundVolumeID(source.GetID())
                composite.SetForegroundVolumeID(None)
                composite.SetLabelVolumeID(None)
