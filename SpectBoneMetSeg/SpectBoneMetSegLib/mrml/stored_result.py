"""Store a model's result in a Slicer scene with a segmentation node, and read it back.

The segmentation node references the volumes of counts and probabilities and the outlines, has the other fields of the
result as an attribute, and the physician's review as tags of its segments. A saved scene is therefore a saved reading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..lesions.model_result import ModelResult
from ..lesions.results import Reading
from ..lesions.review import label_of_lesions
from ..lesions.serialisation import (
    regions_from,
    regions_text,
    result_facts,
    result_from,
    scan_facts,
    source_from,
)
from ..scan.planar import VIEW_NAMES, PlanarView, ScanSource, ViewName, WholeBodyScan, ijk_to_ras
from .nodes import OUTLINE_SCALE, add_outline, add_view, shape_outline
from .segments import LABELMAP, lies_on, review_of
from .side_marks import FACTS, set_shown
from .skeleton import add_skeleton
from .subject_hierarchy import move_next_to, remove_folder

__all__ = [
    "add_scan",
    "counts_of",
    "highlight",
    "image_pixels",
    "labels_of",
    "outlines_of",
    "remove_node",
    "remove_parts",
    "scan_of_volumes",
    "segment_of_lesions",
    "set_visible",
    "show_outlines",
    "store_result",
    "store_scan_attributes",
    "stored_result",
    "style_outlines",
    "warnings_of",
]

VIEW, REGIONS = "SpectBoneMetSeg.view", "SpectBoneMetSeg.regions"
OUTLINE_ROLE = "outline"
TWO_ORIGINS = "The two views were loaded separately: make sure that they are of one patient and one day."
#: Opacity of rejected lesions.
FAINT = 0.25


def add_scan(scan: WholeBodyScan, scene: Any, name: str = "") -> dict[ViewName, Any]:
    """Add a one-slice volume per view with its own directions; attributes store the source of the scan.

    Args:
        scan: the scan.
        scene: a vtkMRMLScene.
        name: first part of the volumes' names; "" for the scan's case.
    """
    volumes = {view.name: add_view(view, f"{name or scan.case} {view.name}", scene) for view in scan.views.values()}
    for view, volume in volumes.items():
        store_scan_attributes(volume, scan)
        volume.SetAttribute(VIEW, view)
        set_shown(volume, view)
    return volumes


def scan_of_volumes(anterior: Any, posterior: Any) -> WholeBodyScan:
    """Return the scan of two volume nodes, either of which may be None.

    Raises:
        UserError: both are None, or the orientation of a volume is not that of its view.
    """
    given: dict[ViewName, Any] = {"anterior": anterior, "posterior": posterior}
    volumes = {name: volume for name, volume in given.items() if volume is not None}
    if not volumes:
        raise UserError("There is no scan yet: choose its anterior or its posterior volume.")
    views = {name: _view_of(volume, name) for name, volume in volumes.items()}
    facts = [_stored_fields(volume) for volume in volumes.values()]
    sources = {json.dumps(entry["source"]): entry["source"] for entry in facts if entry}
    warnings = dict.fromkeys(str(note) for entry in facts if entry for note in entry["warnings"])
    source = ScanSource()
    for entry in sources.values():
        part = source_from(entry)
        source = replace(
            part,
            files=source.files + part.files,
            sha256=source.sha256 + part.sha256,
            sop_instance_uids=source.sop_instance_uids + part.sop_instance_uids,
            study_instance_uid=source.study_instance_uid or part.study_instance_uid,
        )
    first = next(iter(volumes.values()))
    case = str(facts[0]["case"]) if facts[0] else str(first.GetName())
    if len(volumes) == 2 and (facts[0] is None or facts[0] != facts[1]):
        warnings[TWO_ORIGINS] = None
    return WholeBodyScan(case, views.get("anterior"), views.get("posterior"), source, tuple(warnings))


def warnings_of(volume: Any) -> list[str]:
    """Return the warnings about a volume from its loading, one sentence each."""
    facts = _stored_fields(volume) or {}
    return [str(note) for note in facts.get("warnings", [])]


def store_result(result: ModelResult, node: Any, volumes: Mapping[ViewName, Any], scene: Any) -> None:
    """Store a result with a segmentation node.

    Args:
        result: the model's prediction.
        node: the vtkMRMLSegmentationNode.
        volumes: the volume nodes of the scan's views.
        scene: their vtkMRMLScene.
    """
    _remove_maps(node, scene)
    for name in VIEW_NAMES:
        node.SetNodeReferenceID(f"{name}Counts", None)
    for name, values in result.probabilities.items():
        node.SetNodeReferenceID(f"{name}Counts", volumes[name].GetID())
        stored = add_view(result.scan.frame.with_counts(values), f"{result.scan.case} {name} probability", scene)
        stored.GetDisplayNode().SetWindowLevelMinMax(0.0, 1.0)
        stored.SetHideFromEditors(True)
        node.SetNodeReferenceID(f"{name}Probability", stored.GetID())
    total = add_view(result.scan.frame.with_counts(result.aggregate), f"{result.scan.case} aggregate", scene)
    set_shown(total, "aggregate")
    node.SetNodeReferenceID("aggregateCounts", total.GetID())
    node.SetAttribute(REGIONS, regions_text(result.regions))
    overlays = add_skeleton(result.scan, result.regions, volumes, scene)
    for name, overlay in overlays.items():
        node.SetNodeReferenceID(f"{name}Skeleton", overlay.GetID())
    maps = (node.GetNodeReference(f"{name}Probability") for name in result.probabilities)
    move_next_to([node, total, *maps, *overlays.values()], next(iter(volumes.values())), scene)
    _store_fields(node, result_facts(result))


def stored_result(node: Any) -> ModelResult | None:
    """Return the result stored with a segmentation node; None if there is none or its volumes were removed."""
    facts = _stored_fields(node)
    if facts is None or "crop" not in facts:
        return None
    counts: dict[ViewName, NDArray[Any]] = {}
    maps: dict[ViewName, NDArray[Any]] = {}
    for name in facts["views"]:
        volume, stored = node.GetNodeReference(f"{name}Counts"), node.GetNodeReference(f"{name}Probability")
        if volume is None or stored is None or volume.GetImageData() is None or stored.GetImageData() is None:
            return None
        counts[name], maps[name] = _pixels(volume), _pixels(stored)
    return result_from(facts, counts, maps, regions_from(node.GetAttribute(REGIONS) or ""))


def labels_of(node: Any, frame: PlanarView) -> tuple[NDArray[np.int32], list[str]]:
    """Return (rows, columns) labels of a segmentation node on a frame, and the segment IDs of labels 1, 2, ...

    Where segments overlap, the label of the later one is used.

    Args:
        node: a vtkMRMLSegmentationNode.
        frame: the anterior whole-body frame.
    """
    segmentation = node.GetSegmentation()
    ids = [str(segmentation.GetNthSegmentID(index)) for index in range(segmentation.GetNumberOfSegments())]
    if not ids:
        return np.zeros(frame.shape, np.int32), []
    labels = _labels_in_layers(segmentation, ids, frame)
    return (_labels_merged(node, ids, frame) if labels is None else labels), ids


def _labels_in_layers(segmentation: Any, ids: Sequence[str], frame: PlanarView) -> NDArray[np.int32] | None:
    """Return the labels from the segments' labelmaps; None if one has another grid than the frame."""
    layers: list[tuple[Any, dict[int, int]]] = []
    for label, segment in enumerate(ids, start=1):
        entry = segmentation.GetSegment(segment)
        image = entry.GetRepresentation(LABELMAP)
        values = next((values for other, values in layers if other is image), None)
        if values is None:
            layers.append((image, values := {}))
        values[int(entry.GetLabelValue())] = label
    labels = np.zeros(frame.shape, np.int32)
    for image, values in layers:
        if image is None or not lies_on(image, frame):
            return None
        left, right, top, bottom, _, _ = image.GetExtent()
        if right < left or bottom < top:
            continue
        pixels = image_pixels(image)[max(0, -top) :, max(0, -left) :]
        part = labels[max(0, top) : bottom + 1, max(0, left) : right + 1]
        pixels = pixels[: part.shape[0], : part.shape[1]]
        known = np.zeros(max(int(pixels.max(initial=0)), *values) + 1, np.int32)
        known[list(values)] = list(values.values())
        np.maximum(part, known[pixels.clip(0)], out=part)
    return labels


def _labels_merged(node: Any, ids: Sequence[str], frame: PlanarView) -> NDArray[np.int32]:
    """Return the labels as merged by Slicer, for segments on any grid; several times slower."""
    import slicer
    import vtk

    geometry, merged = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    geometry.SetExtent(0, frame.shape[1] - 1, 0, frame.shape[0] - 1, 0, 0)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(frame.ijk_to_ras.ravel().tolist())
    geometry.SetGeometryFromImageToWorldMatrix(matrix)
    # Explicit lists: empty ones would mean all segments with their own label values.
    names, values = vtk.vtkStringArray(), vtk.vtkIntArray()
    for label, segment in enumerate(ids, start=1):
        names.InsertNextValue(segment)
        values.InsertNextValue(label)
    # Painting beyond the frame enlarges a labelmap; pixels outside the field are ignored.
    extent = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    if not node.GenerateMergedLabelmapForAllSegments(merged, extent, geometry, names, values):
        raise RuntimeError("Slicer did not merge the segments")
    return image_pixels(merged).astype(np.int32)


def segment_of_lesions(reading: Reading, labels: NDArray[np.int32], ids: Sequence[str]) -> dict[int, str]:
    """Return {lesion ID: ID of the segment that covers most of it}."""
    return {number: ids[label - 1] for number, label in label_of_lesions(reading, labels).items()}


def show_outlines(reading: Reading, node: Any, scene: Any) -> None:
    """Update the closed curves of a segmentation node to the reading's lesions; existing curves are reused."""
    curves = outlines_of(node)
    for lesion, curve in zip(reading.lesions, curves, strict=False):
        shape_outline(curve, lesion)
    added = [add_outline(lesion, scene) for lesion in reading.lesions[len(curves) :]]
    for curve in added:
        node.AddNodeReferenceID(OUTLINE_ROLE, curve.GetID())
    move_next_to(added, node, scene, outline_folder(node))
    for curve in curves[len(reading.lesions) :]:
        remove_node(curve, scene)


def style_outlines(node: Any, segments: Mapping[int, str]) -> None:
    """Set name, colour and visibility of each outline from its segment; rejected lesions are drawn faintly.

    Args:
        node: the vtkMRMLSegmentationNode.
        segments: {lesion ID: ID of its segment}, lesions in the order of the outlines.
    """
    display = node.GetDisplayNode()
    for lesion, curve in enumerate(outlines_of(node), start=1):
        segment = segments.get(lesion)
        if segment is None:
            continue
        entry, style = node.GetSegmentation().GetSegment(segment), curve.GetDisplayNode()
        if entry is None:
            continue
        opacity = FAINT if review_of(node, segment).decision == "rejected" else 1.0
        if curve.GetName() != entry.GetName():
            curve.SetName(entry.GetName())
        style.SetColor(*entry.GetColor())
        style.SetSelectedColor(*entry.GetColor())
        style.SetOpacity(opacity)
        # Hiding a segment in the Segment Editor also hides its outline.
        style.SetVisibility(bool(display.GetVisibility() and display.GetSegmentVisibility(segment)))
        # Two faint lines on top of each other would look strong.
        display.SetSegmentOpacity2DOutline(segment, 1.0 if opacity == 1.0 else 0.0)


def set_visible(node: Any, *, visible: bool) -> None:
    """Show or hide a segmentation node with its outlines."""
    for part in (node, *outlines_of(node)):
        if part.GetDisplayNode() is not None:
            part.GetDisplayNode().SetVisibility(visible)


def highlight(node: Any, index: int | None) -> None:
    """Draw one outline of a segmentation node thicker than the others, by its index; None draws all alike."""
    for number, curve in enumerate(outlines_of(node)):
        curve.GetDisplayNode().SetGlyphScale(OUTLINE_SCALE * (2.5 if number == index else 1.0))


def outlines_of(node: Any) -> list[Any]:
    """Return the closed curves of a segmentation node, in the order of the lesions."""
    count = node.GetNumberOfNodeReferences(OUTLINE_ROLE)
    curves = (node.GetNthNodeReference(OUTLINE_ROLE, index) for index in range(count))
    return [curve for curve in curves if curve is not None]


def outline_folder(node: Any) -> str:
    """Return the name of the folder of a segmentation node's outlines."""
    return f"{node.GetName()} (outlines)"


def counts_of(node: Any) -> dict[str, Any]:
    """Return {view: volume node} of the scan that a segmentation node is a reading of."""
    found = {name: node.GetNodeReference(f"{name}Counts") for name in VIEW_NAMES}
    return {name: volume for name, volume in found.items() if volume is not None}


def remove_parts(node: Any, scene: Any) -> None:
    """Remove the nodes that belong to a segmentation node: outlines, probability maps and overlays of the skeleton."""
    for curve in outlines_of(node):
        remove_node(curve, scene)
    node.RemoveNodeReferenceIDs(OUTLINE_ROLE)
    _remove_maps(node, scene)
    remove_folder(outline_folder(node), scene)


def _remove_maps(node: Any, scene: Any) -> None:
    for role in ("aggregateCounts", *(f"{name}{part}" for name in VIEW_NAMES for part in ("Probability", "Skeleton"))):
        part = node.GetNodeReference(role)
        if part is not None:
            remove_node(part, scene)
            node.SetNodeReferenceID(role, None)


def remove_node(node: Any, scene: Any) -> None:
    """Remove a node together with its display and storage nodes, which would otherwise remain in the scene."""
    parts = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    parts.append(node.GetStorageNode())
    # The node first: a volume in a slice view would get a new display node.
    scene.RemoveNode(node)
    for part in parts:
        if part is not None:
            scene.RemoveNode(part)


def _view_of(volume: Any, name: ViewName) -> PlanarView:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    stored = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    across, down = (float(step) for step in volume.GetSpacing()[:2])
    right, anterior, superior = stored[:3, 3].tolist()
    expected = ijk_to_ras(name, (down, across), (right, anterior, superior))
    image = volume.GetImageData()
    if (
        image is None
        or image.GetDimensions()[2] != 1
        or image.GetNumberOfScalarComponents() != 1
        or volume.GetParentTransformNode() is not None
        or not np.allclose(stored[:3, :2], expected[:3, :2], atol=1e-3 * min(across, down))
    ):
        raise UserError(
            f"{volume.GetName()} is not positioned in the patient as the {name} view is: load the scan as planar "
            "scintigraphy, or open its file here."
        )
    return PlanarView(_pixels(volume), (down, across), name, (right, anterior, superior))


def _pixels(volume: Any) -> NDArray[np.float32]:
    return image_pixels(volume.GetImageData()).astype(np.float32)


def image_pixels(image: Any) -> NDArray[Any]:
    """Return a copy of a one-slice vtkImageData as (rows, columns)."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    columns, rows, _ = image.GetDimensions()
    return np.array(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns))


def store_scan_attributes(volume: Any, scan: WholeBodyScan) -> None:
    """Store the fields of a scan, including its date, as an attribute of a volume node."""
    _store_fields(volume, scan_facts(scan))


def _store_fields(node: Any, facts: Mapping[str, Any]) -> None:
    node.SetAttribute(FACTS, json.dumps(facts))


def _stored_fields(node: Any) -> dict[str, Any] | None:
    text = node.GetAttribute(FACTS)
    try:
        return dict(json.loads(text)) if text else None
    except ValueError:
        return None
