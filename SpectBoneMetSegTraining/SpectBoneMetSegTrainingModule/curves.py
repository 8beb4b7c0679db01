"""Training curves as plots: loss and DSC on the validation scans, in tables of the scene."""

# Names follow Slicer's own: camelCase methods and arguments.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import slicer
from numpy.typing import ArrayLike, NDArray
from slicer.i18n import tr as _

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Node, Widget

Array = NDArray[np.float64]
#: Red, green and blue, 0 to 1.
Color = tuple[float, float, float]
#: Title, column of the table, color, and line width (pixels) of a series.
Series = tuple[str, str, Color, int]

PREFIX = "SpectBoneMetSegTraining"
#: More points than a plot has pixels would only make it slow.
MOST_POINTS = 400
#: Share of the curve that one value of the smoothed line averages.
SMOOTHING = 0.05
FAINT: Color = (0.65, 0.65, 0.65)
STRONG: Color = (0.12, 0.38, 0.66)
GREEN: Color = (0.0, 0.48, 0.35)


class Curves:
    """Two plot views in a panel; the nodes behind them lie in the scene, for other views and for saving."""

    def __init__(self, frame: Widget) -> None:
        """Put the views into a widget with a layout."""
        self.views: dict[str, Widget] = {}
        for name in ("loss", "dice"):
            view = slicer.qMRMLPlotView()
            view.setMinimumHeight(170)
            view.setMRMLScene(slicer.mrmlScene)
            frame.layout().addWidget(view)
            self.views[name] = view

    def show(self, losses: ArrayLike, validations: ArrayLike) -> None:
        """Draw the curves of a training.

        Args:
            losses: (n, 2) steps with their loss.
            validations: (n, 2) steps with the DSC on the validation scans.
        """
        losses = np.asarray(losses, np.float64).reshape(-1, 2)
        steps, loss, mean = thinned(np.column_stack([losses, smooth(losses[:, 1])])).T
        columns = {"step": steps, "loss": loss, "smooth": mean}
        series = ((_("every step"), "loss", FAINT, 1), (_("smoothed"), "smooth", STRONG, 2))
        self._draw("loss", _("Training loss"), columns, series)
        steps, dice = np.asarray(validations, np.float64).reshape(-1, 2).T
        columns = {"step": steps, "dice": dice, "best": np.maximum.accumulate(dice)}
        series = ((_("best so far"), "best", FAINT, 2), (_("latest"), "dice", GREEN, 2))
        self._draw("dice", _("DSC on validation scans"), columns, series, (0.0, 1.0))

    def _draw(
        self,
        name: str,
        title: str,
        columns: Mapping[str, Array],
        series: Sequence[Series],
        limits: tuple[float, float] | None = None,
    ) -> None:
        """Update table, series and view of one chart; `limits` are those of its y axis, None for automatic ones."""
        table = singleton("vtkMRMLTableNode", name)
        fill(table, columns)
        chart = singleton("vtkMRMLPlotChartNode", name)
        if chart.GetNumberOfPlotSeriesNodes() != len(series):
            chart.RemoveAllPlotSeriesNodeIDs()
            for label, column, color, width in series:
                line = singleton("vtkMRMLPlotSeriesNode", f"{name}.{column}")
                line.SetName(label)
                line.SetPlotType(line.PlotTypeScatter)
                line.SetAndObserveTableNodeID(table.GetID())
                line.SetXColumnName("step")
                line.SetYColumnName(column)
                line.SetMarkerStyle(line.MarkerStyleCircle if column == "dice" else line.MarkerStyleNone)
                line.SetColor(*color)
                line.SetLineWidth(width)
                chart.AddAndObservePlotSeriesNodeID(line.GetID())
        chart.SetTitle(title)
        chart.SetXAxisTitle(_("step"))
        chart.SetYAxisTitle("")
        if limits is not None:
            chart.SetYAxisRangeAuto(False)
            chart.SetYAxisRange(*limits)
        view = singleton("vtkMRMLPlotViewNode", name)
        # Slicer takes a view without an owner for one of the main window's.
        view.SetAndObserveParentLayoutNodeID(singleton("vtkMRMLScriptedModuleNode", "plots").GetID())
        view.SetSaveWithScene(False)
        # Otherwise a chart that is shown elsewhere in Slicer would be shown here, too.
        view.SetDoPropagatePlotChartSelection(False)
        view.SetPlotChartNodeID(chart.GetID())
        self.views[name].setMRMLPlotViewNode(view)

    def forget(self) -> None:
        """Release the nodes of the scene, before it is closed."""
        for name, view in self.views.items():
            node = slicer.mrmlScene.GetSingletonNode(f"{PREFIX}.{name}", "vtkMRMLPlotViewNode")
            if node is not None:
                # A view without a node keeps its drawing.
                node.SetPlotChartNodeID(None)
            view.setMRMLPlotViewNode(None)


def singleton(kind: str, name: str) -> Node:
    """Return the one node of a class with this name in this module's plots; create it if it is missing."""
    tag = f"{PREFIX}.{name}"
    node = slicer.mrmlScene.GetSingletonNode(tag, kind)
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node.SetName(tag)
        node = slicer.mrmlScene.AddNode(node)
    return node


def fill(node: Node, columns: Mapping[str, Array]) -> None:
    """Replace the contents of a table node by columns of numbers of one length."""
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    table = vtk.vtkTable()
    for name, values in columns.items():
        array = numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float64), deep=True)
        array.SetName(name)
        table.AddColumn(array)
    node.SetAndObserveTable(table)


def thinned(points: Array) -> Array:
    """Return at most MOST_POINTS rows of (n, columns), always including the last one."""
    if len(points) <= MOST_POINTS:
        return points
    rows: NDArray[np.int64] = np.unique(np.linspace(0, len(points) - 1, MOST_POINTS).round().astype(int))
    return points[rows]


def smooth(values: Array) -> Array:
    """Return the moving average of (n,) values: the mean of each and those before it, over SMOOTHING of the curve."""
    width = max(1, round(SMOOTHING * len(values)))
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    means: Array = (sums[ends] - sums[starts]) / (ends - starts)
    return means
