"""MRML nodes of a reading: both views, the lesions and their outlines.

The Slicer application is not needed: `slicer-core` from PyPI is sufficient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..export.seg_nrrd import TERMINOLOGY
from ..lesions.naming import lesion_color, lesion_ids, lesion_name
from ..lesions.results import Lesion, Reading
from ..scan.display import display_window
from ..scan.planar import PlanarView, ViewName
from .side_marks import set_shown

__all__ = [
    "SceneNodes",
    "add_node",
    "add_outline",
    "add_segmentation",
    "add_view",
    "fill_scene",
    "import_lesions",
    "labelmap_of",
    "prepare_scene",
    "prepare_segmentation",
    "shape_outline",
    "slicer_module",
]

INVERTED_GREY = "vtkMRMLColorTableNodeInvertedGrey"
#: {view: slice view of Slicer's side-by-side layout that shows it}.
SLICE_VIEWS: dict[ViewName, str] = {"anterior": "Red", "posterior": "Yellow"}
#: Size of an outline's points and line in per cent of the screen.
OUTLINE_SCALE = 0.3
#: Height of the field of view relative to the height of the scan, which leaves a margin.
SLICE_MARGIN = 1.05


@dataclass(frozen=True)
class SceneNodes:
    """The MRML nodes of one reading.

    Attributes:
        volumes: vtkMRMLScalarVolumeNode per existing view, each with its own directions.
        segmentation: vtkMRMLSegmentationNode, one segment per lesion in one layer, in the anterior frame.
        curves: vtkMRMLMarkupsClosedCurveNode per lesion, straight from corner to corner.
        study: item of the subject hierarchy that contains them.
    """

    volumes: dict[ViewName, Any]
    segmentation: Any
    curves: tuple[Any, ...]
    study: int


def fill_scene(reading: Reading, scene: Any) -> SceneNodes:
    """Add a reading to a scene.

    Args:
        reading: the reading.
        scene: a vtkMRMLScene, the application's or one prepared by `prepare_scene`.

    Raises:
        UserError: `slicer-core` is not installed.
    """
    slicer_module()
    case = reading.scan.case
    volumes = {name: add_view(view, f"{case} {name}", scene) for name, view in reading.scan.views.items()}
    for name, volume in volumes.items():
        set_shown(volume, name)
    segmentation = add_segmentation(f"{case} abnormal uptake", next(iter(volumes.values())), scene)
    import_lesions(segmentation, lesion_ids(reading), reading.scan.frame)
    curves = tuple(add_outline(lesion, scene) for lesion in reading.lesions)
    study = _add_to_hierarchy(reading.scan.case, [*volumes.values(), segmentation], curves, scene)
    return SceneNodes(volumes, segmentation, curves, study)


def prepare_scene(scene: Any) -> tuple[Any, ...]:
    """Prepare a bare vtkMRMLScene for `fill_scene` outside the application.

    Returns:
        The module logics; keep a reference to them as long as the scene exists.

    Raises:
        UserError: `slicer-core` is not installed.
    """
    slicer = slicer_module()
    application = slicer.vtkMRMLApplicationLogic()
    application.SetMRMLScene(scene)
    logics = [application]
    for name in ("vtkMRMLColorLogic", "vtkSlicerSegmentationsModuleLogic", "vtkSlicerMarkupsLogic"):
        logic = getattr(slicer, name)()
        # Markups' logic looks up the selection node through the application's.
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        logics.append(logic)
    return tuple(logics)


def slicer_module() -> Any:
    """Import and return the package `slicer`.

    Raises:
        UserError: it is not installed.
    """
    try:
        import slicer
    except ImportError as error:
        raise UserError(
            "Slicer scenes need slicer-core: install it with pip install 'spectbonemetseg[slicer]'."
        ) from error
    return slicer


def add_view(view: PlanarView, name: str, scene: Any, *, hidden: bool = False) -> Any:
    """Add a vtkMRMLScalarVolumeNode of one slice with the view's own directions, displayed in inverted grey.

    Args:
        view: the view.
        name: of the node.
        scene: a vtkMRMLScene.
        hidden: see `add_node`.
    """
    volume = add_node("vtkMRMLScalarVolumeNode", name, scene, hidden=hidden)
    volume.SetIJKToRASMatrix(_vtk_matrix(view.ijk_to_ras))
    volume.SetAndObserveImageData(_vtk_image(view.counts, slicer_module().vtkOrientedImageData()))
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    low, high = display_window(view.counts)
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(low, high)
    display.SetAndObserveColorNodeID(INVERTED_GREY)
    return volume


def add_node(kind: str, name: str, scene: Any, *, hidden: bool = False) -> Any:
    """Add a new node of a class.

    Args:
        kind: name of the class.
        name: of the node.
        scene: a vtkMRMLScene.
        hidden: show it only in the views: in no list of nodes, not in the subject hierarchy, not saved with the scene.
    """
    if not hidden:
        return scene.AddNewNodeByClass(kind, name)
    node = scene.CreateNodeByClass(kind)
    node.UnRegister(None)
    node.SetName(name)
    # Before adding the node: a node that is hidden later already has an item in the subject hierarchy.
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return scene.AddNode(node)


def add_segmentation(name: str, volume: Any, scene: Any, *, hidden: bool = False) -> Any:
    """Add an empty vtkMRMLSegmentationNode with the geometry of a volume; `hidden` as in `add_node`."""
    node = add_node("vtkMRMLSegmentationNode", name, scene, hidden=hidden)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    return node


def import_lesions(node: Any, ids: NDArray[np.uint16], frame: PlanarView) -> None:
    """Set the content of a segmentation node: one segment per lesion, all in one layer.

    Args:
        node: a vtkMRMLSegmentationNode.
        ids: (rows, columns) lesion IDs 1..n on the grid of `frame`.
        frame: the anterior whole-body frame.

    Raises:
        RuntimeError: Slicer did not import them.
    """
    slicer = slicer_module()
    prepare_segmentation(node, frame)
    segmentation = node.GetSegmentation()
    if ids.any():
        # Segments imported together share one layer; imported one by one each would get its own.
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        # Slicer's label tools expect a signed type; int16 is large enough for all IDs.
        if not logic.ImportLabelmapToSegmentationNode(labelmap_of(ids.astype(np.int16), frame), node):
            raise RuntimeError("Slicer did not import the lesions")
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        number = segment.GetLabelValue()
        segment.SetName(lesion_name(number))
        segment.SetNameAutoGenerated(False)
        segment.SetColor(*lesion_color(number))
        segment.SetColorAutoGenerated(False)
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
    node.GetDisplayNode().SetAllSegmentsVisibility2DFill(False)
    node.CreateClosedSurfaceRepresentation()


def prepare_segmentation(node: Any, frame: PlanarView) -> None:
    """Empty a segmentation node and prepare it for lesions on the grid of `frame`."""
    slicer = slicer_module()
    segmentation, converter = node.GetSegmentation(), slicer.vtkSegmentationConverter
    segmentation.RemoveAllSegments()
    geometry = labelmap_of(np.zeros(frame.shape, np.int16), frame)
    # The frame, not the volume: the grid of a single posterior view is the mirror image of the frame.
    segmentation.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(geometry)
    )
    segmentation.SetConversionParameter("Smoothing factor", "0.0")
    display = node.GetDisplayNode()
    # The labelmap shows the exact pixels; a slice through the closed surface would not.
    display.SetPreferredDisplayRepresentationName2D("Binary labelmap")


def labelmap_of(pixels: NDArray[Any], frame: PlanarView) -> Any:
    """Return a one-slice vtkOrientedImageData of (rows, columns) pixels on the grid of `frame`."""
    labelmap = slicer_module().vtkOrientedImageData()
    _vtk_image(pixels, labelmap)
    labelmap.SetGeometryFromImageToWorldMatrix(_vtk_matrix(frame.ijk_to_ras))
    return labelmap


def add_outline(lesion: Lesion, scene: Any) -> Any:
    """Add a locked vtkMRMLMarkupsClosedCurveNode with straight lines between the corners of a lesion's outline."""
    curve = scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", lesion_name(lesion.id))
    curve.CreateDefaultDisplayNodes()
    curve.SetCurveTypeToLinear()
    # Interpolated points on straight lines are invisible and take time to compute and draw.
    curve.SetNumberOfPointsPerInterpolatingSegment(1)
    shape_outline(curve, lesion)
    # Users edit the segmentation, and the outline follows it.
    curve.SetLocked(True)
    display = curve.GetDisplayNode()
    display.SetSelectedColor(*lesion_color(lesion.id))
    display.SetColor(*lesion_color(lesion.id))
    # Relative to the screen: a width in mm would be invisible when the whole body is shown.
    display.UseGlyphScaleOn()
    display.SetGlyphScale(OUTLINE_SCALE)
    display.SetLineThickness(1.0)
    display.SetGlyphType(display.Vertex2D)
    display.SetPointLabelsVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    return curve


def shape_outline(curve: Any, lesion: Lesion) -> None:
    """Set the points of a curve node to a lesion's outline; unchanged outlines are skipped, because points are slow."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    points = vtk.vtkPoints()
    points.SetDataTypeToDouble()
    curve.GetControlPointPositionsWorld(points)
    if points.GetNumberOfPoints() and np.array_equal(vtk_to_numpy(points.GetData()), lesion.curve):
        return
    points.Reset()
    for position in lesion.curve.tolist():
        points.InsertNextPoint(position)
    curve.SetControlPointPositionsWorld(points)


def _add_to_hierarchy(case: str, nodes: list[Any], curves: tuple[Any, ...], scene: Any) -> int:
    hierarchy = slicer_module().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), case)
    outlines = hierarchy.CreateFolderItem(study, "Outlines") if curves else study
    for parent, members in ((study, nodes), (outlines, curves)):
        for node in members:
            # The application adds an item for every new node; without it there is none yet.
            item = hierarchy.GetItemByDataNode(node)
            if item:
                hierarchy.SetItemParent(item, parent)
            else:
                hierarchy.CreateItem(parent, node)
    return int(study)


def _vtk_matrix(matrix: NDArray[np.float64]) -> Any:
    import vtk

    result = vtk.vtkMatrix4x4()
    result.DeepCopy(matrix.ravel().tolist())
    return result


def _vtk_image(pixels: NDArray[Any], image: Any) -> Any:
    """Fill `image` with a (rows, columns) array as one slice."""
    from vtkmodules.util.numpy_support import numpy_to_vtk

    rows, columns = pixels.shape
    image.SetDimensions(columns, rows, 1)
    # A deep copy: otherwise VTK would read memory that NumPy may have freed.
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(pixels).ravel(), deep=True))
    return image
