"""Place nodes in Slicer's subject hierarchy: nodes of a scan belong into the study of the scan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["move_next_to", "remove_folder"]


def move_next_to(nodes: Iterable[Any], sibling: Any, scene: Any, folder: str = "") -> None:
    """Move nodes to the parent item of another node, or into a folder there.

    Args:
        nodes: data nodes of the scene.
        sibling: the node next to which they are moved.
        scene: the vtkMRMLScene.
        folder: name of the folder, created if missing; "" for none.
    """
    hierarchy = _hierarchy(scene)
    item = hierarchy.GetItemByDataNode(sibling)
    parent = hierarchy.GetItemParent(item) if item else 0
    parent = parent or hierarchy.GetSceneItemID()
    members = list(nodes)
    if folder and members:
        parent = hierarchy.GetItemChildWithName(parent, folder) or hierarchy.CreateFolderItem(parent, folder)
    for node in members:
        # The application adds an item for every new node; without it there is none yet.
        own = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parent, node)
        if hierarchy.GetItemParent(own) != parent:
            hierarchy.SetItemParent(own, parent)


def remove_folder(name: str, scene: Any) -> None:
    """Remove all empty folders with a name; the sibling that would identify one of them may already be removed."""
    import vtk

    hierarchy, found, children = _hierarchy(scene), vtk.vtkIdList(), vtk.vtkIdList()
    hierarchy.GetItemsByName(name, found)
    for index in range(found.GetNumberOfIds()):
        item = found.GetId(index)
        hierarchy.GetItemChildren(item, children)
        if children.GetNumberOfIds() == 0 and hierarchy.GetItemDataNode(item) is None:
            hierarchy.RemoveItem(item)


def _hierarchy(scene: Any) -> Any:
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
