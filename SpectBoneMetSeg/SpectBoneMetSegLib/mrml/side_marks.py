"""Letters at the edges of a slice view that name the patient's sides, and a line that says what the view shows.

A laterality error is the worst failure of a bone scan. So the letters are not tied to a view's name: they are taken
from the directions in which the view looks at the moment, lie in the patient, and follow every turn, zoom and shift.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["follow_view", "mark_view", "marks_of"]

#: Attributes of a mark node: the slice view it belongs to, what is shown there, and in which volume.
VIEW, SHOWN, VOLUME = "SpectBoneMetSeg.sides", "SpectBoneMetSeg.shown", "SpectBoneMetSeg.volume"
KIND = "vtkMRMLMarkupsFiducialNode"
COLOR = (0.0, 0.30, 0.65)
#: Letters of the patient's axes R, A, S: towards and away.
LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))
#: Pixels of the view: distance from the upper edge, from its sides for the letters (their text runs to the right), and
#: from the left one for the line.
TOP, LEFT, RIGHT, LINE = 24.0, 12.0, 30.0, 44.0
#: Size of the points of the letters in mm: none.
NO_POINT_MM = 1e-4


def _(text: str) -> str:
    """The text in the application's language; outside the application as it is."""
    try:
        from slicer.i18n import tr
    except ImportError:
        return text
    return str(tr(text))


def mark_view(slice_node: Any, volume: Any, shown: str, scene: Any) -> Any:
    """Mark the patient's sides in a slice view and say what it shows; returns the node of the marks.

    Args:
        slice_node: vtkMRMLSliceNode of the view.
        volume: the volume node that is shown; while the view shows another one its marks are hidden.
        shown: "anterior", "posterior" or "aggregate".
        scene: the vtkMRMLScene.
    """
    marks = marks_of(slice_node, scene)
    if marks is None:
        marks = scene.CreateNodeByClass(KIND)
        marks.UnRegister(None)
        marks.SetName(f"Sides {slice_node.GetLayoutName()}")
        marks.SetAttribute(VIEW, slice_node.GetLayoutName())
        # Before it is added: a node that is hidden later already stands in the data tree.
        marks.SetHideFromEditors(True)
        marks = scene.AddNode(marks)
        marks.CreateDefaultDisplayNodes()
        _plain_letters(marks.GetDisplayNode())
        marks.GetDisplayNode().AddViewNodeID(slice_node.GetID())
        for _place in range(3):
            marks.AddControlPoint((0.0, 0.0, 0.0), "")
        marks.SetLocked(True)
    marks.SetAttribute(SHOWN, shown)
    marks.SetAttribute(VOLUME, volume.GetID())
    follow_view(slice_node, scene)
    return marks


def marks_of(slice_node: Any, scene: Any) -> Any:
    """The node of a slice view's marks, None without one."""
    nodes = (scene.GetNthNodeByClass(index, KIND) for index in range(scene.GetNumberOfNodesByClass(KIND)))
    return next((node for node in nodes if node.GetAttribute(VIEW) == slice_node.GetLayoutName()), None)


def follow_view(slice_node: Any, scene: Any) -> None:
    """Bring the marks of a slice view, if it has any, to its edges as they are now."""
    import vtk

    marks = marks_of(slice_node, scene)
    if marks is None or marks.GetNumberOfControlPoints() != 3:
        return
    composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{slice_node.GetLayoutName()}")
    current = composite is None or composite.GetBackgroundVolumeID() == marks.GetAttribute(VOLUME)
    if bool(marks.GetDisplayNode().GetVisibility()) != current:
        marks.GetDisplayNode().SetVisibility(current)
    if not current:
        return
    width, height = slice_node.GetDimensions()[:2]
    to_ras = vtk.vtkMatrix4x4()
    to_ras.DeepCopy(slice_node.GetXYToRAS())
    points = [to_ras.MultiplyPoint((x, height - TOP, 0.0, 1.0))[:3] for x in (LEFT, width - RIGHT, LINE)]
    across = np.subtract(points[1], points[0])
    axis = int(np.abs(across).argmax())
    right, left = LETTERS[axis] if across[axis] > 0 else LETTERS[axis][::-1]
    texts = left, right, _words(marks.GetAttribute(SHOWN), axis, across)
    before = marks.StartModify()
    for index, (point, text) in enumerate(zip(points, texts, strict=True)):
        if not np.allclose(marks.GetNthControlPointPositionWorld(index), point, atol=1e-6):
            marks.SetNthControlPointPositionWorld(index, point)
        if marks.GetNthControlPointLabel(index) != text:
            marks.SetNthControlPointLabel(index, text)
    marks.EndModify(before)


def _words(shown: str, axis: int, across: NDArray[np.float64]) -> str:
    """What a view shows and from which side it is looked at."""
    names = {"anterior": _("Anterior"), "posterior": _("Posterior"), "aggregate": _("Sum of both views")}
    name = names.get(shown, shown)
    if axis != 0:
        return name
    side = _("from behind") if across[0] > 0 else _("from the front")
    return f"{name}, {side}"


def _plain_letters(display: Any) -> None:
    """Letters alone, on a light ground: their points would look like findings, and the field around a scan is black."""
    display.SetGlyphType(display.Vertex2D)
    display.UseGlyphScaleOff()
    display.SetGlyphSize(NO_POINT_MM)
    display.SetTextScale(3.0)
    display.SetPropertiesLabelVisibility(False)
    for color in (display.SetColor, display.SetSelectedColor, display.SetActiveColor):
        color(*COLOR)
    text = display.GetTextProperty()
    text.SetBackgroundColor(1.0, 1.0, 1.0)
    text.SetBackgroundOpacity(0.85)
    text.BoldOn()
