"""Show two scans side by side, without outlines of one drawn over the other.

All scans lie at the same position in space, so that an outline appears in every view that does not hide it.
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
    """Return {view: volume node} of the scan that a volume belongs to; empty for other volumes."""
    if volume is None or volume.GetAttribute(VIEW) not in VIEW_NAMES:
        return {}
    found = {node.GetAttribute(VIEW): node for node in (volume, partner_of(volume, scene)) if node is not None}
    return {name: found[name] for name in VIEW_NAMES if name in found}


def of_one_patient(volume: Any, other: Any, scene: Any) -> bool | None:
    """Return whether two volumes are of the same patient in the subject hierarchy; None if it does not contain both."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    items = (hierarchy.GetItemByDataNode(node) for node in (volume, other))
    patient, another = (hierarchy.GetItemAncestorAtLevel(item, level) if item else 0 for item in items)
    return patient == another if patient and another else None


class ScanSeparation:
    """Restricts the nodes of each of two compared scans to the views of that scan."""

    def __init__(self) -> None:
        """Create a separation without restricted nodes."""
        self._kept: set[str] = set()

    def keep(self, node: Any, box: Any, earlier: Mapping[ViewName, Any], scene: Any) -> None:
        """Hide a reading in the views of the earlier scan, and show that scan's own reading there.

        Call it again after nodes were added.

        Args:
            node: segmentation node of the reading, or None.
            box: node of the region, or None.
            earlier: volume node of each view of the earlier scan.
            scene: their vtkMRMLScene.
        """
        views = [view.GetID() for kind in VIEW_KINDS for view in _nodes(scene, kind)]
        others = [f"vtkMRMLSliceNode{name}" for name in EARLIER.values()]
        # The views of the follow-up show copies with outlines of their own.
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
        """Show all nodes in all views again, and of the readings only `node`, which may be None."""
        for display in (scene.GetNodeByID(number) for number in self._kept):
            if display is not None:
                display.RemoveAllViewNodeIDs()
        self._kept.clear()
        show_only(node, scene)

    @property
    def kept(self) -> bool:
        """Whether any node is restricted to some views."""
        return bool(self._kept)

    def _limit(self, part: Any, views: list[str]) -> None:
        display = part.GetDisplayNode()
        if display is None:
            return
        self._kept.add(display.GetID())
        now = [display.GetNthViewNodeID(index) for index in range(display.GetNumberOfViewNodeIDs())]
        if now != views:
            before = display.StartModify()
            display.RemoveAllViewNodeIDs()
            for view in views:
                display.AddViewNodeID(view)
            display.EndModify(before)


def _parts(node: Any) -> Iterable[Any]:
    return (node, *outlines_of(node)) if node is not None else ()


def _nodes(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]
