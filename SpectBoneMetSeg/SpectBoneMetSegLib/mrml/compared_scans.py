"""Two compared scans in views of their own: every lesion in the colour of what became of it, with its number.

The nodes are copies that no reading knows, in no list and in no saved scene. What else is in the scene lies at the same
place; it is kept out of these views while they are shown, and drawn everywhere again afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..followup.picture import COLORS
from ..followup.results import Change
from ..followup.side_by_side import Row, Side, SideBySide
from ..scan.planar import PlanarView, ViewName
from .display_levels import draw
from .nodes import add_node, add_segmentation, add_view, labelmap_of, prepare_segmentation
from .side_marks import plain_letters, set_shown
from .slice_views import COMPARED, show_compared
from .stored_result import remove_node, store_scan_attributes

__all__ = ["LEVEL_PERCENT", "ComparedScans"]

#: Upper level of the pictures as a percentage of the body's median: alike for any dose and time.
LEVEL_PERCENT = 400.0
#: Width of an outline in pixels, of a chosen one, and how strongly a place is drawn where a lesion was.
LINE, CHOSEN_LINE, FAINT = 2, 4, 0.55
#: From a lesion to its number (mm).
GAP_MM = 6.0
DISPLAYS = ("vtkMRMLSegmentationDisplayNode", "vtkMRMLMarkupsDisplayNode", "vtkMRMLModelDisplayNode")
VIEW_KINDS = ("vtkMRMLSliceNode", "vtkMRMLViewNode")


class ComparedScans:
    """The nodes of two compared scans in a scene."""

    def __init__(self, scene: Any, words: Callable[[Row], str]) -> None:
        """Nothing is shown yet.

        Args:
            scene: a vtkMRMLScene.
            words: says the state of a lesion in the reader's language.
        """
        self.scene, self.words = scene, words
        self._nodes: list[str] = []
        self._volumes: dict[str, str] = {}
        self._segmentations: list[str] = []
        self._marks: list[str] = []
        self._limited: list[str] = []

    @property
    def present(self) -> bool:
        """Whether the scene holds them."""
        return any(self.scene.GetNodeByID(node) is not None for node in self._nodes)

    def add(self, shown: SideBySide, percent: float = LEVEL_PERCENT) -> None:
        """Put both scans into the scene in place of those before; `show` brings up their views."""
        self.remove()
        rows = {row.number: row for row in shown.rows}
        for when, side in (("then", shown.earlier), ("now", shown.later)):
            for name, view in side.scan.views.items():
                self._add_view(f"{when} {name}", side, name, view, rows)
        self.draw(percent)

    def show(self, *, posterior_from_behind: bool = True) -> None:
        """Bring up the views, and keep all else out of them."""
        volumes = {name: self.scene.GetNodeByID(node) for name, node in self._volumes.items()}
        show_compared(volumes, self.scene, posterior_from_behind=posterior_from_behind)
        self.hide_others()

    def hide_others(self) -> None:
        """What came into the scene meanwhile is not drawn over the compared scans either."""
        ours = {f"vtkMRMLSliceNode{name}" for name in COMPARED.values()}
        views = [view.GetID() for kind in VIEW_KINDS for view in _nodes(self.scene, kind) if view.GetID() not in ours]
        for kind in DISPLAYS:
            for display in _nodes(self.scene, kind):
                # What names its views is drawn in no other.
                if display.GetNumberOfViewNodeIDs() == 0:
                    _set_views(display, views)
                    self._limited.append(display.GetID())

    def show_others(self) -> None:
        """All else is drawn in every view again."""
        for display in map(self.scene.GetNodeByID, self._limited):
            if display is not None:
                display.RemoveAllViewNodeIDs()
        self._limited.clear()

    def draw(self, percent: float) -> None:
        """Draw both scans up to a percentage of the median counts of their own bodies."""
        volumes = [node for node in map(self.scene.GetNodeByID, self._volumes.values()) if node is not None]
        draw(volumes, "body", percent, 1.0, self.scene, inverse=True)

    def choose(self, row: Row | None) -> None:
        """Draw one lesion's outlines as the only strong ones, and say its state; None draws all alike."""
        number = row.number if row is not None else None
        for marks in map(self.scene.GetNodeByID, self._marks):
            for index in range(marks.GetNumberOfControlPoints() if marks is not None else 0):
                own = marks.GetNthControlPointLabel(index).split()[0]
                said = f"{own} {self.words(row)}" if row is not None and own == str(number) else own
                marks.SetNthControlPointLabel(index, said)
        for node in map(self.scene.GetNodeByID, self._segmentations):
            if node is None:
                continue
            segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
            before = display.StartModify()
            for index in range(segmentation.GetNumberOfSegments()):
                segment = segmentation.GetNthSegmentID(index)
                strength = FAINT if number not in (None, segmentation.GetNthSegment(index).GetLabelValue()) else 1.0
                display.SetSegmentOpacity2DOutline(segment, strength)
            display.SetSliceIntersectionThickness(LINE if number is None else CHOSEN_LINE)
            display.EndModify(before)

    def remove(self) -> None:
        """Take them out of the scene."""
        self.show_others()
        for node in map(self.scene.GetNodeByID, self._nodes):
            if node is not None:
                remove_node(node, self.scene)
        self._nodes, self._volumes, self._segmentations, self._marks = [], {}, [], []

    def _add_view(self, place: str, side: Side, name: ViewName, view: PlanarView, rows: dict[int, Row]) -> None:
        volume = add_view(view, f"{side.scan.case} {place}", self.scene, hidden=True)
        store_scan_attributes(volume, side.scan)
        set_shown(volume, name)
        self._volumes[place] = volume.GetID()
        was = side.gone[name]
        numbers = np.where(side.numbers[name] > 0, side.numbers[name], was)
        node = self._add_outlines(volume, view, numbers, rows)
        marks = self._add_numbers(name, view, numbers, rows)
        for part in (node, *marks):
            _set_views(part.GetDisplayNode(), [f"vtkMRMLSliceNode{COMPARED[place]}"])
        self._nodes += [each.GetID() for each in (*marks, node, volume)]
        self._marks += [each.GetID() for each in marks]
        self._segmentations.append(node.GetID())

    def _add_outlines(self, volume: Any, view: PlanarView, numbers: NDArray[np.uint16], rows: dict[int, Row]) -> Any:
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
            segment.SetName(f"{row.number} {self.words(row)} {row.bone}".strip())
            segment.SetColor(*(part / 255 for part in COLORS[row.change]))
        display.SetAllSegmentsVisibility2DFill(False)
        display.SetVisibility3D(False)
        display.SetSliceIntersectionThickness(LINE)
        return node

    def _add_numbers(
        self, name: ViewName, view: PlanarView, numbers: NDArray[np.uint16], rows: dict[int, Row]
    ) -> list[Any]:
        """A node of marks for every state: the number of each lesion beside it, in the state's colour."""
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
            made[change].AddControlPoint(_beside(numbers == number, view), str(number))
        for marks in made.values():
            marks.SetLocked(True)
        return list(made.values())


def _beside(mask: NDArray[np.bool_], view: PlanarView) -> tuple[float, float, float]:
    """RAS mm of a place to the right of a lesion as the detector saw it."""
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
    return [scene.GetNthNodeByClass(place, kind) for place in range(scene.GetNumberOfNodesByClass(kind))]
