"""The application's subject hierarchy logic: nodes get an item when they are added and lose it before they are removed.

Its rules are those of Slicer's qSlicerSubjectHierarchyPluginLogic.
"""

from __future__ import annotations

from typing import Any

import vtk

#: What the application's plugins give an item.
KINDS = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTableNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
)


def follow_scene(scene: Any) -> None:
    """Keep the subject hierarchy of a scene as the application does; to be called before any module observes it."""
    import slicer

    def hierarchy() -> Any:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)

    def add(node: Any) -> None:
        if not node.GetHideFromEditors() and any(node.IsA(kind) for kind in KINDS):
            hierarchy().CreateItem(hierarchy().GetSceneItemID(), node)

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def added(caller: Any, event: str, node: Any) -> None:
        if not scene.IsImporting():
            add(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator]
    def going(caller: Any, event: str, node: Any) -> None:
        if scene.IsClosing() or node.IsA("vtkMRMLSubjectHierarchyNode"):
            return
        item = hierarchy().GetItemByDataNode(node)
        if item:
            hierarchy().RemoveItem(item, False, False)

    def imported(caller: Any, event: str) -> None:
        for index in range(scene.GetNumberOfNodes()):
            node = scene.GetNthNode(index)
            if not hierarchy().GetItemByDataNode(node):
                add(node)

    scene.AddObserver(scene.NodeAddedEvent, added)
    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, going)
    scene.AddObserver(scene.EndImportEvent, imported)
