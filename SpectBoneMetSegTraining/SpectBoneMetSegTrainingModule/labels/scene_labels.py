"""The labels in the scene: which segmentation or labelmap was drawn on which scan, by whom, and whether to train on it.

What the user says of a label is kept with its node, so that it is saved with the scene.
"""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import json
from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError

TEACH, READER = "SpectBoneMetSegTraining.teach", "SpectBoneMetSegTraining.reader"
SCAN = "SpectBoneMetSegTraining.scan"
#: Kept by the reading module with the volumes of a scan.
FACTS = "SpectBoneMetSeg.facts"
#: Of the reading module's overlays of the skeleton, which are no labels of lesions.
SKELETON = "SpectBoneMetSeg.skeleton"
KINDS = ("vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode")


@dataclass(frozen=True)
class SceneScan:
    """The volumes of one scan in the scene, by the IDs of their nodes; empty for a view that is not there."""

    name: str
    anterior: str
    posterior: str

    def isOf(self, files):
        """Whether the volumes were read from these files."""
        known = [volume for volume in self.volumes() if volume is not None]
        read = {file for volume in known for file in json.loads(volume.GetAttribute(FACTS))["source"]["files"]}
        return bool(read & {str(file) for file in files})

    def volumes(self):
        """(anterior, posterior) volume nodes; None for one that is not there (any more)."""
        ids = (self.anterior, self.posterior)
        return tuple(slicer.mrmlScene.GetNodeByID(number) if number else None for number in ids)


@dataclass(frozen=True)
class SceneLabel:
    """A label, by the ID of its node; `scan` is None while its scan is unknown."""

    node: str
    name: str
    scan: SceneScan | None
    reader: str
    teaches: bool
    areas: str


def scansInScene():
    """The planar scans of the scene; volumes that were loaded together are one scan."""
    groups = {}
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


def viewOf(volume):
    """Which view of a patient a volume shows, None for neither."""
    from SpectBoneMetSegLib.mrml.stored_result import scan_of_volumes

    for view, pair in (("anterior", (volume, None)), ("posterior", (None, volume))):
        try:
            scan_of_volumes(*pair)
        except UserError:
            continue
        return view
    return None


def labelsInScene(scans):
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
            teaches = scan is not None and node.GetAttribute(TEACH) == "1"
            labels.append(SceneLabel(node.GetID(), node.GetName(), scan, reader, teaches, areasText(node)))
    return labels


def scanOf(node, scans):
    """The scan that a label was drawn on: the chosen one, else that of its result or geometry; None if unknown."""
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


def areasText(node):
    """How many areas a label has, and what was decided on them."""
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


def keepReader(number, reader):
    """Remember whose label it is; an empty name is that of the node again."""
    slicer.mrmlScene.GetNodeByID(number).SetAttribute(READER, reader or None)


def keepTeaching(number, teaches):
    """Remember whether to train on a label."""
    slicer.mrmlScene.GetNodeByID(number).SetAttribute(TEACH, "1" if teaches else None)


def keepScan(number, scan):
    """Remember what a label was drawn on."""
    slicer.mrmlScene.GetNodeByID(number).SetNodeReferenceID(SCAN, scan.anterior or scan.posterior)
