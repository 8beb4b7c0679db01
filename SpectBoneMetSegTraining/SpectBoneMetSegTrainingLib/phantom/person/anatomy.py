"""One simulated person: the atlas deformed to another size, shape and posture.

Each point passes these steps: the shape of its bone (rig.py); the girth or filling of its tissue; smooth waves; the
spine and the widths of the trunk; the lengths of the limbs; posture (posture.py); stature. From the waves on, bones and
tissues share every step, so that neighbours stay together. The number of points is constant: a missing part keeps its
points, but their volume is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .bones import bone_growth, vary_bones
from .posture import REFERENCE_POSTURE, Posture, draw_posture, pose_arm, pose_head, pose_leg, rotate
from .rig import ANKLE_MM, ELBOW, HIP, KNEE_MM, LUMBAR_MM, NECK, PROPORTIONS, SHOULDER, THORAX_MM, WRIST
from .shape import BodyShape, draw_shape, height_m, length_factor, scale_per_point, weight_kg
from .skeleton import SEGMENTS, load_skeleton
from .soft_tissue import BREAST, TISSUES, TRUNK_FAT, Body, chest_front, fat_share, load_body

__all__ = [
    "HIP",
    "NECK",
    "REFERENCE_POSTURE",
    "SHOULDER",
    "BodyShape",
    "Person",
    "Points",
    "Posture",
    "deform",
    "draw_posture",
    "draw_shape",
    "height_m",
    "make_person",
    "reference_person",
    "weight_kg",
]

Points = NDArray[np.float32]

#: A (mm, atlas) of the body's long axis.
AXIS_A = -95.0
#: A (mm, atlas) about which soft tissue grows: in a supine patient the abdominal fat is in front.
FAT_AXIS_A = -150.0
ARMS = (SEGMENTS.index("right arm"), SEGMENTS.index("left arm"))
LEGS = (SEGMENTS.index("right leg"), SEGMENTS.index("left leg"))
#: First S and step (mm, atlas) of the table of the spine's shifts.
TABLE_LOW, TABLE_STEP = -1100.0, 4.0
#: S (mm, atlas) at which amputated limbs end.
STUMPS = {"leg below knee": -630.0, "leg above knee": -330.0, "arm": 300.0}


@dataclass(frozen=True)
class Person:
    """Deformed points (RAS mm) of bones and tissues, each with its label in the atlas.

    Attributes:
        bones: (n, 3) float32.
        bone: (n,) bone index of each point.
        bone_volume: (n,) volume of each point, cm3; 0 where it is missing.
        tissues: (m, 3) float32.
        tissue: (m,) tissue index of each point.
        tissue_volume: (m,) volume of each point, cm3; 0 where it is missing.
        atlas_bones: (n, 3) the same bone points in the atlas, where anatomical landmarks are known.
        atlas_tissues: (m, 3) the same tissue points in the atlas.
        prosthesis: (n,) True where the bone point is metal.
        description: the person's special features, as text.
    """

    bones: Points
    bone: NDArray[np.uint8]
    bone_volume: NDArray[np.float32]
    tissues: Points
    tissue: NDArray[np.uint8]
    tissue_volume: NDArray[np.float32]
    atlas_bones: Points
    atlas_tissues: Points
    prosthesis: NDArray[np.bool_]
    description: tuple[str, ...] = ()

    @property
    def present(self) -> NDArray[np.bool_]:
        """(n,) True for the bone points that this person has."""
        return self.bone_volume > 0

    @property
    def tissue_present(self) -> NDArray[np.bool_]:
        """(m,) True for the tissue points that this person has."""
        return self.tissue_volume > 0


def make_person(shape: BodyShape, posture: Posture, rng: np.random.Generator) -> Person:
    """Deform the atlas into a person of this shape and posture.

    Points are jittered within their voxels (`rng`), so that the atlas grid leaves no pattern in projections. The volume
    of a point follows all scaling, but not the local stretching by the waves.
    """
    skeleton, body = load_skeleton(), load_body()
    return _build(
        shape, posture, _jitter(rng, skeleton.points, skeleton.spacing), _jitter(rng, body.points, body.spacing)
    )


@lru_cache(maxsize=2)
def reference_person(shape: BodyShape) -> Person:
    """Return the person on whom foci are drawn: neutral posture, points at voxel centres.

    The result is cached: its arrays are shared and must not be changed.
    """
    return _build(shape, REFERENCE_POSTURE, load_skeleton().points, load_body().points)


def deform(points: Points, segment: NDArray[np.uint8], shape: BodyShape, posture: Posture) -> Points:
    """Return atlas points (n, 3; RAS mm) at their position in this person, whose pelvis is near S = 0."""
    atlas = np.asarray(points, np.float32)
    moved = _shape(atlas, segment, shape)
    for side, name in enumerate(("right", "left")):
        flip = np.array([1.0 - 2.0 * side, 1.0, 1.0])
        index = np.flatnonzero(segment == SEGMENTS.index(f"{name} arm"))
        joints = _joints(np.stack([SHOULDER, ELBOW, WRIST]) * flip, f"{name} arm", shape)
        moved[index] = pose_arm(moved[index], atlas[index], joints, posture, side, shape.girth)
        index = np.flatnonzero(segment == SEGMENTS.index(f"{name} leg"))
        moved[index] = pose_leg(moved[index], _joints(HIP[None] * flip, f"{name} leg", shape)[0], posture, side)
    index = np.flatnonzero(segment == SEGMENTS.index("head"))
    moved[index] = pose_head(moved[index], atlas[index], _joints(NECK[None], "head", shape)[0], posture)
    moved *= np.float32(shape.stature / length_factor(shape))
    return rotate(rotate(moved, posture.rotation, (0, 1)), posture.tilt, (0, 2)).astype(np.float32)


def _build(shape: BodyShape, posture: Posture, bones: Points, tissues: Points) -> Person:
    skeleton, body = load_skeleton(), load_body()
    bone_volume = _bone_growth(shape) * skeleton.spacing**3 / 1000
    tissue_volume = _tissue_growth(body, shape) * body.spacing**3 / 1000
    for name in shape.missing:
        bone_volume[_amputated(name, skeleton.points, skeleton.segment)] = 0
        tissue_volume[_amputated(name, body.points, body.segment)] = 0
        if name in TISSUES:
            tissue_volume[body.tissue == TISSUES.index(name)] = 0
    return Person(
        bones=deform(vary_bones(bones, shape), skeleton.segment, shape, posture),
        bone=skeleton.bone,
        bone_volume=bone_volume.astype(np.float32),
        tissues=deform(_fill(tissues, body, shape), body.segment, shape, posture),
        tissue=body.tissue,
        tissue_volume=tissue_volume.astype(np.float32),
        atlas_bones=skeleton.points,
        atlas_tissues=body.points,
        prosthesis=_prosthesis(shape),
        description=(*_describe(shape), *posture.description),
    )


def _shape(atlas: Points, segment: NDArray[np.uint8], shape: BodyShape) -> Points:
    """Apply waves, spine, widths and lengths, but neither posture nor stature; the long axis moves to A = 0."""
    moved = atlas.copy()
    if len(shape.waves):
        rows = shape.waves.astype(np.float32)
        wave = np.sin(atlas @ rows[:, 3:6].T + rows[:, 6]) @ rows[:, :3]
        # Shafts of long bones are straight: the waves fade from the joint on.
        for limbs, heights in ((ARMS, (300, 450)), (LEGS, (-350, -130))):
            index = np.flatnonzero(np.isin(segment, limbs))
            wave[index] *= np.interp(atlas[index, 2], heights, (0.35, 1))[:, None].astype(np.float32)
        moved += wave
    moved[:, 1] -= AXIS_A
    index = np.flatnonzero((segment == SEGMENTS.index("trunk")) | (segment == SEGMENTS.index("head")))
    moved[index] = _along_spine(moved[index], atlas[index, 2], shape)
    for name in SEGMENTS[2:]:
        index = np.flatnonzero(segment == SEGMENTS.index(name))
        moved[index] = _hang(moved[index], atlas[index, 2], name, shape)
    return moved


def _hang(moved: Points, height: NDArray[np.floating], name: str, shape: BodyShape) -> Points:
    """Move a limb rigidly with its joint, and apply its length and its share of the trunk's width and depth."""
    joint = _joint_of(name)
    centre = joint - (0, AXIS_A, 0)
    goal = _along_spine(centre[None], joint[None, 2], shape)[0]
    code = np.array([SEGMENTS.index(name)], np.uint8)
    scale = [scale_per_point(code, factor)[0] for factor in (shape.trunk_width, shape.trunk_depth)]
    hung = (moved - centre.astype(np.float32)) * np.array([*scale, 1.0], np.float32) + goal.astype(np.float32)
    hung[:, 2] += _limb_length(height, name, shape)
    return np.asarray(hung)


def _along_spine(points: NDArray[np.floating], height: NDArray[np.floating], shape: BodyShape) -> NDArray[np.floating]:
    """Shift and widen points of trunk and head by their height in the atlas (see `_spine_table`)."""
    position = (np.clip(height, TABLE_LOW, -TABLE_LOW - TABLE_STEP) - TABLE_LOW) / TABLE_STEP
    low = position.astype(np.int64)
    part = (position - low)[:, None].astype(np.float32)
    table = _spine_table(shape)
    row = table[low] * (1 - part) + table[low + 1] * part
    moved = points.copy()
    moved[:, 0] = points[:, 0] * row[:, 3] + row[:, 0]
    moved[:, 1] = (points[:, 1] + row[:, 1]) * row[:, 4]
    moved[:, 2] = points[:, 2] + row[:, 2]
    return moved


@lru_cache(maxsize=2)
def _spine_table(shape: BodyShape) -> NDArray[np.float32]:
    """Return shifts along R, A, S (mm) and factors on R and A at every TABLE_STEP of S, smoothed over 60 mm."""
    height = np.arange(TABLE_LOW, -TABLE_LOW + TABLE_STEP, TABLE_STEP)
    bend, apex = shape.kyphosis
    chest, waist = 1 + 0.6 * (shape.shoulders - 1), (shape.hips + shape.shoulders) / 2
    width = (shape.hips, shape.hips, waist, chest, shape.shoulders, shape.shoulders, 1.0)
    lumbar, thorax = (shape.proportions[i] * PROPORTIONS[i] for i in range(2))
    # The head takes a third of the trunk's width and depth, see scale_per_point.
    side, deep = (np.interp(height, (500, 580), (x, 1 + 0.3 * (x - 1))) for x in (shape.trunk_width, shape.trunk_depth))
    columns = [
        np.interp(height, (-50, 80, 230, 380, 520), (0, *shape.scoliosis, 0)),
        bend * (np.interp(height, (apex, apex + 250), (0, 1)) - 0.5 * np.exp(-(((height - apex) / 90) ** 2))),
        lumbar * (np.clip(height, *LUMBAR_MM) - LUMBAR_MM[0]) + thorax * (np.clip(height, *THORAX_MM) - THORAX_MM[0]),
        np.interp(height, (-130, 40, 150, 300, 430, 490, 560), width) * side,
        deep,
    ]
    window = np.hanning(round(60 / TABLE_STEP) + 2)
    half = len(window) // 2
    smooth = [np.convolve(np.pad(c, half, "edge"), window / window.sum(), "same")[half:-half] for c in columns]
    return np.stack(smooth, 1).astype(np.float32)


def _limb_length(height: NDArray[np.floating], name: str, shape: BodyShape) -> NDArray[np.float32]:
    """Return the shift (mm) along S of a limb's points, by its length and the share of its upper half."""
    leg = name.endswith("leg")
    length, share = (shape.leg_length, 2) if leg else (shape.arm_length, 3)
    factor = shape.proportions[share] * PROPORTIONS[share]
    joint, bend, end = (HIP[2], KNEE_MM, ANKLE_MM) if leg else (SHOULDER[2], ELBOW[2], WRIST[2])
    down = (bend - joint) * factor
    proportion = np.interp(height, (end, bend, joint), (0, down, 0))
    return np.asarray(((height - joint) * (length - 1) + proportion * length).astype(np.float32))


def _joint_of(segment: str) -> NDArray[np.float64]:
    flip = np.array([1.0 if segment.startswith("right") else -1.0, 1.0, 1.0])
    joint: NDArray[np.float64] = (HIP if segment.endswith("leg") else SHOULDER) * flip
    return joint


def _joints(points: NDArray[np.float64], segment: str, shape: BodyShape) -> Points:
    """Return the positions of atlas joints (k, 3) in the shaped body, before stature."""
    return _shape(points.astype(np.float32), np.full(len(points), SEGMENTS.index(segment), np.uint8), shape)


def _jitter(rng: np.random.Generator, points: Points, spacing: float) -> Points:
    return points + (rng.random(points.shape, dtype=np.float32) - np.float32(0.5)) * np.float32(spacing)


def _fill(points: Points, body: Body, shape: BodyShape) -> Points:
    """Move fat (not organs) outwards with the girth, and scale bladder and breasts."""
    moved = points.copy()
    fat = np.flatnonzero(body.tissue == TISSUES.index("soft tissue"))
    soft_tissue = points[fat]
    # Below the hips, fat grows about each femur instead of the body's axis.
    parted = np.interp(soft_tissue[:, 2], (-350, -165), (1, 0)) * np.isin(body.segment[fat], LEGS)
    parted = np.where(np.isin(body.segment[fat], ARMS), 1.0, parted)
    limb = np.interp(soft_tissue[:, 2], (-300, -150, -80, 166, 453), (82, 82, 205, 183, 170))
    growth = 1 + fat_share()[fat] * (shape.girth - 1)
    for axis, middle in (
        (0, np.sign(soft_tissue[:, 0]) * limb * parted),
        (1, FAT_AXIS_A + (-60 - FAT_AXIS_A) * parted),
    ):
        moved[fat, axis] = (soft_tissue[:, axis] - middle) * growth + middle
    for side, sign in (("right", 1.0), ("left", -1.0)):
        breast = np.flatnonzero(body.tissue == TISSUES.index(f"{side} breast"))
        moved[breast] = _breast(points[breast], sign, shape)
    bladder = np.flatnonzero(body.tissue == TISSUES.index("bladder"))
    base = np.array([0.0, -48.0, -100.0], np.float32)
    moved[bladder] = (points[bladder] - base) * np.float32(shape.bladder) + base
    return moved


def _breast(points: Points, sign: float, shape: BodyShape) -> Points:
    """Place a breast on the chest of this girth: a large one falls to the side, an absent one is flat."""
    side = "right" if sign > 0 else "left"
    size = 0.0 if _lacks_breast(shape, side) else shape.breast
    right, height = BREAST[0]
    above = (points[:, 1] - chest_front(points[:, 0], points[:, 2])) * size
    across = (points[:, 0] - sign * right) * size + sign * right * (0.6 + 0.4 * shape.girth)
    across += sign * 25 * max(0.0, size - 0.8)
    along = (points[:, 2] - height) * size + height
    chest = 1 + np.interp(along, *TRUNK_FAT) * (shape.girth - 1)
    front = (chest_front(across / chest, along) - FAT_AXIS_A) * chest + FAT_AXIS_A
    return np.stack([across, front + above, along], 1).astype(np.float32)


def _lacks_breast(shape: BodyShape, side: str) -> bool:
    return shape.sex == "male" or f"{side} breast" in shape.missing


def _bone_growth(shape: BodyShape) -> NDArray[np.float64]:
    skeleton = load_skeleton()
    return bone_growth(shape)[skeleton.bone] * _frame_growth(skeleton.segment, shape)


def _tissue_growth(body: Body, shape: BodyShape) -> NDArray[np.float64]:
    """Return the factor on the volume of each tissue point; girth, bladder and breasts as in `_fill`."""
    growth = _frame_growth(body.segment, shape) * (1 + fat_share() * (shape.girth - 1)) ** 2
    for side in ("right", "left"):
        size = 0.0 if _lacks_breast(shape, side) else shape.breast
        growth[body.tissue == TISSUES.index(f"{side} breast")] *= size**3
    growth[body.tissue == TISSUES.index("bladder")] *= shape.bladder**3
    return growth


def _frame_growth(segment: NDArray[np.uint8], shape: BodyShape) -> NDArray[np.float64]:
    """Return the factor on volume from stature, widths and limb lengths."""
    growth = scale_per_point(segment, shape.trunk_width) * scale_per_point(segment, shape.trunk_depth)
    growth *= (shape.stature / length_factor(shape)) ** 3
    limb = np.array([1.0, 1.0, shape.arm_length, shape.arm_length, shape.leg_length, shape.leg_length])
    growth *= limb[segment]
    return growth


def _amputated(name: str, points: Points, segment: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return a mask of the points below the stump of an amputated limb; empty for other missing parts."""
    side, _, part = name.partition(" ")
    if part not in STUMPS:
        return np.zeros(len(points), bool)
    return np.asarray((segment == SEGMENTS.index(f"{side} {part.split()[0]}")) & (points[:, 2] < STUMPS[part]))


def _prosthesis(shape: BodyShape) -> NDArray[np.bool_]:
    """Return a mask of the metal points of a hip prosthesis: head, neck and the stem in the shaft."""
    skeleton = load_skeleton()
    metal = np.zeros(len(skeleton.points), bool)
    for name in shape.prosthesis:
        side = name.split()[0]
        index = np.flatnonzero(skeleton.of(f"{side} femur"))
        offset = (skeleton.points[index] - HIP) * 1.0
        offset[:, 0] = np.abs(skeleton.points[index, 0]) - HIP[0]
        # The neck is cut across its axis, between the trochanters; the axis of the shaft starts there.
        head = (offset @ (0.77, -0.25, -0.59) < 33) & (offset[:, 2] > -50)
        axis = np.stack([np.full(len(index), 33.0), np.interp(offset[:, 2], (-160, -60), (0, -14))], 1)
        stem = (np.hypot(*(offset[:, :2] - axis).T) < 6.5) & (offset[:, 2] < -25) & (offset[:, 2] > -170)
        metal[index] = head | stem
    return metal


def _describe(shape: BodyShape) -> tuple[str, ...]:
    description = [f"{name} missing" for name in shape.missing]
    description += [f"{name} prosthesis" for name in shape.prosthesis]
    if shape.kyphosis[0] > 30:
        description.append("kyphosis")
    if np.ptp((0.0, *shape.scoliosis)) > 20:
        description.append("scoliosis")
    return tuple(description)
