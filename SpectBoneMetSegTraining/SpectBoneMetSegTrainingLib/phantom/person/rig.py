"""The rig of the atlas: joints, the parts that scale together with the range of each, and the heights of the spine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .skeleton import CERVICAL, LUMBAR, RIBS, STERNUM_MM, THORACIC, load_skeleton

Points = NDArray[np.float32]

# Joint centres of the atlas' right side (RAS mm): Rajagopal2015.osim, see make_atlas.py.
SHOULDER = np.array([170.0, -97.5, 453.0])
ELBOW = np.array([183.0, -96.0, 166.0])
HIP = np.array([77.3, -56.3, -78.5])
NECK = np.array([0.0, -130.0, 520.0])
WRIST = np.array([205.0, -94.0, -80.0])
# S (mm) of knee, ankle, crown and sole.
KNEE_MM, ANKLE_MM = -483.0, -883.0
CROWN_MM, SOLE_MM = 731.0, -933.0

#: Largest relative change of the length of lumbar spine, thorax, thigh and upper arm; shank and forearm compensate
#: those of thigh and upper arm.
PROPORTIONS = (0.06, 0.05, 0.04, 0.04)
#: S (mm, atlas) of the lower and upper end of lumbar and thoracic spine.
LUMBAR_MM, THORAX_MM = (60.0, 215.0), (215.0, 480.0)
#: Paired parts: name, bones, anchor on the right side (RAS mm), range along R, A, S; see Part.
_SIDED: tuple[tuple[str, tuple[str, ...], tuple[float, float, float] | None, tuple[float, float, float]], ...] = (
    ("scapula", ("scapula",), (170.0, -97.5, 453.0), (0.06, 0.06, 0.08)),
    ("clavicle", ("clavicle",), None, (0.03, 0.15, 0.15)),
    ("humerus", ("humerus",), (170.0, -97.5, 453.0), (0.08, 0.08, 0.0)),
    ("forearm", ("ulna", "radius"), (183.0, -96.0, 166.0), (0.08, 0.08, 0.01)),
    ("hand", ("hand",), (205.0, -92.0, -80.0), (0.08, 0.08, 0.07)),
    ("hip bone", ("hip bone",), (77.3, -56.3, -78.5), (0.03, 0.06, 0.07)),
    ("femur", ("femur",), (77.3, -56.3, -78.5), (0.05, 0.08, 0.0)),
    ("patella", ("patella",), None, (0.1, 0.1, 0.1)),
    ("shank", ("tibia", "fibula"), (78.0, -58.0, -500.0), (0.06, 0.06, 0.0)),
    ("foot", ("talus", "foot", "toes"), (75.0, -62.0, -885.0), (0.08, 0.06, 0.06)),
)


@dataclass(frozen=True)
class BoneGroup:
    """Bones that are scaled together about one point.

    Attributes:
        name: name of the part, with its side.
        bones: atlas names.
        anchor: centre of the scaling, RAS mm; None for the mean of the bones' points.
        reach: largest relative change along R, A, S.
    """

    name: str
    bones: tuple[str, ...]
    anchor: tuple[float, float, float] | None
    reach: tuple[float, float, float]


# A bone is scaled about the joint that must stay in place; the proportions set the length of bones with two joints.
_MIDDLE: tuple[BoneGroup, ...] = (
    BoneGroup("skull", ("skull", "mandible"), (0.0, -116.0, 584.0), (0.06, 0.06, 0.05)),
    *(BoneGroup(name, (name,), None, (0.08, 0.08, 0.07)) for name in (*CERVICAL, *THORACIC, *LUMBAR)),
    BoneGroup("sternum", ("sternum",), None, (0.15, 0.08, 0.03)),
    BoneGroup("sacrum", ("sacrum",), (0.0, -113.0, 40.0), (0.06, 0.06, 0.06)),
)


def _sided() -> tuple[BoneGroup, ...]:
    parts = []
    for side, sign in (("right", 1.0), ("left", -1.0)):
        for name, bones, anchor, reach in _SIDED:
            mirrored = None if anchor is None else (sign * anchor[0], anchor[1], anchor[2])
            parts.append(BoneGroup(f"{side} {name}", tuple(f"{side} {bone}" for bone in bones), mirrored, reach))
    return tuple(parts)


PARTS: tuple[BoneGroup, ...] = _MIDDLE + _sided()


@dataclass(frozen=True)
class Rig:
    """Anchors of the atlas' bones.

    Attributes:
        part: (names,) index into PARTS, -1 for ribs and cartilage.
        anchor: (names, 3) centre of the scaling, RAS mm.
        heads: (24, 3) spinal ends of skeleton.RIBS, RAS mm.
        ends: (24, 3) front ends of skeleton.RIBS, RAS mm.
        ribs: (24,) bone index of skeleton.RIBS.
        cartilage: indices of the cartilage's points.
        edge: (k, 3) points along both edges of the sternum, RAS mm.
        pull: (cartilage points, 24 + k) weight with which each rib's front end and each edge point moves the cartilage.
    """

    part: NDArray[np.int64]
    anchor: NDArray[np.float64]
    heads: NDArray[np.float64]
    ends: NDArray[np.float64]
    ribs: NDArray[np.int64]
    cartilage: NDArray[np.int64]
    edge: NDArray[np.float64]
    pull: NDArray[np.float64]


@lru_cache(maxsize=1)
def load_rig() -> Rig:
    """Derive the anchors from the atlas, symmetric in both sides."""
    skeleton = load_skeleton()
    part = np.full(len(skeleton.names), -1)
    anchor = np.zeros((len(skeleton.names), 3))
    own = {name: skeleton.points[skeleton.bone == i].mean(0) for i, name in enumerate(skeleton.names)}
    for number, entry in enumerate(PARTS):
        for bone in entry.bones:
            part[skeleton.names.index(bone)] = number
            anchor[skeleton.names.index(bone)] = own[bone] if entry.anchor is None else entry.anchor
    heads, ends = np.zeros((len(RIBS), 3)), np.zeros((len(RIBS), 3))
    for i, name in enumerate(RIBS):
        points = skeleton.points[skeleton.of(name)]
        aside = np.abs(points[:, 0])
        heads[i] = points[aside < aside.min() + 8].mean(0)
        ends[i] = points[points[:, 1] > points[:, 1].max() - 8].mean(0)
    for table in (heads, ends):
        table[:] = _symmetric(table, np.roll(np.arange(24), 12))
    names = [skeleton.names.index(_other_side(name)) for name in skeleton.names]
    anchor = _symmetric(anchor, np.array(names))
    height, half = np.array(STERNUM_MM).T
    level = np.linspace(height[0], height[-1], 10)
    edge = np.array([(sign * np.interp(s, height, half), -47.0, s) for sign in (1, -1) for s in level])
    cartilage = np.flatnonzero(skeleton.of("costal cartilage"))
    ribs = np.array([skeleton.names.index(name) for name in RIBS])
    # Ribs 11 and 12 end freely, without cartilage.
    holds = np.concatenate([np.array([int(name.split()[-1]) <= 10 for name in RIBS]), np.ones(len(edge), bool)])
    return Rig(part, anchor, heads, ends, ribs, cartilage, edge, _pull(skeleton.points[cartilage], ends, edge, holds))


def spine_length(lumbar: float, thorax: float) -> float:
    """Return the change of the spine's length (mm) by these draws (-1 .. 1) of the proportions."""
    return lumbar * PROPORTIONS[0] * (LUMBAR_MM[1] - LUMBAR_MM[0]) + thorax * PROPORTIONS[1] * (
        THORAX_MM[1] - THORAX_MM[0]
    )


def _pull(
    points: Points, ends: NDArray[np.float64], edge: NDArray[np.float64], holds: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return normalised weights of the control points, falling with the fourth power of the distance."""
    control = np.concatenate([ends, edge])
    distance = ((points[:, None].astype(np.float64) - control[None]) ** 2).sum(-1)
    weight = holds / (distance + 25.0) ** 2
    total: NDArray[np.float64] = weight / weight.sum(1, keepdims=True)
    return total


def _symmetric(table: NDArray[np.float64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = (table + table[other] * (-1.0, 1.0, 1.0)) / 2
    return mean


def _other_side(name: str) -> str:
    side, _, bone = name.partition(" ")
    return {"right": f"left {bone}", "left": f"right {bone}"}.get(side, name)
