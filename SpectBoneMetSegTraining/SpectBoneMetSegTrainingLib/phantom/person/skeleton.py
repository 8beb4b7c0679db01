"""The skeleton atlas: the bones of one adult, as points that can be deformed and projected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.resources import resources_folder

import SpectBoneMetSegTrainingLib

#: Parts of the body that move as one.
SEGMENTS = ("trunk", "head", "right arm", "left arm", "right leg", "left leg")

THORACIC = tuple(f"T{i}" for i in range(1, 13))
LUMBAR = tuple(f"L{i}" for i in range(1, 6))
CERVICAL = tuple(f"C{i}" for i in range(1, 8))
RIBS = tuple(f"{side} rib {i}" for side in ("right", "left") for i in range(1, 13))

#: Bony sternum: S (mm) and half width (mm); the rest of the atlas' sternum mesh is costal cartilage.
STERNUM_MM = ((288.0, 12.0), (310.0, 19.0), (405.0, 14.0), (418.0, 24.0), (470.0, 26.0))


@dataclass(frozen=True)
class Skeleton:
    """Filled bones in the neutral pose.

    Attributes:
        points: (n, 3) float32 RAS mm, voxel centres; S = 0 at the pelvis, A = 0 near the front of the sternum.
        bone: (n,) uint8 index into names.
        names: bone names, e.g. "left rib 7".
        spacing: edge of the cube that one point represents, mm.
    """

    points: NDArray[np.float32]
    bone: NDArray[np.uint8]
    names: tuple[str, ...]
    spacing: float

    def of(self, *names: str) -> NDArray[np.bool_]:
        """Return a mask (n,) of the points of these bones."""
        return np.isin(self.bone, [self.names.index(name) for name in names])

    @property
    def segment(self) -> NDArray[np.uint8]:
        """(n,) index into SEGMENTS."""
        return np.array([_segment_of(name) for name in self.names], np.uint8)[self.bone]


def atlas_path() -> Path:
    """Return the path of the shipped atlas.

    Raises:
        UserError: the installation is incomplete.
    """
    name = "Atlas/skeleton.npz"
    return resources_folder(SpectBoneMetSegTrainingLib, holding=name) / name


@lru_cache(maxsize=1)
def load_skeleton() -> Skeleton:
    """Read the shipped atlas as points; costal cartilage becomes a bone of its own."""
    with np.load(atlas_path()) as atlas:
        labels, origin, spacing = atlas["labels"], atlas["origin"], float(atlas["spacing"])
        names = [str(name) for name in atlas["names"]]
    index = np.argwhere(labels > 0)
    bone = labels[labels > 0] - 1
    points = (index[:, ::-1] * spacing + origin).astype(np.float32)
    names.append("costal cartilage")
    height, half_width = np.array(STERNUM_MM).T
    outside = np.abs(points[:, 0]) > np.interp(points[:, 2], height, half_width, left=0.0)
    cartilage = (bone == names.index("sternum")) & outside
    bone[cartilage] = len(names) - 1
    return Skeleton(points, bone.astype(np.uint8), tuple(names), spacing)


def _segment_of(name: str) -> int:
    if name in ("skull", "mandible") or name in CERVICAL[:5]:
        return SEGMENTS.index("head")
    side, _, bone = name.partition(" ")
    if bone in ("humerus", "ulna", "radius", "hand"):
        return SEGMENTS.index(f"{side} arm")
    if bone in ("femur", "patella", "tibia", "fibula", "talus", "foot", "toes"):
        return SEGMENTS.index(f"{side} leg")
    return SEGMENTS.index("trunk")
