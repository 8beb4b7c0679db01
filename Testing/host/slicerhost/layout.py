"""The application's layout manager: slice views with real slice logics, sized when the application is idle.

Which view nodes there are is the work of Slicer's own vtkMRMLLayoutLogic. As in the application a view comes into
being with the first layout that shows it, and has its size only when it is on the screen.
"""

# Names are those of the C++ classes, and so is their documentation.
# ruff: noqa: N802, N815, D102
from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui

#: Points of the screen that all slice views share, side by side.
SCREEN = (1200, 700)
PLAIN_DPI = 72


class SliceView:
    """qMRMLSliceView: an interactor to observe, a window that knows its dots per inch and its renderers."""

    def __init__(self, manager: Any) -> None:
        import vtk

        self._manager, self._interactor = manager, vtk.vtkGenericRenderWindowInteractor()
        self._renderers, self.renders = vtk.vtkRendererCollection(), 0
        self._renderers.AddItem(vtk.vtkRenderer())
        self.backgroundColor = QtGui.QColor("black")
        self.cursor: Any = None

    def interactor(self) -> Any:
        return self._interactor

    def renderWindow(self) -> Any:
        return self

    def GetDPI(self) -> int:
        return round(PLAIN_DPI * self._manager.ratio)

    def GetRenderers(self) -> Any:
        return self._renderers

    def setBackgroundColor(self, color: Any) -> None:
        self.backgroundColor = color

    def setViewCursor(self, cursor: Any) -> None:
        self.cursor = cursor

    def unsetViewCursor(self) -> None:
        self.cursor = None

    def scheduleRender(self) -> None:
        self.renders += 1


class SliceWidget:
    """qMRMLSliceWidget."""

    def __init__(self, manager: Any, logic: Any) -> None:
        self._logic, self._view = logic, SliceView(manager)

    def sliceView(self) -> Any:
        return self._view

    def sliceLogic(self) -> Any:
        return self._logic

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()


class LayoutManager(QtCore.QObject):
    """qSlicerLayoutManager, as far as modules use it."""

    layoutChanged = QtCore.Signal(int)

    def __init__(self, scene: Any, application_logic: Any) -> None:
        import slicer
        import vtk

        super().__init__()
        self._scene, self._application, self._collection = scene, application_logic, vtk.vtkCollection()
        #: Pixels a point: 2 on a screen that draws everything twice as large.
        self.ratio = 1.0
        self.widgets: dict[str, SliceWidget] = {}
        application_logic.SetSliceLogics(self._collection)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(scene)
        self._node = self._logic.GetLayoutNode()
        self._arrangement = 0
        self._node.AddObserver("ModifiedEvent", lambda caller, event: self._follow())
        self._node.SetViewArrangement(self._node.SlicerLayoutFourUpView)
        self._follow()
        self.give_sizes()

    def layoutLogic(self) -> Any:
        return self._logic

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self.widgets)

    def sliceWidget(self, name: str) -> Any:
        return self.widgets.get(name)

    def mrmlSliceLogics(self) -> Any:
        return self._collection

    def setLayout(self, number: int) -> None:
        self._node.SetViewArrangement(number)

    def resetSliceViews(self) -> None:
        for widget in self.widgets.values():
            if widget.mrmlSliceCompositeNode().GetBackgroundVolumeID():
                widget.sliceLogic().FitSliceToBackground()

    def shown(self) -> list[str]:
        """Names of the slice views in the layout."""
        nodes = self._logic.GetViewNodes()
        views = (nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems()))
        return [view.GetLayoutName() for view in views if view.IsA("vtkMRMLSliceNode")]

    def set_ratio(self, ratio: float) -> None:
        """Move the window to another screen."""
        self.ratio = ratio
        self.give_sizes()

    def give_sizes(self) -> None:
        """The views of the layout share the screen."""
        names = self.shown()
        for name in names:
            width, height = (round(part * self.ratio) for part in (SCREEN[0] / len(names), SCREEN[1]))
            if name in self.widgets:
                self.widgets[name].sliceLogic().ResizeSliceNode(width, height)

    def _follow(self) -> None:
        import slicer

        arrangement = self._node.GetViewArrangement()
        for name in self.shown():
            if name not in self.widgets:
                logic = slicer.vtkMRMLSliceLogic()
                logic.SetMRMLApplicationLogic(self._application)
                self._collection.AddItem(logic)
                logic.SetMRMLScene(self._scene)
                logic.SetSliceNode(self._scene.GetNodeByID(f"vtkMRMLSliceNode{name}"))
                self.widgets[name] = SliceWidget(self, logic)
        if arrangement != self._arrangement:
            self._arrangement = arrangement
            self.layoutChanged.emit(arrangement)
            QtCore.QTimer.singleShot(0, self.give_sizes)
