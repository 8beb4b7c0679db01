"""Show the areas of a reading as a table node with units; a planar scan has areas, no volumes."""

from __future__ import annotations

from typing import Any

from .subject_hierarchy import move_next_to

__all__ = ["show_areas"]

ROLE = "areaTable"


def show_areas(live: Any, scene: Any) -> Any:
    """Write the lesions of a LiveReading into its vtkMRMLTableNode.

    Args:
        live: the LiveReading.
        scene: its vtkMRMLScene.

    Returns:
        The table node, created next to the segmentation node if missing.
    """
    import vtk

    node = live.node.GetNodeReference(ROLE)
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{live.node.GetName()} (areas)")
        live.node.SetNodeReferenceID(ROLE, node.GetID())
        move_next_to([node], live.node, scene)
    rows = [_row(live, lesion) for lesion in live.reading.lesions]
    columns: list[tuple[str, str, Any]] = [
        ("Segment", "", vtk.vtkStringArray()),
        ("Area", "cm2", vtk.vtkDoubleArray()),
        ("Maximum counts in a pixel", "counts", vtk.vtkDoubleArray()),
        ("Contrast", "", vtk.vtkDoubleArray()),
        ("Seen in", "", vtk.vtkStringArray()),
        ("Decision", "", vtk.vtkStringArray()),
        ("Classification", "", vtk.vtkStringArray()),
    ]
    before = node.StartModify()
    node.RemoveAllColumns()
    for index, (title, unit, array) in enumerate(columns):
        array.SetName(title)
        for row in rows:
            array.InsertNextValue(row[index])
        node.AddColumn(array)
        if unit:
            node.SetColumnUnitLabel(title, unit)
    node.SetUseColumnTitleAsColumnHeader(True)
    for title, unit, _array in columns:
        node.SetColumnTitle(title, f"{title} [{unit}]" if unit else title)
    node.EndModify(before)
    return node


def _row(live: Any, lesion: Any) -> tuple[Any, ...]:
    strongest = max(lesion.views.values(), key=lambda measured: measured.max_counts)
    review = live.review(lesion.id)
    return (
        live.name_of(lesion.id),
        lesion.area_mm2 / 100,
        float(strongest.max_counts),
        float(strongest.contrast),
        str(lesion.seen_in),
        str(review.decision),
        str(review.classification),
    )
