"""Slice views of the application: content, direction of view, layouts, and the box of the region to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..scan.planar import PlanarView, ViewName, to_ras
from ..scan.thorax import ThoraxCrop
from .nodes import SLICE_MARGIN
from .side_marks import follow_view, set_dated

__all__ = [
    "COMPARED",
    "EARLIER",
    "FOLLOW_UP",
    "PANELS",
    "VIEWS",
    "box_pixels",
    "center_views",
    "exclude_layout_from_scenes",
    "make_adjustable",
    "register_layout",
    "restore_layout",
    "show_box",
    "show_compared",
    "show_scan",
    "show_side_by_side",
    "show_view",
]

#: {content: slice view}. The slice views belong to this extension; Slicer's Red, Yellow and Green are not changed, so
#: that the next volume is not shown from behind in one of them.
PANELS = {"anterior": "SpectAnterior", "posterior": "SpectPosterior", "aggregate": "SpectSum"}
#: {view: slice view} of an earlier scan that is shown side by side with the open one.
EARLIER = {"anterior": "SpectEarlierAnterior", "posterior": "SpectEarlierPosterior"}
#: Slice views of two scans whose lesions were compared, in their order on the screen.
COMPARED = {
    "then anterior": "SpectThenAnterior",
    "now anterior": "SpectNowAnterior",
    "then posterior": "SpectThenPosterior",
    "now posterior": "SpectNowPosterior",
}
VIEWS = {**PANELS, **{f"earlier {name}": view for name, view in EARLIER.items()}, **COMPARED}
#: Label and colour of the bar of a slice view.
LABELS = {
    "anterior": "Ant",
    "posterior": "Post",
    "aggregate": "Sum",
    "earlier anterior": "Ant (other)",
    "earlier posterior": "Post (other)",
    "then anterior": "Ant (earlier)",
    "now anterior": "Ant (later)",
    "then posterior": "Post (earlier)",
    "now posterior": "Post (later)",
}
COLORS = {
    "anterior": "#3c7ab5",
    "posterior": "#b5713c",
    "aggregate": "#6f8a43",
    "earlier anterior": "#7d93a8",
    "earlier posterior": "#a88f7d",
    "then anterior": "#7d93a8",
    "now anterior": "#3c7ab5",
    "then posterior": "#a88f7d",
    "now posterior": "#b5713c",
}
#: Each slice view has its own view group: linked views of a group would show one image from one side.
GROUPS = {name: 9567 + index for index, name in enumerate(VIEWS)}
#: Layout of two scans side by side, the same views next to each other.
SIDE_BY_SIDE = 9571
#: Layout of two scans whose lesions were compared.
FOLLOW_UP = 9572
#: {number: slice views} of the layouts of this extension; the numbers of Slicer's own are below 500.
LAYOUTS: dict[int, tuple[str, ...]] = {
    9567: ("anterior", "posterior", "aggregate"),
    9568: ("anterior", "posterior"),
    9569: ("anterior",),
    9570: ("posterior",),
    SIDE_BY_SIDE: ("anterior", "earlier anterior", "posterior", "earlier posterior"),
    FOLLOW_UP: tuple(COMPARED),
}
#: Attribute of the layout node: the layout that was active before one of this extension.
BEFORE = "SpectBoneMetSeg.layoutBefore"
BOX_DEPTH_MM = 20.0
BOX_COLOR = (0.0, 0.36, 0.73)


def show_scan(
    volumes: Mapping[ViewName, Any],
    scene: Any,
    aggregate_volume: Any = None,
    *,
    posterior_from_behind: bool = True,
) -> None:
    """Show the views of a scan side by side in slice views, whole field, head up.

    Args:
        volumes: the volume node of each view; if empty, nothing is changed.
        scene: a vtkMRMLScene with the slice views of PANELS.
        aggregate_volume: shown third, from the front; None for two slice views.
        posterior_from_behind: the posterior view as acquired, the patient's left on the viewer's left.
    """
    if not volumes:
        return
    given: dict[str, Any] = {str(name): volume for name, volume in volumes.items()}
    # The aggregate of a single view would be the same image again.
    given["aggregate"] = aggregate_volume if len(volumes) > 1 else None
    names = tuple(name for name in PANELS if given.get(name) is not None)
    number = next(number for number, shown in LAYOUTS.items() if shown == names)
    _show(number, given, scene, posterior_from_behind=posterior_from_behind)


def show_side_by_side(
    volumes: Mapping[ViewName, Any],
    earlier: Mapping[ViewName, Any],
    scene: Any,
    *,
    posterior_from_behind: bool = True,
) -> None:
    """Show two scans, the same views side by side, each with its date; the slice view of a missing view stays empty.

    Args:
        volumes: the volume node of each view of one scan.
        earlier: the volume node of each view of the other scan.
        scene: a vtkMRMLScene.
        posterior_from_behind: the posterior views as acquired.
    """
    given: dict[str, Any] = {str(name): volume for name, volume in volumes.items()}
    given |= {f"earlier {name}": volume for name, volume in earlier.items()}
    _show(SIDE_BY_SIDE, given, scene, posterior_from_behind=posterior_from_behind)


def show_compared(volumes: Mapping[str, Any], scene: Any, *, posterior_from_behind: bool = True) -> None:
    """Show two scans whose lesions were compared, each view with its date; slice views of missing views stay empty.

    Args:
        volumes: {name in COMPARED: volume node}.
        scene: a vtkMRMLScene.
        posterior_from_behind: the posterior views as acquired.
    """
    _show(FOLLOW_UP, volumes, scene, posterior_from_behind=posterior_from_behind)


def _show(number: int, given: Mapping[str, Any], scene: Any, *, posterior_from_behind: bool) -> None:
    """Show one of the layouts.

    Args:
        number: of the layout.
        given: {name in VIEWS: volume node or None}.
        scene: a vtkMRMLScene.
        posterior_from_behind: posterior views as acquired.
    """
    register_layout(scene)
    two_scans = number in (SIDE_BY_SIDE, FOLLOW_UP)
    for name in LAYOUTS[number] if two_scans else PANELS:
        _ensure_view(name, scene)
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is not None:
        before = layout.GetViewArrangement()
        if before not in LAYOUTS:
            layout.SetAttribute(BEFORE, str(before))
        layout.SetViewArrangement(number)
        exclude_layout_from_scenes(scene)
    for name, layout_name in VIEWS.items():
        slice_node = scene.GetNodeByID(f"vtkMRMLSliceNode{layout_name}")
        composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{layout_name}")
        if slice_node is None or composite is None:
            continue
        shown = given.get(name)
        set_dated(slice_node, dated=two_scans)
        if shown is None:
            # Empty, because another image must not appear under this name.
            composite.SetBackgroundVolumeID(None)
        else:
            show_view(slice_node, composite, shown, from_behind=name.endswith("posterior") and posterior_from_behind)
        follow_view(slice_node, scene)


def register_layout(scene: Any) -> None:
    """Register the layouts of this extension, also for scenes that were saved with one of them."""
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is None:
        return
    for number, names in LAYOUTS.items():
        if not layout.IsLayoutDescription(number):
            layout.AddLayoutDescription(number, _layout_of(names))


def restore_layout(scene: Any) -> bool:
    """Restore the layout that was active before; return False if no layout of this extension is active."""
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is None or layout.GetViewArrangement() not in LAYOUTS:
        return False
    before = layout.GetAttribute(BEFORE) or ""
    known = before.isdigit() and layout.IsLayoutDescription(int(before))
    layout.SetViewArrangement(int(before) if known else layout.SlicerLayoutFourUpView)
    return True


def exclude_layout_from_scenes(scene: Any) -> None:
    """Do not save a layout of this extension with the scene.

    Slicer without the extension does not know the layout and would show no view; without it in the scene Slicer keeps
    its current layout. Call this whenever the layout changes, because Slicer has no event before saving.
    """
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if layout is None:
        return
    standard = layout.GetViewArrangement() not in LAYOUTS
    if bool(layout.GetSaveWithScene()) != standard:
        layout.SetSaveWithScene(standard)


def _ensure_view(name: str, scene: Any) -> None:
    """Add the slice node and composite node of a slice view if missing; the application's layout uses them."""
    import slicer

    layout_name = VIEWS[name]
    node = scene.GetNodeByID(f"vtkMRMLSliceNode{layout_name}")
    if node is None:
        node = scene.CreateNodeByClass("vtkMRMLSliceNode")
        node.UnRegister(None)
        node.SetName(layout_name)
        node.SetLayoutName(layout_name)
        node = scene.AddNode(node)
    composite = scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{layout_name}")
    if composite is None:
        composite = slicer.vtkMRMLSliceCompositeNode()
        composite.SetLayoutName(layout_name)
        composite = scene.AddNode(composite)
    node.SetLayoutLabel(LABELS[name])
    node.SetViewGroup(GROUPS[name])
    # New volumes are shown in Slicer's own slice views.
    composite.SetDoPropagateVolumeSelection(False)


def show_box(crop: ThoraxCrop, frame: PlanarView, scene: Any, box: Any = None) -> Any:
    """Show the region that was read as a box.

    Args:
        crop: the region.
        frame: the anterior whole-body frame.
        scene: a vtkMRMLScene.
        box: vtkMRMLMarkupsROINode to update; None adds one.

    Returns:
        The node of the box.
    """
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
        # The centre point of the box could be mistaken for a finding: make it tiny.
        display.UseGlyphScaleOn()
        display.SetGlyphScale(0.01)
        make_adjustable(box, adjustable=False)
    size = np.abs(corners[1] - corners[0])
    box.SetCenter(corners.mean(axis=0).tolist())
    # The scan is a plane; a box without depth would not intersect it.
    box.SetSize((float(size[0]), BOX_DEPTH_MM, float(size[2])))
    return box


def make_adjustable(box: Any, *, adjustable: bool) -> None:
    """Set whether the user can move and resize a region node in the views."""
    box.SetLocked(not adjustable)
    box.GetDisplayNode().SetHandlesInteractive(adjustable)


def box_pixels(box: Any, frame: PlanarView) -> tuple[int, int, int, int]:
    """Return first row, end row, first column and end column of a region node in `frame`; they may exceed the field."""
    bounds = [0.0] * 6
    box.GetRASBounds(bounds)
    inverse = np.linalg.inv(frame.ijk_to_ras)
    corners = np.array([(bounds[i], 0.0, bounds[4 + i], 1.0) for i in (0, 1)]) @ inverse.T
    left, right = sorted(np.rint(corners[:, 0] + 0.5).astype(int).tolist())
    first, end = sorted(np.rint(corners[:, 1] + 0.5).astype(int).tolist())
    return first, end, left, right


def center_views(position: Sequence[float], scene: Any) -> None:
    """Centre the slice views of the reading at a position (RAS mm)."""
    for layout_name in (*PANELS.values(), *EARLIER.values()):
        slice_node = scene.GetNodeByID(f"vtkMRMLSliceNode{layout_name}")
        if slice_node is not None:
            slice_node.JumpSliceByCentering(*position)


def show_view(slice_node: Any, composite: Any, volume: Any, *, from_behind: bool) -> None:
    """Show a volume in a slice view from the front or from behind, head up, whole field."""
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
    # Laterality must be obvious in a view from behind.
    slice_node.SetOrientationMarkerType(slice_node.OrientationMarkerTypeHuman)
    slice_node.UpdateMatrices()
    composite.SetBackgroundVolumeID(volume.GetID())
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)


def _layout_of(names: Iterable[str]) -> str:
    def view(name: str) -> str:
        values = {"orientation": "Coronal", "viewlabel": LABELS[name], "viewcolor": COLORS[name]}
        properties = [f'<property name="{key}" action="default">{value}</property>' for key, value in values.items()]
        properties.append(f'<property name="viewgroup" action="default">{GROUPS[name]}</property>')
        tag = VIEWS[name]
        return f'<item><view class="vtkMRMLSliceNode" singletontag="{tag}">{"".join(properties)}</view></item>'

    return f'<layout type="horizontal">{"".join(view(name) for name in names)}</layout>'
