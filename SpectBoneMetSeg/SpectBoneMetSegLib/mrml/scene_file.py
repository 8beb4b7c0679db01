"""Write a scene file that opens in 3D Slicer with a reading: both views side by side, lesions, skeleton."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
import zipfile
from typing import Any

import numpy as np

from ..common.errors import UserError, reason_of
from ..export.receipt import input_digests
from ..lesions.results import Reading
from ..scan.planar import ViewName
from .nodes import SLICE_MARGIN, SLICE_VIEWS, SceneNodes, fill_scene, prepare_scene, slicer_module
from .side_marks import follow_view
from .skeleton import add_skeleton

__all__ = ["check_scene", "save_scene"]


def save_scene(reading: Reading, path: str) -> None:
    """Write a scene bundle (.mrb) that opens in 3D Slicer with both views side by side and the lesions on them.

    Raises:
        UserError: `slicer-core` is not installed, the name does not end in .mrb, or the file cannot be written or is
            another one.
    """
    slicer = slicer_module()
    if not path.lower().endswith(".mrb"):
        raise UserError(f"{path} is not a scene: use a name that ends in .mrb.")
    check_scene(reading, path)
    target = os.path.abspath(path)
    scene = slicer.vtkMRMLScene()
    logics = prepare_scene(scene)
    nodes = fill_scene(reading, scene)
    marks = _show_views(reading, nodes, scene)
    overlays = add_skeleton(reading.scan, reading.regions, nodes.volumes, scene).values()
    for node in (*nodes.volumes.values(), nodes.segmentation, *overlays, *nodes.curves, *marks):
        node.AddDefaultStorageNode()
    # Slicer names the folder inside the bundle after the file: write it under its final name in a temporary folder.
    unfinished = os.path.join(os.path.dirname(target), f".{uuid.uuid4().hex[:12]}.unfinished")
    try:
        os.makedirs(unfinished)
        bundle = os.path.join(unfinished, os.path.basename(target))
        if not scene.WriteToMRB(bundle) or not os.path.isfile(bundle):
            raise OSError("the scene could not be bundled")
        with zipfile.ZipFile(bundle, "a") as archive:
            archive.comment = _mark_of(reading)
        os.replace(bundle, target)
    except OSError as error:
        reason = reason_of(error)
        raise UserError(f"The scene cannot be written to {target} ({reason}): choose another file.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        scene.Clear(1)
        del logics


def check_scene(reading: Reading, path: str) -> None:
    """Check that a scene file may be written.

    Raises:
        UserError: the file exists, and is not a scene that `save_scene` wrote of the same scan.
    """
    if not os.path.isfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            mark = archive.comment
    except (OSError, ValueError, zipfile.BadZipFile):
        mark = b""
    if not mark or mark != _mark_of(reading):
        raise UserError(
            f"{path} is another scene, or one that an earlier version wrote or that was saved in Slicer since: move it "
            "or choose another file."
        )


def _mark_of(reading: Reading) -> bytes:
    """Return the comment of a bundle, by which the scene of the same scan is recognised; empty without input files.

    Slicer does not keep it: a scene that was changed and saved there is a person's work and is never replaced.
    """
    digests = sorted(input_digests(reading.receipt))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest().encode() if digests else b""


def _show_views(reading: Reading, nodes: SceneNodes, scene: Any) -> list[Any]:
    """Set slice views and layout: anterior view from the front, posterior view from behind, as acquired.

    The slice view of a missing view stays empty: no other image may appear under its name.

    Returns:
        The nodes that mark the patient's sides in the views.
    """
    slicer = slicer_module()
    marks = []
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    for name, layout_name in SLICE_VIEWS.items():
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        slice_node = logic.AddSliceNode(layout_name)
        _orient(slice_node, reading, name)
        shown = nodes.volumes.get(name)
        if shown is not None:
            logic.GetSliceCompositeNode().SetBackgroundVolumeID(shown.GetID())
            marks.append(follow_view(slice_node, scene))
        logic.SetMRMLScene(None)
    layout = slicer.vtkMRMLLayoutNode()
    # With this tag Slicer adopts the arrangement in its own layout node when it opens the scene.
    layout.SetSingletonTag("vtkMRMLLayoutNode")
    scene.AddNode(layout)
    # Only the number is saved in the scene file, but an arrangement without a description is refused.
    arrangement = layout.SlicerLayoutSideBySideView
    if len(nodes.volumes) == 1:
        front = "anterior" in nodes.volumes
        arrangement = layout.SlicerLayoutOneUpRedSliceView if front else layout.SlicerLayoutOneUpYellowSliceView
    layout.AddLayoutDescription(arrangement, "<layout/>")
    layout.SetViewArrangement(arrangement)
    return marks


def _orient(slice_node: Any, reading: Reading, name: ViewName) -> None:
    """Orient a slice view parallel to the detectors, head up, and fit the whole field."""
    frame = reading.scan.frame
    # From the front the patient's right is on the viewer's left; from behind it is on the viewer's right.
    sign = -1.0 if name == "anterior" else 1.0
    middle = frame.ijk_to_ras @ np.array([(frame.shape[1] - 1) / 2, (frame.shape[0] - 1) / 2, 0.0, 1.0])
    slice_to_ras = np.eye(4)
    slice_to_ras[:3, 0] = (sign, 0.0, 0.0)
    slice_to_ras[:3, 1] = (0.0, 0.0, 1.0)
    slice_to_ras[:3, 2] = (0.0, -sign, 0.0)
    slice_to_ras[:3, 3] = middle[:3]
    slice_node.GetSliceToRAS().DeepCopy(slice_to_ras.ravel().tolist())
    height = frame.shape[0] * frame.spacing[0] * SLICE_MARGIN
    width_px, height_px = 600, 900
    slice_node.SetDimensions(width_px, height_px, 1)
    slice_node.SetFieldOfView(height * width_px / height_px, height, 1.0)
    # Laterality must be obvious in a view from behind.
    slice_node.SetOrientationMarkerType(slice_node.OrientationMarkerTypeHuman)
    slice_node.UpdateMatrices()
