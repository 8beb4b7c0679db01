"""Letters at the edges of a slice view that name the patient's sides, and a line that says what the view shows.

A laterality error is the worst failure of a bone scan. So the letters are not tied to a view's name, nor to what was
put into it once: they are taken from the directions in which the view looks and the volume that it shows at the
moment, lie in the patient, and follow every turn, zoom and shift. A view that shows a view of a scan has them, and so
has every view that looks from behind, whatever it shows: nobody expects that.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.dates import format_date

__all__ = ["SHOWN", "date_of", "follow_view", "marks_of", "plain_letters", "set_dated", "set_shown"]

#: Attribute of a mark node: the slice view it belongs to.
VIEW = "SpectBoneMetSeg.sides"
#: Attribute of a volume: "anterior", "posterior" or "aggregate".
SHOWN = "SpectBoneMetSeg.shown"
#: Attribute of a volume: what is known of its scan, with the day among it.
FACTS = "SpectBoneMetSeg.facts"
#: Attribute of a slice view that says the day of what it shows.
DATED = "SpectBoneMetSeg.dated"
KIND = "vtkMRMLMarkupsFiducialNode"
COLOR = (0.0, 0.30, 0.65)
#: Letters of the patient's axes R, A, S: towards and away.
LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))
#: Points on the screen, a pixel each on a plain one: distance from the upper edge, from its sides for the letters
#: (their text runs to the right), and from the left one for the line.
TOP, LEFT, RIGHT, LINE = 24.0, 12.0, 30.0, 44.0
#: From the upper edge of a line that would reach the right letter: one with a day, or in a view narrower than this.
BELOW, NARROW = 46.0, 300.0
#: A view smaller than this, in points, has no room for letters, or has not got its size yet.
LEAST = 80.0
#: Size of the points of the letters in mm: none.
NO_POINT_MM = 1e-4


def _(text: str) -> str:
    """The text in the application's language; outside the application as it is."""
    try:
        from slicer.i18n import tr
    except ImportError:
        return text
    return str(tr(text))


def set_shown(volume: Any, shown: str) -> None:
    """Tell of a volume which picture of a scan it is: "anterior", "posterior" or "aggregate"."""
    volume.SetAttribute(SHOWN, shown)


def set_dated(slice_node: Any, *, dated: bool) -> None:
    """Let a slice view say the day of the scan it shows, as it must where two scans are compared, or not."""
    if (slice_node.GetAttribute(DATED) is not None) != dated:
        slice_node.SetAttribute(DATED, "true" if dated else None)


def date_of(volume: Any) -> str:
    """The day on which the scan of a volume was made, as year-month-day; empty where that is not known."""
    try:
        facts = json.loads(volume.GetAttribute(FACTS) or "{}")
        day = str(facts.get("source", {}).get("description", {}).get("study_date", ""))
    except (ValueError, AttributeError):
        return ""
    return format_date(day)


def marks_of(slice_node: Any, scene: Any) -> Any:
    """The node of a slice view's marks, None without one."""
    nodes = (scene.GetNthNodeByClass(index, KIND) for index in range(scene.GetNumberOfNodesByClass(KIND)))
    return next((node for node in nodes if node.GetAttribute(VIEW) == slice_node.GetLayoutName()), None)


def follow_view(slice_node: Any, scene: Any, pixels_per_point: float = 1.0) -> Any:
    """Give a slice view the marks that it needs now, at its edges as they are now; returns their node or None.

    Args:
        slice_node: the vtkMRMLSliceNode.
        scene: its vtkMRMLScene.
        pixels_per_point: of the screen on which the view lies: 2 where everything is drawn twice as large.
    """
    marks = marks_of(slice_node, scene)
    composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{slice_node.GetLayoutName()}")
    volume = scene.GetNodeByID(composite.GetBackgroundVolumeID() or "") if composite is not None else None
    width, height = slice_node.GetDimensions()[:2]
    dated = slice_node.GetAttribute(DATED) is not None
    points = _places(slice_node, width, height, pixels_per_point, below=dated or width < NARROW * pixels_per_point)
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
    words = _words(shown, axis, across)
    if dated:
        words = f"{date_of(volume) or _('day unknown')}: {words}"
    texts = left, right, words
    before = marks.StartModify()
    for index, (point, text) in enumerate(zip(points, texts, strict=True)):
        if not np.allclose(marks.GetNthControlPointPositionWorld(index), point, atol=1e-6):
            marks.SetNthControlPointPositionWorld(index, point)
        if marks.GetNthControlPointLabel(index) != text:
            marks.SetNthControlPointLabel(index, text)
    marks.EndModify(before)
    return marks


def _places(
    slice_node: Any, width: int, height: int, pixels_per_point: float, *, below: bool
) -> list[tuple[float, float, float]]:
    """RAS mm of the left letter, the right letter and the line, which lies between them or below."""
    import vtk

    to_ras = vtk.vtkMatrix4x4()
    to_ras.DeepCopy(slice_node.GetXYToRAS())
    line = (LEFT, BELOW) if below else (LINE, TOP)
    corners = ((LEFT, TOP), (width / pixels_per_point - RIGHT, TOP), line)
    pixels = ((x * pixels_per_point, height - y * pixels_per_point) for x, y in corners)
    places = (to_ras.MultiplyPoint((x, y, 0.0, 1.0)) for x, y in pixels)
    return [(place[0], place[1], place[2]) for place in places]


def _new_marks(slice_node: Any, scene: Any) -> Any:
    marks = scene.CreateNodeByClass(KIND)
    marks.UnRegister(None)
    marks.SetName(f"Sides {slice_node.GetLayoutName()}")
    marks.SetAttribute(VIEW, slice_node.GetLayoutName())
    # Before it is added: a node that is hidden later already stands in the data tree.
    marks.SetHideFromEditors(True)
    marks = scene.AddNode(marks)
    marks.CreateDefaultDisplayNodes()
    plain_letters(marks.GetDisplayNode())
    marks.GetDisplayNode().AddViewNodeID(slice_node.GetID())
    for _place in range(3):
        marks.AddControlPoint((0.0, 0.0, 0.0), "")
    marks.SetLocked(True)
    return marks


def _words(shown: str | None, axis: int, across: NDArray[np.float64]) -> str:
    """What a view shows and from which side it is looked at."""
    names = {"anterior": _("Anterior"), "posterior": _("Posterior"), "aggregate": _("Sum of both views")}
    name = names.get(shown or "", "")
    side = (_("from behind") if across[0] > 0 else _("from the front")) if axis == 0 else ""
    return ", ".join(words for words in (name, side) if words)


def plain_letters(display: Any, color: tuple[float, float, float] = COLOR) -> None:
    """Letters alone, on a light ground: their points would look like findings, and the field around a scan is black."""
    display.SetGlyphType(display.Vertex2D)
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
