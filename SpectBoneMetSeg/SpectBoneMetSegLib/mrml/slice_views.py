"""The slice views of the application: what they show, from which side, and the box of the region to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..scan.planar import PlanarView, ViewName, to_ras
from ..scan.thorax import ThoraxCrop
from .nodes import SLICE_MARGIN, SLICE_VIEWS
from .side_marks import follow_view, mark_view

__all__ = [
    "PANELS",
    "box_pixels",
    "center_views",
    "make_adjustable",
    "register_layout",
    "show_box",
    "show_scan",
    "show_view",
]

#: Which slice view shows what.
PANELS: dict[str, str] = {**{str(name): view for name, view in SLICE_VIEWS.items()}, "aggregate": "Green"}
#: What a view's bar says.
LABELS = {"anterior": "Ant", "posterior": "Post", "aggregate": "Sum"}
#: Our arrangements of slice views by number; Slicer's own stay below 500.
LAYOUTS: dict[int, tuple[str, ...]] = {
    9567: ("Red", "Yellow", "Green"),
    9568: ("Red", "Yellow"),
    9569: ("Red",),
    9570: ("Yellow",),
}
BOX_DEPTH_MM = 20.0
BOX_COLOR = (0.0, 0.36, 0.73)


def show_scan(
    volumes: Mapping[ViewName, Any], scene: Any, posterior_from_behind: bool = True, aggregate_volume: Any = None
) -> None:
    """Show the views side by side in the application's slice views, whole field, head up.

    Args:
        volumes: the volume node of each view; empty does nothing.
        scene: a vtkMRMLScene with the slice views of PANELS.
        posterior_from_behind: the posterior view as acquired, the patient's left on the viewer's left.
        aggregate_volume: shown as third, from the front; None leaves two views.
    """
    if not volumes:
        return
    given: dict[str, Any] = {str(name): volume for name, volume in volumes.items()}
    # One view needs no second picture of itself.
    given["aggregate"] = aggregate_volume if len(volumes) > 1 else None
    register_layout(scene)
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is not None:
        panels = tuple(panel for name, panel in PANELS.items() if given.get(name) is not None)
        layout.SetViewArrangement(next(number for number, shown in LAYOUTS.items() if shown == panels))
    for name, layout_name in PANELS.items():
        slice_node = scene.GetNodeByID(f"vtkMRMLSliceNode{layout_name}")
        composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{layout_name}")
        if slice_node is None or composite is None:
            continue
        shown = given.get(name)
        slice_node.SetLayoutLabel(LABELS[name])
        if shown is None:
            # An empty view, not another picture under this one's name.
            composite.SetBackgroundVolumeID(None)
            follow_view(slice_node, scene)
        else:
            show_view(slice_node, composite, shown, name == "posterior" and posterior_from_behind)
            mark_view(slice_node, shown, name, scene)


def register_layout(scene: Any) -> None:
    """Make our arrangements known, also to scenes that were saved with one of them."""
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is None:
        return
    for number, panels in LAYOUTS.items():
        if not layout.IsLayoutDescription(number):
            layout.AddLayoutDescription(number, _layout_of(panels))


def show_box(crop: ThoraxCrop, frame: PlanarView, scene: Any, box: Any = None) -> Any:
    """Show the region that was read as a vtkMRMLMarkupsROINode, which the user may move; a new one for None."""
    (first, end), (left, right) = crop.rows, crop.columns
    corners = to_ras(np.array([[first - 0.5, left - 0.5], [end - 0.5, right - 0.5]]), frame)
    if box is None:
        box = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Region to read")
        box.CreateDefaultDisplayNodes()
        display = box.GetDisplayNode()
        display.SetFillVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetPointLabelsVisibility(False)
        for color in (display.SetColor, display.SetSelectedColor):
            color(*BOX_COLOR)
        # The middle of a box is no finding.
        display.UseGlyphScaleOn()
        display.SetGlyphScale(0.01)
        make_adjustable(box, False)
    size = np.abs(corners[1] - corners[0])
    box.SetCenter(corners.mean(axis=0).tolist())
    # The scan is a plane; a box without depth would not cut it.
    box.SetSize((float(size[0]), BOX_DEPTH_MM, float(size[2])))
    return box


def make_adjustable(box: Any, adjustable: bool) -> None:
    """Let the user move and size a region node in the views, or only see it."""
    box.SetLocked(not adjustable)
    box.GetDisplayNode().SetHandlesInteractive(adjustable)


def box_pixels(box: Any, frame: PlanarView) -> tuple[int, int, int, int]:
    """First row, end row, first column, end column of `frame` inside a region node; may reach outside the field."""
    bounds = [0.0] * 6
    box.GetRASBounds(bounds)
    inverse = np.linalg.inv(frame.ijk_to_ras)
    corners = np.array([(bounds[i], 0.0, bounds[4 + i], 1.0) for i in (0, 1)]) @ inverse.T
    left, right = sorted(np.rint(corners[:, 0] + 0.5).astype(int).tolist())
    first, end = sorted(np.rint(corners[:, 1] + 0.5).astype(int).tolist())
    return first, end, left, right


def center_views(position: Sequence[float], scene: Any) -> None:
    """Bring a place of the patient (RAS mm) into the middle of the slice views."""
    for layout_name in PANELS.values():
        slice_node = scene.GetNodeByID(f"vtkMRMLSliceNode{layout_name}")
        if slice_node is not None:
            slice_node.JumpSliceByCentering(*position)


def show_view(slice_node: Any, composite: Any, volume: Any, from_behind: bool) -> None:
    """Show a volume in a slice view that looks at the patient from the front or from behind, head up, whole field."""
    sign = 1.0 if from_behind else -1.0
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    slice_to_ras = np.eye(4)
    slice_to_ras[:3, 0] = (sign, 0.0, 0.0)
    slice_to_ras[:3, 1] = (0.0, 0.0, 1.0)
    slice_to_ras[:3, 2] = (0.0, -sign, 0.0)
    slice_to_ras[:3, 3] = ((bounds[0] + bounds[1]) / 2, 0.0, (bounds[4] + bounds[5]) / 2)
    slice_node.GetSliceToRAS().DeepCopy(slice_to_ras.ravel().tolist())
    width, height = (max(1, size) for size in slice_node.GetDimensions()[:2])
    field = max(bounds[5] - bounds[4], (bounds[1] - bounds[0]) * height / width) * SLICE_MARGIN
    slice_node.SetFieldOfView(field * width / height, field, 1.0)
    # Patient left and right must be plain in a view from behind.
    slice_node.SetOrientationMarkerType(slice_node.OrientationMarkerTypeHuman)
    slice_node.UpdateMatrices()
    composite.SetBackgroundVolumeID(volume.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)


def _layout_of(panels: Iterable[str]) -> str:
    orientation = '<property name="orientation" action="default">Coronal</property>'
    view = f'<view class="vtkMRMLSliceNode" singletontag="{{0}}">{orientation}</view>'
    return f'<layout type="horizontal">{"".join(f"<item>{view.format(panel)}</item>" for panel in panels)}</layout>'
