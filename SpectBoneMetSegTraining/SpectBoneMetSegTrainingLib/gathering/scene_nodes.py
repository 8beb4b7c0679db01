"""Read labels from a Slicer scene: segmentation nodes and labelmap volumes, as the same `Labels` as from files.

The only file of this library that uses MRML. A segmentation with a result of the reading module is read in its current
state, with edits, rejections and its lesions per view. The geometry of any other is compared with the scan's grids: on
the anterior view's grid it labels the union of both views, on the posterior view's grid that view (see `labels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.dicom import read_header
from SpectBoneMetSegLib.loading.dicom_values import text
from SpectBoneMetSegLib.mrml.live_reading import LiveReading
from SpectBoneMetSegLib.mrml.segments import review_of
from SpectBoneMetSegLib.mrml.stored_result import image_pixels, scan_of_volumes
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from .formats.read_labels import join_labels
from .formats.result_folders import marks_of_views
from .labels.grids import place
from .labels.marks import IGNORE_NAME, LabelledScan, Labels, Mark

__all__ = ["NodeLabel", "labelled_scan", "labels_of_node", "patient_of"]

#: Training on a model's own unedited prediction would reinforce its errors, so it is reported.
UNTOUCHED = "It is the model's own result, which was neither edited nor reviewed."

Covers = frozenset[ViewName | None]


@dataclass(frozen=True)
class NodeLabel:
    """A label in the scene.

    Attributes:
        node: a vtkMRMLSegmentationNode or vtkMRMLLabelMapVolumeNode.
        reader: name of the reader.
        view: the only view that was outlined, for a label on the anterior view's grid that is not a union.
    """

    node: Any
    reader: str = "reader"
    view: ViewName | None = None


def labelled_scan(anterior: Any, posterior: Any, labels: Sequence[NodeLabel]) -> LabelledScan:
    """Return one scan in the scene with the labels of its readers, for `gathering.gather.gather`.

    Args:
        anterior: one-slice volume node of the anterior view, or None.
        posterior: one-slice volume node of the posterior view, or None.
        labels: at least one; several labels of one reader are merged.

    Raises:
        UserError: no scan or no label, or a label that does not lie on the scan.
    """
    scan = scan_of_volumes(anterior, posterior)
    if not labels:
        raise UserError(f"{scan.case} has no label yet: choose a segmentation or a labelmap.")
    volumes = [volume for volume in (anterior, posterior) if volume is not None]
    readers: dict[str, list[Labels]] = {}
    for label in labels:
        readers.setdefault(label.reader, []).append(labels_of_node(label, scan, volumes))
    joined = tuple(join_labels(parts, scan.case) for parts in readers.values())
    return LabelledScan(scan, joined, patient_of(scan, volumes[0]), str(volumes[0].GetName()))


def labels_of_node(label: NodeLabel, scan: WholeBodyScan, volumes: Sequence[Any] = ()) -> Labels:
    """Return the labels of a scan from a node.

    Args:
        label: the node.
        scan: the scan.
        volumes: the scan's volume nodes; a segmentation made for another volume is rejected.

    Raises:
        UserError: it holds no labelmap, lies under a transform, or does not belong to or lie on the scan.
    """
    node, name = label.node, str(label.node.GetName())
    if node.GetParentTransformNode() is not None:
        raise UserError(f"{name} lies under a transform; take it out of the transform.")
    if not node.IsA("vtkMRMLSegmentationNode"):
        marks, covers = _labelmap(node, scan, label.view)
        return Labels(label.reader, marks, covers, (name,))
    made_for = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    if made_for is not None and volumes and not any(made_for.GetID() == volume.GetID() for volume in volumes):
        raise UserError(f"{name} was made for {made_for.GetName()}, not for the scan {scan.case}; choose its own scan.")
    live = LiveReading.find(node, node.GetScene())
    if live is not None:
        if not _same_counts(live.result.scan, scan):
            raise UserError(f"{name} holds the result of another scan than {scan.case}; choose its own scan.")
        marks = marks_of_views(live.final().view_masks, scan)
        notes = () if live.touched() else (UNTOUCHED,)
        return Labels(label.reader, marks, frozenset(scan.views), (name,), notes)
    marks, covers = _segments(node, scan, label.view)
    return Labels(label.reader, marks, covers, (name,))


def patient_of(scan: WholeBodyScan, volume: Any) -> str:
    """Return the patient's ID from the scan's file or the subject hierarchy; "" if neither has one."""
    for file in scan.source.files:
        try:
            found = text(read_header(Path(file)), "PatientID")
        except (UserError, OSError):
            continue
        if found:
            return found
    return _patient_in_hierarchy(volume)


def _patient_in_hierarchy(volume: Any) -> str:
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volume.GetScene())
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    item = hierarchy.GetItemByDataNode(volume)
    while item and item != hierarchy.GetSceneItemID():
        found = hierarchy.GetItemAttribute(item, constants.GetDICOMPatientIDAttributeName())
        if found:
            return str(found).strip()
        item = hierarchy.GetItemParent(item)
    return ""


def _same_counts(one: WholeBodyScan, two: WholeBodyScan) -> bool:
    return one.views.keys() == two.views.keys() and all(
        np.array_equal(view.counts, two.views[name].counts) for name, view in one.views.items()
    )


def _labelmap(node: Any, scan: WholeBodyScan, view: ViewName | None) -> tuple[tuple[Mark, ...], Covers]:
    import vtk

    matrix, image = vtk.vtkMatrix4x4(), node.GetImageData()
    if image is None or not node.IsA("vtkMRMLLabelMapVolumeNode"):
        raise UserError(f"{node.GetName()} is no labelmap; choose a segmentation or a labelmap volume.")
    node.GetIJKToRASMatrix(matrix)
    pixels, lies = place(
        _pixels(image, str(node.GetName())), _array(matrix), scan, str(node.GetName()), named_view=view
    )
    values = sorted(set(np.unique(pixels).tolist()) - {0})
    return tuple(Mark(str(value), pixels == value, lies) for value in values), frozenset([lies])


def _segments(node: Any, scan: WholeBodyScan, view: ViewName | None) -> tuple[tuple[Mark, ...], Covers]:
    import slicer
    import vtk

    name, segmentation = str(node.GetName()), node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and not segmentation.ContainsRepresentation("Binary labelmap"):
        raise UserError(f"{name} has no binary labelmap; create that representation in the Segmentations module.")
    marks = []
    covers: set[ViewName | None] = set()
    for index in range(segmentation.GetNumberOfSegments()):
        identifier = segmentation.GetNthSegmentID(index)
        if review_of(node, identifier).decision == "rejected":
            continue
        image, matrix = slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
        if not node.GetBinaryLabelmapRepresentation(identifier, image) or image.IsEmpty():
            continue
        image.GetImageToWorldMatrix(matrix)
        first = [*(float(edge) for edge in image.GetExtent()[::2]), 1.0]
        stored = _array(matrix)
        # An image's pixels need not begin at index 0.
        stored[:, 3] = stored @ first
        pixels, lies = place(_pixels(image, name), stored, scan, name, named_view=view, cropped=True)
        covers.add(lies)
        title = str(segmentation.GetNthSegment(index).GetName())
        if pixels.any():
            marks.append(Mark(f"{title} {identifier}", pixels > 0, lies, title.strip().lower() == IGNORE_NAME))
    if len(covers) > 1:
        raise UserError(
            f"{name} has segments on both views' grids; keep the segments of each view in one segmentation."
        )
    # An empty segmentation has no grid that identifies the view; it means that there is no lesion.
    return tuple(marks), frozenset(covers or {view if len(scan.views) == 2 else next(iter(scan.views))})


def _array(matrix: Any) -> NDArray[np.float64]:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _pixels(image: Any, name: str) -> NDArray[Any]:
    if image.GetDimensions()[2] != 1:
        raise UserError(
            f"{name} has {image.GetDimensions()[2]} slices, a planar scan has one; draw on the scan itself."
        )
    return image_pixels(image)
