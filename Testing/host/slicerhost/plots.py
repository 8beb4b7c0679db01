"""A substitute for qMRMLPlotView: draws the chart of a view node from the tables that its series name."""

# Names are those of the C++ classes, and so is their documentation.
# ruff: noqa: N801, N802, D102
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6 import QtCore, QtGui, QtWidgets

LEFT, RIGHT, TOP, BOTTOM = 46, 10, 22, 34
INK, GRID = QtGui.QColor(60, 60, 60), QtGui.QColor(225, 225, 225)

Series = tuple[str, QtGui.QColor, int, bool, NDArray[np.float64], NDArray[np.float64]]


class qMRMLPlotView(QtWidgets.QWidget):
    """Lines of one chart with its axes, titles and legend."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._node: Any = None
        #: The chart that is drawn. As in the application, a view that loses its node continues to draw.
        self.drawn: Any = None
        self.setMinimumHeight(60)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self.update()
        if self._node is node:
            return
        self._node = node
        if node is not None:
            node.AddObserver("ModifiedEvent", lambda caller, event: self._follow(caller))
            self._follow(node)

    def _follow(self, node: Any) -> None:
        if node is self._node:
            self.drawn = node.GetPlotChartNode()
            self.update()

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        painter.fillRect(QtCore.QRect(0, 0, self.size.width(), self.size.height()), QtGui.QColor("white"))
        painter.setPen(INK)
        if self.drawn is not None and self.drawn.GetScene() is not None:
            self._draw(painter, self.drawn)
        painter.end()

    def _draw(self, painter: Any, chart: Any) -> None:
        width, height = self.size.width(), self.size.height()
        field = QtCore.QRectF(LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM)
        series = [found for index in range(chart.GetNumberOfPlotSeriesNodes()) if (found := _series(chart, index))]
        painter.drawText(QtCore.QRect(LEFT, 2, width - LEFT, TOP - 4), QtCore.Qt.AlignLeft, chart.GetTitle() or "")
        painter.drawText(
            QtCore.QRect(LEFT, height - 16, width - LEFT - RIGHT, 16), QtCore.Qt.AlignCenter, chart.GetXAxisTitle()
        )
        x, y = _range(chart, "X", [s[4] for s in series]), _range(chart, "Y", [s[5] for s in series])

        def place(a: float, b: float) -> Any:
            return QtCore.QPointF(
                field.left() + field.width() * (a - x[0]) / (x[1] - x[0]),
                field.bottom() - field.height() * (b - y[0]) / (y[1] - y[0]),
            )

        for value in np.linspace(*y, 5):
            spot = place(x[0], value)
            painter.setPen(GRID)
            painter.drawLine(spot, place(x[1], value))
            painter.setPen(INK)
            painter.drawText(QtCore.QRectF(0, spot.y() - 8, LEFT - 4, 16), QtCore.Qt.AlignRight, f"{value:.3g}")
        for value in np.linspace(*x, 3):
            spot = place(value, y[0])
            painter.drawText(QtCore.QRectF(spot.x() - 40, spot.y() + 2, 80, 16), QtCore.Qt.AlignCenter, f"{value:.0f}")
        painter.drawRect(field)
        for number, (name, color, line, marked, xs, ys) in enumerate(series):
            painter.setPen(QtGui.QPen(color, line))
            points = [place(a, b) for a, b in zip(xs, ys, strict=True) if np.isfinite(b)]
            painter.drawPolyline(points)
            for point in points if marked else ():
                painter.drawEllipse(point, 2.5, 2.5)
            if chart.GetLegendVisibility():
                corner = QtCore.QRectF(field.left(), field.top() + 4 + 15 * number, field.width() - 8, 15)
                painter.drawText(corner, QtCore.Qt.AlignRight, name)


def _series(chart: Any, index: int) -> Series | None:
    """Name, colour, line width, whether points are marked, and values of a series; None without a table."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    node = chart.GetNthPlotSeriesNode(index)
    table = node.GetTableNode().GetTable() if node is not None and node.GetTableNode() is not None else None
    if table is None or table.GetNumberOfRows() == 0:
        return None
    columns = (table.GetColumnByName(name) for name in (node.GetXColumnName(), node.GetYColumnName()))
    xs, ys = (np.asarray(vtk_to_numpy(column), float) for column in columns)
    marked = node.GetMarkerStyle() != node.MarkerStyleNone
    return node.GetName(), QtGui.QColor.fromRgbF(*node.GetColor()), round(node.GetLineWidth()), marked, xs, ys


def _range(chart: Any, axis: str, values: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Limits of an axis: the chart's own, otherwise those of the values."""
    if not getattr(chart, f"Get{axis}AxisRangeAuto")():
        low, high = getattr(chart, f"Get{axis}AxisRange")()
        return low, high
    found = np.concatenate([*values, np.array([0.0])])
    low, high = float(np.nanmin(found)), float(np.nanmax(found))
    return low, high if high > low else low + 1.0
