"""A line that follows the mouse in a slice view."""

# Names follow Slicer's own: camelCase methods and arguments.

from __future__ import annotations

from typing import TYPE_CHECKING

import vtk

if TYPE_CHECKING:
    from ..slicer_types import Widget

COLOR, WIDTH = (0.85, 0.25, 0.0), 2.0


class DrawnLine:
    """Shows where a drag began and where it is; it belongs to no scene."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._view: Widget | None = None
        self._source = vtk.vtkLineSource()
        mapper = vtk.vtkPolyDataMapper2D()
        mapper.SetInputConnection(self._source.GetOutputPort())
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(mapper)
        self.actor.GetProperty().SetColor(*COLOR)
        self.actor.GetProperty().SetLineWidth(WIDTH)

    def show(self, view: Widget, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Draw in a slice view (qMRMLSliceView), between two places in its pixels."""
        if view is not self._view:
            self.hide()
            self._view = view
            view.renderWindow().GetRenderers().GetItemAsObject(0).AddActor2D(self.actor)
        self._source.SetPoint1(*start, 0.0)
        self._source.SetPoint2(*end, 0.0)
        view.scheduleRender()

    def hide(self) -> None:
        """Take it away."""
        if self._view is not None:
            self._view.renderWindow().GetRenderers().GetItemAsObject(0).RemoveActor2D(self.actor)
            self._view.scheduleRender()
        self._view = None
