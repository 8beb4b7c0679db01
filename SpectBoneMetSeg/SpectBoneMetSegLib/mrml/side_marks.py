"""Letters at the edges of a slice view that mark the patient's sides, and a caption that names the image.

A laterality error is the worst failure in reading a bone scan. The letters therefore do not depend on a view's name or
its earlier content: they are computed from the current orientation and volume of the slice view, and updated with every
rotation, zoom and shift. Slice views of a scan have them, and so has any slice view from behind, which is unusual.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.dates import format_date

__all__ = ["SHOWN", "date_of", "follow_view", "marks_of", "plain_letters", "set_dated", "set_shown"]

#: Attribute of a node of marks: the slice view it belongs to.
VIEW = "SpectBoneMetSeg.sides"
#: Attribute of a volume: "anterior", "posterior" or "aggregate".
SHOWN = "SpectBoneMetSeg.shown"
#: Attribute of a volume: the fields of its scan as JSON, including the study date.
FACTS = "SpectBoneMetSeg.facts"
#: Attribute of a slice view whose caption includes the study date.
DATED = "SpectBoneMetSeg.dated"
KIND = "vtkMRMLMarkupsFiducialNode"
COLOR = (0.0, 0.30, 0.65)
#: Letters of the positive and negative directions of the axes R, A, S.
LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))
#: Distances in screen points (1 pixel on a standard screen): letters from the upper, left and right edge (text extends
#: to the right of its point), caption from the left edge.
TOP, LEFT, RIGHT, LINE = 24.0, 12.0, 30.0, 44.0
#: Distance from the upper edge of a caption below the letters, used with a date or in views narrower than NARROW.
BELOW, NARROW = 46.0, 300.0
#: Views smaller than this (points) get no letters: too small, or their size is not set yet.
LEAST = 80.0
#: Size of the control points of the letters (mm): practically invisible.
NO_POINT_MM = 1e-4


def _(text: str) -> str:
    """Translate a text to the application's language; outside the application return it unchanged."""
    try:
        from slicer.i18n import tr
    except ImportError:
        return text
    return str(tr(text))


def set_shown(volume: Any, shown: str) -> None:
    """Store which image of a scan a volume is: "anterior", "posterior" or "aggregate"."""
    volume.SetAttribute(SHOWN, shown)


def set_dated(slice_node: Any, *, dated: bool) -> None:
    """Set whether the caption of a slice view includes the study date, as needed when two scans are compared."""
    if (slice_node.GetAttribute(DATED) is not None) != dated:
        slice_node.SetAttribute(DATED, "true" if dated else None)


def date_of(volume: Any) -> str:
    """Return the study date of a volume's scan as year-month-day; "" if unknown."""
    try:
        facts = json.loads(volume.GetAttribute(FACTS) or "{}")
        day = str(facts.get("source", {}).get("description", {}).get("study_date", ""))
    except (ValueError, AttributeError):
        return ""
    return format_date(day)


def marks_of(slice_node: Any, scene: Any) -> Any:
    """Return the node of a slice view's marks; None if there is none."""
    nodes = (scene.GetNthNodeByClass(index, KIND) for index in range(scene.GetNumberOfNodesByClass(KIND)))
    return next((node for node in nodes if node.GetAttribute(VIEW) == slice_node.GetLayoutName()), None)


def follow_view(slice_node: Any, scene: Any, pixels_per_point: float = 1.0) -> Any:
    """Update the marks of a slice view to its current content and size; return their node, or None without marks.

    Args:
        slice_node: the vtkMRMLSliceNode.
        scene: its vtkMRMLScene.
        pixels_per_point: of the screen that shows the view; 2 on a high-resolution screen.
    """
    marks = marks_of(slice_node, scene)
    composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{slice_node.GetLayoutName()}")
    volume = scene.GetNodeByID(composite.GetBackgroundVolumeID() or "") if composite is not None else None
    width, height = slice_node.GetDimensions()[:2]
    dated = slice_node.GetAttribute(DATED) is not None
    points = _positions(slice_node, width, height, pixels_per_point, below=dated or width < NARROW * pixels_per_point)
    across = np.subtract(points[1], points[0])
    axis = int(np.abs(across).argmax())
    from_behind = axis == 0 and across[0] > 0
    shown = volume.GetAttribute(SHOWN) if volume is not None else None
    wanted = volume is not None and (shown is not None or from_behind)
    if not wanted or min(width, height) < LEAST * pixels_per_point:
        if marks is not None and marks.GetDisplayNode() is not None and marks.GetDisplayNode().GetVisibility():
            marks.GetDisplayNode().SetVisibility(False)
        return marks
    if marks is None:
        marks = _new_marks(slice_node, scene)
    if marks.GetNumberOfControlPoints() != len(points) or marks.GetDisplayNode() is None:
        return marks
    marks.GetDisplayNode().SetVisibility(True)
    right, left = LETTERS[axis] if across[axis] > 0 else LETTERS[axis][::-1]
    caption = _caption(shown, axis, across)
    if dated:
        caption = f"{date_of(volume) or _('day unknown')}: {caption}"
    texts = left, right, caption
    before = marks.StartModify()
    for index, (point, text) in enumerate(zip(points, texts, strict=True)):
        if not np.allclose(marks.GetNthControlPointPositionWorld(index), point, atol=1e-6):
            marks.SetNthControlPointPositionWorld(index, point)
        if marks.GetNthControlPointLabel(index) != text:
            marks.SetNthControlPointLabel(index, text)
    marks.EndModify(before)
    return marks


def _positions(
    slice_node: Any, width: int, height: int, pixels_per_point: float, *, below: bool
) -> list[tuple[float, float, float]]:
    """Return RAS mm of the left letter, the right letter and the caption, between the letters or below them."""
    import vtk

    to_ras = vtk.vtkMatrix4x4()
    to_ras.DeepCopy(slice_node.GetXYToRAS())
    line = (LEFT, BELOW) if below else (LINE, TOP)
    corners = ((LEFT, TOP), (width / pixels_per_point - RIGHT, TOP), line)
    pixels = ((x * pixels_per_point, height - y * pixels_per_point) for x, y in corners)
    positions = (to_ras.MultiplyPoint((x, y, 0.0, 1.0)) for x, y in pixels)
    return [(position[0], position[1], position[2]) for position in positions]


def _new_marks(slice_node: Any, scene: Any) -> Any:
    marks = scene.CreateNodeByClass(KIND)
    marks.UnRegister(None)
    marks.SetName(f"Sides {slice_node.GetLayoutName()}")
    marks.SetAttribute(VIEW, slice_node.GetLayoutName())
    # Before adding the node: a node that is hidden later already has an item in the subject hierarchy.
    marks.SetHideFromEditors(True)
    marks = scene.AddNode(marks)
    marks.CreateDefaultDisplayNodes()
    plain_letters(marks.GetDisplayNode())
    marks.GetDisplayNode().AddViewNodeID(slice_node.GetID())
    for _ in range(3):
        marks.AddControlPoint((0.0, 0.0, 0.0), "")
    marks.SetLocked(True)
    return marks


def _caption(shown: str | None, axis: int, across: NDArray[np.float64]) -> str:
    """Return the caption of a slice view: image and direction of view."""
    names = {"anterior": _("Anterior"), "posterior": _("Posterior"), "aggregate": _("Sum of both views")}
    name = names.get(shown or "", "")
    side = (_("from behind") if across[0] > 0 else _("from the front")) if axis == 0 else ""
    return ", ".join(part for part in (name, side) if part)


def plain_letters(display: Any, color: tuple[float, float, float] = COLOR) -> None:
    """Show only letters, on a light background: points could be mistaken for findings, and the field may be black."""
    display.SetGlyphType(display.Sphere3D)
    display.UseGlyphScaleOff()
    display.SetGlyphSize(NO_POINT_MM)
    display.SetTextScale(3.0)
    display.SetPropertiesLabelVisibility(False)
    for paint in (display.SetColor, display.SetSelectedColor, display.SetActiveColor):
        paint(*color)
    text = display.GetTextProperty()
    text.SetBackgroundColor(1.0, 1.0, 1.0)
    text.SetBackgroundOpacity(0.85)
    text.BoldOn()
