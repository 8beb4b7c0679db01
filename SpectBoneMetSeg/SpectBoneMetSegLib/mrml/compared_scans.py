"""Show two compared scans in slice views of their own, every lesion in the colour of its change, with its number.

The nodes are copies that belong to no reading, are in no list of nodes and are not saved with the scene. Other nodes of
the scene lie at the same position; they are hidden in these views while the compared scans are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..followup.picture import COLORS
from ..followup.results import Change
from ..followup.side_by_side import LesionPair, Side, SideBySide
from ..scan.planar import PlanarView, ViewName
from .display_levels import draw
from .nodes import add_node, add_segmentation, add_view, labelmap_of, prepare_segmentation
from .side_marks import plain_letters, set_shown
from .slice_views import COMPARED, show_compared
from .stored_result import remove_node, store_scan_attributes

__all__ = ["LEVEL_PERCENT", "ComparedScans"]

#: Upper level of the display in per cent of the body's median counts: comparable for any dose and scan time.
LEVEL_PERCENT = 400.0
#: Width of an outline and of a selected outline (pixels); opacity of the other outlines during a selection.
LINE, SELECTED_LINE, FAINT = 2, 4, 0.55
#: Distance from a lesion to its number (mm).
GAP_MM = 6.0
DISPLAYS = ("vtkMRMLSegmentationDisplayNode", "vtkMRMLMarkupsDisplayNode", "vtkMRMLModelDisplayNode")
VIEW_KINDS = ("vtkMRMLSliceNode", "vtkMRMLViewNode")


class ComparedScans:
    """The nodes of two compared scans in a scene."""

    def __init__(self, scene: Any, change_text: Callable[[LesionPair], str]) -> None:
        """Create an empty display.

        Args:
            scene: a vtkMRMLScene.
            change_text: returns the change of a lesion as text, in the user's language.
        """
        self.scene, self.change_text = scene, change_text
        self._nodes: list[str] = []
        self._volumes: dict[str, str] = {}
        self._segmentations: list[str] = []
        self._marks: list[str] = []
        self._limited: list[str] = []

    @property
    def present(self) -> bool:
        """Whether the scene contains any of the nodes."""
        return any(self.scene.GetNodeByID(node) is not None for node in self._nodes)

    def add(self, shown: SideBySide, percent: float = LEVEL_PERCENT) -> None:
        """Add both scans to the scene, replacing earlier ones; `show` shows their views.

        Args:
            shown: the scans and their lesions.
            percent: upper level of the display in per cent of the body's median counts.
        """
        self.remove()
        rows = {row.number: row for row in shown.rows}
        for when, side in (("then", shown.earlier), ("now", shown.later)):
            for name, view in side.scan.views.items():
                self._add_view(f"{when} {name}", side, name, view, rows)
        self.draw(percent)

    def show(self, *, posterior_from_behind: bool = True) -> None:
        """Show the views, and hide all other nodes in them."""
        volumes = {name: self.scene.GetNodeByID(node) for name, node in self._volumes.items()}
        show_compared(volumes, self.scene, posterior_from_behind=posterior_from_behind)
        self.hide_others()

    def hide_others(self) -> None:
        """Hide all other nodes in the views of the compared scans, also nodes that were added meanwhile."""
        ours = {f"vtkMRMLSliceNode{name}" for name in COMPARED.values()}
        views = [view.GetID() for kind in VIEW_KINDS for view in _nodes(self.scene, kind) if view.GetID() not in ours]
        for kind in DISPLAYS:
            for display in _nodes(self.scene, kind):
                # A display node without views is drawn in all views; list all other views in it.
                if display.GetNumberOfViewNodeIDs() == 0:
                    _set_views(display, views)
                    self._limited.append(display.GetID())

    def show_others(self) -> None:
        """Draw all other nodes in every view again."""
        for display in map(self.scene.GetNodeByID, self._limited):
            if display is not None:
                display.RemoveAllViewNodeIDs()
        self._limited.clear()

    def draw(self, percent: float) -> None:
        """Display both scans up to a percentage of the median counts of their own bodies."""
        volumes = [node for node in map(self.scene.GetNodeByID, self._volumes.values()) if node is not None]
        draw(volumes, "body", percent, 1.0, self.scene, inverse=True)

    def choose(self, row: LesionPair | None) -> None:
        """Emphasise the outlines of one lesion and show the text of its change; None shows all lesions alike."""
        number = row.number if row is not None else None
        for marks in map(self.scene.GetNodeByID, self._marks):
            for index in range(marks.GetNumberOfControlPoints() if marks is not None else 0):
                own = marks.GetNthControlPointLabel(index).split()[0]
                label = f"{own} {self.change_text(row)}" if row is not None and own == str(number) else own
                marks.SetNthControlPointLabel(index, label)
        for node in map(self.scene.GetNodeByID, self._segmentations):
            if node is None:
                continue
            segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
            before = display.StartModify()
            for index in range(segmentation.GetNumberOfSegments()):
                segment = segmentation.GetNthSegmentID(index)
                opacity = FAINT if number not in (None, segmentation.GetNthSegment(index).GetLabelValue()) else 1.0
                display.SetSegmentOpacity2DOutline(segment, opacity)
            display.SetSliceIntersectionThickness(LINE if number is None else SELECTED_LINE)
            display.EndModify(before)

    def remove(self) -> None:
        """Remove the nodes from the scene."""
        self.show_others()
        for node in map(self.scene.GetNodeByID, self._nodes):
            if node is not None:
                remove_node(node, self.scene)
        self._nodes, self._volumes, self._segmentations, self._marks = [], {}, [], []

    def _add_view(self, panel: str, side: Side, name: ViewName, view: PlanarView, rows: dict[int, LesionPair]) -> None:
        volume = add_view(view, f"{side.scan.case} {panel}", self.scene, hidden=True)
        store_scan_attributes(volume, side.scan)
        set_shown(volume, name)
        self._volumes[panel] = volume.GetID()
        numbers = np.where(side.numbers[name] > 0, side.numbers[name], side.gone[name])
        node = self._add_outlines(volume, view, numbers, rows)
        marks = self._add_numbers(name, view, numbers, rows)
        for part in (node, *marks):
            _set_views(part.GetDisplayNode(), [f"vtkMRMLSliceNode{COMPARED[panel]}"])
        self._nodes += [each.GetID() for each in (*marks, node, volume)]
        self._marks += [each.GetID() for each in marks]
        self._segmentations.append(node.GetID())

    def _add_outlines(
        self, volume: Any, view: PlanarView, numbers: NDArray[np.uint16], rows: dict[int, LesionPair]
    ) -> Any:
        import slicer

        node = add_segmentation(f"{volume.GetName()} lesions", volume, self.scene, hidden=True)
        prepare_segmentation(node, view)
        if numbers.any():
            labelmap = labelmap_of(numbers.astype(np.int16), view)
            if not slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labelmap, node):
                raise RuntimeError("Slicer did not import the compared lesions")
        segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
        for index in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(index)
            row = rows[segment.GetLabelValue()]
            segment.SetName(f"{row.number} {self.change_text(row)} {row.bone}".strip())
            segment.SetColor(*(part / 255 for part in COLORS[row.change]))
        display.SetAllSegmentsVisibility2DFill(False)
        display.SetVisibility3D(False)
        display.SetSliceIntersectionThickness(LINE)
        return node

    def _add_numbers(
        self, name: ViewName, view: PlanarView, numbers: NDArray[np.uint16], rows: dict[int, LesionPair]
    ) -> list[Any]:
        """Add the numbers of the lesions, one node of points for each change, in its colour."""
        made: dict[Change, Any] = {}
        for number in np.unique(numbers[numbers > 0]).tolist():
            change = rows[number].change
            if change not in made:
                made[change] = add_node(
                    "vtkMRMLMarkupsFiducialNode", f"Numbers {name} {change}", self.scene, hidden=True
                )
                made[change].CreateDefaultDisplayNodes()
                red, green, blue = (part / 255 for part in COLORS[change])
                plain_letters(made[change].GetDisplayNode(), (red, green, blue))
            made[change].AddControlPoint(_right_of(numbers == number, view), str(number))
        for marks in made.values():
            marks.SetLocked(True)
        return list(made.values())


def _right_of(mask: NDArray[np.bool_], view: PlanarView) -> tuple[float, float, float]:
    """Return a position (RAS mm) to the right of a lesion in the image as acquired."""
    rows, columns = np.nonzero(mask)
    edge = columns.max() + GAP_MM / view.spacing[1]
    right, _, superior, _ = view.ijk_to_ras @ np.array([edge, rows.mean(), 0.0, 1.0])
    return float(right), 0.0, float(superior)


def _set_views(display: Any, views: Iterable[str]) -> None:
    before = display.StartModify()
    display.RemoveAllViewNodeIDs()
    for view in views:
        display.AddViewNodeID(view)
    display.EndModify(before)


def _nodes(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]
