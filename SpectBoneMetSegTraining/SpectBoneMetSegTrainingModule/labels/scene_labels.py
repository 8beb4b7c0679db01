"""The labels in the scene: which segmentation or labelmap was drawn on which scan, by whom, and whether to train on it.

The user's entries for a label are attributes of its node, so that they are saved with the scene.
"""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N815

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError

if TYPE_CHECKING:
    from SpectBoneMetSegLib.scan.planar import ViewName
    from SpectBoneMetSegModule.slicer_types import Node, VolumeNode

FOR_TRAINING, READER = "SpectBoneMetSegTraining.teach", "SpectBoneMetSegTraining.reader"
SCAN = "SpectBoneMetSegTraining.scan"
#: Attribute of the volumes of a scan, written by the reading module.
FACTS = "SpectBoneMetSeg.facts"
#: Attribute of the reading module's overlays of the skeleton, which are not labels of lesions.
SKELETON = "SpectBoneMetSeg.skeleton"
KINDS = ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode")


@dataclass(frozen=True)
class SceneScan:
    """The volumes of one scan in the scene, by the IDs of their nodes.

    Attributes:
        name: name of the scan.
        anterior: ID of the node of the anterior view; empty if there is none.
        posterior: ID of the node of the posterior view; empty if there is none.
    """

    name: str
    anterior: str
    posterior: str

    def isOf(self, files: Iterable[str | Path]) -> bool:
        """Whether the volumes were read from these files."""
        known = [volume for volume in self.volumes() if volume is not None]
        read = {file for volume in known for file in json.loads(volume.GetAttribute(FACTS))["source"]["files"]}
        return bool(read & {str(file) for file in files})

    def volumes(self) -> tuple[VolumeNode | None, VolumeNode | None]:
        """Return anterior and posterior volume node; None for one that is missing or was removed."""
        anterior, posterior = (
            slicer.mrmlScene.GetNodeByID(number) if number else None for number in (self.anterior, self.posterior)
        )
        return anterior, posterior


@dataclass(frozen=True)
class SceneLabel:
    """A label of the scene.

    Attributes:
        node: ID of its node.
        name: name of its node.
        scan: the scan that it was drawn on; None if unknown.
        reader: name of its reader.
        forTraining: whether to train on it.
        areas: number of its areas and the decisions on them, as text.
    """

    node: str
    name: str
    scan: SceneScan | None
    reader: str
    forTraining: bool
    areas: str


def scansInScene() -> list[SceneScan]:
    """Return the planar scans of the scene; volumes that were loaded together are one scan."""
    groups: dict[str, dict[ViewName, VolumeNode]] = {}
    for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        facts = volume.GetAttribute(FACTS)
        view = viewOf(volume) if not volume.GetHideFromEditors() and volume.GetClassName() not in KINDS else None
        if facts and view is not None:
            groups.setdefault(facts, {}).setdefault(view, volume)
    scans = []
    for views in groups.values():
        first = next(iter(views.values()))
        name = first.GetName().removesuffix(" anterior").removesuffix(" posterior")
        ids = {view: volume.GetID() for view, volume in views.items()}
        scans.append(SceneScan(name, ids.get("anterior", ""), ids.get("posterior", "")))
    return scans


def viewOf(volume: VolumeNode) -> ViewName | None:
    """Return the view of a patient that a volume shows, None for neither."""
    from SpectBoneMetSegLib.mrml.stored_result import scan_of_volumes

    pairs: dict[ViewName, tuple[VolumeNode, VolumeNode]] = {"anterior": (volume, None), "posterior": (None, volume)}
    for view, pair in pairs.items():
        try:
            scan_of_volumes(*pair)
        except UserError:
            continue
        return view
    return None


def labelsInScene(scans: Sequence[SceneScan]) -> list[SceneLabel]:
    """Return the labels of the scene with reader, scan and choice for training.

    Args:
        scans: from `scansInScene`.
    """
    labels = []
    for kind in KINDS:
        for node in slicer.util.getNodesByClass(kind):
            if node.GetHideFromEditors() or node.GetAttribute(SKELETON):
                continue
            scan = scanOf(node, scans)
            reader = node.GetAttribute(READER) or node.GetName()
            ticked = scan is not None and node.GetAttribute(FOR_TRAINING) == "1"
            labels.append(SceneLabel(node.GetID(), node.GetName(), scan, reader, ticked, areasText(node)))
    return labels


def scanOf(node: Node, scans: Sequence[SceneScan]) -> SceneScan | None:
    """Return the scan that a label was drawn on: chosen, else of its result or geometry; None if unknown."""
    volumes = [node.GetNodeReference(SCAN)]
    volumes += [node.GetNodeReference(f"{view}Counts") for view in ("anterior", "posterior")]
    if node.IsA("vtkMRMLSegmentationNode"):
        volumes.append(node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()))
    known = [volume.GetID() for volume in volumes if volume is not None]
    for number in known:
        for scan in scans:
            if number in (scan.anterior, scan.posterior):
                return scan
    return scans[0] if len(scans) == 1 else None


def areasText(node: Node) -> str:
    """Return the number of areas of a label and the decisions on them."""
    if not node.IsA("vtkMRMLSegmentationNode"):
        return _("labelmap")
    from SpectBoneMetSegLib.mrml.segments import review_of

    segmentation = node.GetSegmentation()
    count = segmentation.GetNumberOfSegments()
    decisions = [review_of(node, segmentation.GetNthSegmentID(index)).decision for index in range(count)]
    accepted, rejected = decisions.count("accepted"), decisions.count("rejected")
    if not accepted and not rejected:
        return str(count)
    return _("{count} ({accepted} accepted, {rejected} rejected)").format(
        count=count, accepted=accepted, rejected=rejected
    )


def keepReader(number: str, reader: str) -> None:
    """Store the reader of a label; an empty name stands for the name of the node.

    Raises:
        UserError: the label was removed from the scene.
    """
    labelNode(number).SetAttribute(READER, reader or None)


def keepForTraining(number: str, forTraining: bool) -> None:
    """Store whether to train on a label.

    Raises:
        UserError: the label was removed from the scene.
    """
    labelNode(number).SetAttribute(FOR_TRAINING, "1" if forTraining else None)


def keepScan(number: str, scan: SceneScan) -> None:
    """Store the scan that a label was drawn on.

    Raises:
        UserError: the label was removed from the scene.
    """
    labelNode(number).SetNodeReferenceID(SCAN, scan.anterior or scan.posterior)


def labelNode(number: str) -> Node:
    """Return the node of a label by its ID.

    Raises:
        UserError: the label was removed from the scene.
    """
    node = slicer.mrmlScene.GetNodeByID(number)
    if node is None:
        raise UserError(_("It was removed from the scene."))
    return node
