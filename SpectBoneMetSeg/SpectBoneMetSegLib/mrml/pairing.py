"""Find nodes of a scene that belong together: the views of a scan, and the reading of a scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..scan.planar import VIEW_NAMES, ViewName
from .side_marks import FACTS
from .stored_result import VIEW, counts_of, set_visible

__all__ = ["completed_choice", "newest_scan", "partner_of", "reading_of", "show_only"]

VOLUMES, READINGS = "vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"

#: Anterior volume, posterior volume, segmentation.
Choice = tuple[Any, Any, Any]


def partner_of(volume: Any, scene: Any) -> Any:
    """Return the volume of the other view of the same scan; None if there is none."""
    facts, own = volume.GetAttribute(FACTS), volume.GetAttribute(VIEW)
    if not facts or not own:
        return None
    others = (node for node in _nodes(scene, VOLUMES) if node.GetAttribute(VIEW) not in (None, own))
    return next((node for node in others if node.GetAttribute(FACTS) == facts), None)


def newest_scan(scene: Any) -> tuple[Any, Any]:
    """Return the (anterior, posterior) volumes of the scan that was loaded last, each None if missing."""
    volumes = [node for node in _nodes(scene, VOLUMES) if node.GetAttribute(VIEW)]
    if not volumes:
        return None, None
    last = volumes[-1]
    pair = {last.GetAttribute(VIEW): last}
    other = partner_of(last, scene)
    if other is not None:
        pair[other.GetAttribute(VIEW)] = other
    return pair.get("anterior"), pair.get("posterior")


def reading_of(anterior: Any, posterior: Any, scene: Any) -> Any:
    """Return the segmentation node with a reading of exactly these views, the last of several; None if none."""
    wanted = {name: node for name, node in zip(VIEW_NAMES, (anterior, posterior), strict=True) if node is not None}
    if not wanted:
        return None
    readings = [node for node in _nodes(scene, READINGS) if counts_of(node) == wanted]
    return readings[-1] if readings else None


def completed_choice(before: Choice, now: Choice, scene: Any) -> Choice:
    """Complete a choice of nodes after the user changed a part of it, so that scans are never mixed.

    Choosing a reading also chooses its scan. Choosing a view also chooses the other view of its scan, and deselects a
    view of another scan. Choosing another scan also chooses its reading, so that no reading overwrites that of another
    scan.

    Args:
        before: the choice before the change.
        now: the choice after the change.
        scene: the vtkMRMLScene.
    """
    anterior, posterior, segmentation = now
    if segmentation is not before[2] and segmentation is not None:
        counts = counts_of(segmentation)
        if counts:
            return counts.get("anterior"), counts.get("posterior"), segmentation
    if anterior is not before[0] and anterior is not None:
        posterior = _matching(anterior, "anterior", posterior, scene)
    elif posterior is not before[1] and posterior is not None:
        anterior = _matching(posterior, "posterior", anterior, scene)
    if (anterior, posterior) != before[:2] and (segmentation is None or counts_of(segmentation)):
        segmentation = reading_of(anterior, posterior, scene)
    return anterior, posterior, segmentation


def show_only(segmentation: Any, scene: Any) -> None:
    """Show one reading and hide all others: all scans lie at the same position, so their outlines would overlap."""
    for node in _nodes(scene, READINGS):
        if counts_of(node) or node is segmentation:
            set_visible(node, visible=node is segmentation)


def _matching(chosen: Any, name: ViewName, other: Any, scene: Any) -> Any:
    """Return the other view for a view that was just chosen; None if `other` belongs to another scan."""
    if chosen.GetAttribute(VIEW) == name:
        partner = partner_of(chosen, scene)
        if partner is not None:
            return partner
    if other is not None and partner_of(other, scene) not in (None, chosen):
        return None
    return other


def _nodes(scene: Any, kind: str) -> Iterator[Any]:
    return (scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind)))
