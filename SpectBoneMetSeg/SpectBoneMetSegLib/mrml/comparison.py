"""Two scans beside each other: which volumes they are, and that no outline of one is drawn over the other.

All scans lie at one place, so an outline would be seen in every view that does not hide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..scan.planar import VIEW_NAMES, ViewName
from .pairing import partner_of, reading_of, show_only
from .slice_views import COMPARED, EARLIER
from .stored_result import VIEW, outlines_of, set_visible

__all__ = ["ScanSeparation", "of_one_patient", "scan_of"]

VIEW_KINDS = ("vtkMRMLSliceNode", "vtkMRMLViewNode")


def scan_of(volume: Any, scene: Any) -> dict[ViewName, Any]:
    """{"anterior": volume node, "posterior": volume node} of the scan that a volume is a view of; empty for others."""
    if volume is None or volume.GetAttribute(VIEW) not in VIEW_NAMES:
        return {}
    found = {node.GetAttribute(VIEW): node for node in (volume, partner_of(volume, scene)) if node is not None}
    return {name: found[name] for name in VIEW_NAMES if name in found}


def of_one_patient(volume: Any, other: Any, scene: Any) -> bool | None:
    """Whether two volumes lie under one patient in the data tree; None where it does not say."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    items = (hierarchy.GetItemByDataNode(node) for node in (volume, other))
    patient, another = (hierarchy.GetItemAncestorAtLevel(item, level) if item else 0 for item in items)
    return patient == another if patient and another else None


class ScanSeparation:
    """Shows what belongs to one scan in the views of that scan alone, while two are compared."""

    def __init__(self) -> None:
        """Nothing is compared yet."""
        self._kept: set[str] = set()

    def keep(self, node: Any, box: Any, earlier: Mapping[ViewName, Any], scene: Any) -> None:
        """Keep a reading out of the other scan's views, and show that scan's own there; what is new is kept, too.

        Args:
            node: the segmentation node of the reading, or None.
            box: the region node, or None.
            earlier: the volume node of each view of the other scan.
            scene: their vtkMRMLScene.
        """
        views = [view.GetID() for kind in VIEW_KINDS for view in _nodes(scene, kind)]
        others = [f"vtkMRMLSliceNode{name}" for name in EARLIER.values()]
        # The follow-up's views show copies with outlines of their own.
        foreign = {*others, *(f"vtkMRMLSliceNode{name}" for name in COMPARED.values())}
        own = [view for view in views if view not in foreign]
        for part in (*_parts(node), *([box] if box is not None else [])):
            self._limit(part, own)
        reading = reading_of(earlier.get("anterior"), earlier.get("posterior"), scene)
        if reading is not None and reading is not node:
            set_visible(reading, visible=True)
            for part in _parts(reading):
                self._limit(part, others)

    def end(self, node: Any, scene: Any) -> None:
        """Show all in all views again; of the readings only that of `node`, which may be None."""
        for display in (scene.GetNodeByID(number) for number in self._kept):
            if display is not None:
                display.RemoveAllViewNodeIDs()
        self._kept.clear()
        show_only(node, scene)

    @property
    def kept(self) -> bool:
        """Whether anything is kept apart."""
        return bool(self._kept)

    def _limit(self, part: Any, views: list[str]) -> None:
        display = part.GetDisplayNode()
        if display is None:
            return
        self._kept.add(display.GetID())
        now = [display.GetNthViewNodeID(place) for place in range(display.GetNumberOfViewNodeIDs())]
        if now != views:
            before = display.StartModify()
            display.RemoveAllViewNodeIDs()
            for view in views:
                display.AddViewNodeID(view)
            display.EndModify(before)


def _parts(node: Any) -> Iterable[Any]:
    return (node, *outlines_of(node)) if node is not None else ()


def _nodes(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(place, kind) for place in range(scene.GetNumberOfNodesByClass(kind))]
