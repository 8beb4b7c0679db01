"""One simulated person: the atlas in another size, shape and posture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .body import TISSUES, Body, load_body
from .skeleton import SEGMENTS, load_skeleton

Points = NDArray[np.float32]

# Joint centres of the atlas (RAS mm): Rajagopal2015.osim, see make_atlas.py.
SHOULDER = np.array([170.0, -97.5, 453.0])
HIP = np.array([77.3, -56.3, -78.5])
NECK = np.array([0.0, -130.0, 520.0])


@dataclass(frozen=True)
class BodyShape:
    """What makes a person: drawn once per patient, kept for follow-ups.

    Attributes:
        stature, trunk_width, trunk_depth, leg_length, arm_length: factors on the atlas (1.70 m tall).
        girth: factor on the soft tissue around the bones (0.85 lean .. 1.35 obese).
        scoliosis: R shift (mm) of the spine at three heights.
        waves: (n, 7) smooth non-rigid displacement: amplitude R, A, S (mm), wave vector R, A, S (1/mm), phase.
        kidneys: which exist, right and left.
        bladder: factor on the bladder's half axes.
    """

    stature: float
    trunk_width: float
    trunk_depth: float
    leg_length: float
    arm_length: float
    girth: float
    scoliosis: tuple[float, float, float]
    waves: NDArray[np.float64]
    kidneys: tuple[bool, bool] = (True, True)
    bladder: float = 1.0


@dataclass(frozen=True)
class Posture:
    """How the person lies: drawn once per scan.

    Attributes:
        arm_abduction: degrees, right and left; 0 = hanging along the trunk, 160 = above the head.
        leg_abduction: degrees, right and left.
        rotation: degrees about the body's long axis.
        tilt: degrees in the plane of the table.
        head_turn: degrees about the long axis.
    """

    arm_abduction: tuple[float, float]
    leg_abduction: tuple[float, float]
    rotation: float
    tilt: float
    head_turn: float


@dataclass(frozen=True)
class Person:
    """Deformed points (RAS mm) of bones and tissues; labels are those of the atlas, point by point.

    Attributes:
        bones: (n, 3) float32; bone, bone_volume: label index and cm3 per point (n,).
        tissues: (m, 3) float32; tissue, tissue_volume: likewise.
        atlas_bones, atlas_tissues: the same points in the atlas, where anatomical landmarks are known.
    """

    bones: Points
    bone: NDArray[np.uint8]
    bone_volume: NDArray[np.float32]
    tissues: Points
    tissue: NDArray[np.uint8]
    tissue_volume: NDArray[np.float32]
    atlas_bones: Points
    atlas_tissues: Points


def draw_shape(rng: np.random.Generator) -> BodyShape:
    """A person at random; ranges cover about 1.50-1.95 m and lean to obese."""
    count = 10
    waves = np.empty((count, 7))
    length = rng.uniform(90, 420, count)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # Short waves bend locally, so they must be shallow to keep bones from folding.
    waves[:, :3] = rng.normal(size=(count, 3)) * (0.008 * length)[:, None]
    waves[:, 3:6] = direction * (2 * np.pi / length)[:, None]
    waves[:, 6] = rng.uniform(0, 2 * np.pi, count)
    one_kidney = rng.random() < 0.02
    right = bool(rng.random() < 0.5)
    return BodyShape(
        stature=float(np.clip(rng.normal(0.99, 0.055), 0.88, 1.14)),
        trunk_width=float(np.clip(rng.normal(1.02, 0.07), 0.86, 1.22)),
        trunk_depth=float(np.clip(rng.normal(1.02, 0.08), 0.85, 1.25)),
        leg_length=float(rng.normal(1.0, 0.03)),
        arm_length=float(rng.normal(1.0, 0.03)),
        girth=float(np.clip(rng.lognormal(0.06, 0.12), 0.86, 1.4)),
        scoliosis=tuple(rng.normal(0, 1, 3) * (4.0 if rng.random() < 0.8 else 12.0)),
        waves=waves,
        kidneys=(not one_kidney or right, not one_kidney or not right),
        bladder=float(np.clip(rng.lognormal(-0.05, 0.25), 0.5, 1.7)),
    )


def draw_posture(rng: np.random.Generator, arms_up: bool | None = None) -> Posture:
    """How they lie today; about one in twenty lies with the arms above the head."""
    up = rng.random() < 0.05 if arms_up is None else arms_up
    arms = rng.uniform(140, 165, 2) if up else np.abs(rng.normal(6, 5, 2)) + 1
    return Posture(
        arm_abduction=(float(arms[0]), float(arms[1])),
        leg_abduction=(float(rng.uniform(-3.5, 3.5)), float(rng.uniform(-3.5, 3.5))),
        rotation=float(rng.normal(0, 3.5)),
        tilt=float(rng.normal(0, 1.0)),
        head_turn=float(rng.normal(0, 12)),
    )


def make_person(shape: BodyShape, posture: Posture, rng: np.random.Generator) -> Person:
    """Deform the atlas into this person in this posture.

    Points are jittered inside their voxels (`rng`) so that the atlas grid leaves no pattern in projections; a point's
    volume follows the scaling, not the local stretching of the waves.
    """
    skeleton, body = load_skeleton(), load_body()
    bones = skeleton.points + _jitter(rng, skeleton.points, skeleton.spacing)
    tissues = body.points + _jitter(rng, body.points, body.spacing)
    tissues = _add_girth(tissues, body.tissue, body.segment, shape)
    keep = _organs_present(body.tissue, shape)
    tissues = _resize_bladder(tissues, body.tissue, shape.bladder)[keep]
    scale = shape.stature**3 * shape.trunk_width * shape.trunk_depth
    return Person(
        bones=deform(bones, skeleton.segment, shape, posture),
        bone=skeleton.bone,
        bone_volume=np.full(len(bones), scale * skeleton.spacing**3 / 1000, np.float32),
        tissues=deform(tissues, body.segment[keep], shape, posture),
        tissue=body.tissue[keep],
        tissue_volume=(_growth(body, shape)[keep] * scale * body.spacing**3 / 1000).astype(np.float32),
        atlas_bones=skeleton.points,
        atlas_tissues=body.points[keep],
    )


def deform(points: Points, segment: NDArray[np.uint8], shape: BodyShape, posture: Posture) -> Points:
    """Atlas points (n, 3) RAS mm -> this person's, feet towards negative S, pelvis near S = 0."""
    moved = _pose_limbs(points.astype(np.float64), segment, shape, posture)
    moved[:, 0] *= shape.trunk_width
    moved[:, 1] = (moved[:, 1] + 95) * shape.trunk_depth
    moved[:, 0] += np.interp(moved[:, 2], (-50, 80, 230, 380, 520), (0, *shape.scoliosis, 0))
    wave = np.zeros_like(moved)
    for row in shape.waves:
        wave += np.sin(moved @ row[3:6] + row[6])[:, None] * row[:3]
    moved = (moved + wave) * shape.stature
    moved = _rotate(moved, posture.rotation, (0, 1))
    return _rotate(moved, posture.tilt, (0, 2)).astype(np.float32)


def _pose_limbs(
    points: NDArray[np.float64], segment: NDArray[np.uint8], shape: BodyShape, posture: Posture
) -> NDArray[np.float64]:
    moved = points.copy()
    for index, (side, sign) in enumerate((("right", 1.0), ("left", -1.0))):
        flip = np.array([sign, 1.0, 1.0])
        arm = segment == SEGMENTS.index(f"{side} arm")
        joint = SHOULDER * flip
        relative = points[arm] - joint
        relative[:, 2] *= shape.arm_length
        # Wide people carry their arms farther out; near the joint the turn is blended in: the shoulder stays whole.
        outward = max(0.0, shape.girth - 1.0) * 120 * sign * np.clip(-relative[:, 2] / 250, 0, 1)
        turned = _rotate(relative, posture.arm_abduction[index] * sign, (0, 2))
        turned[:, 0] += outward if posture.arm_abduction[index] < 90 else 0.0
        moved[arm] = turned + joint
        leg = segment == SEGMENTS.index(f"{side} leg")
        joint = HIP * flip
        relative = points[leg] - joint
        relative[:, 2] *= shape.leg_length
        moved[leg] = _rotate(relative, posture.leg_abduction[index] * sign, (0, 2)) + joint
    head = segment == SEGMENTS.index("head")
    rise = np.clip((points[head, 2] - NECK[2]) / 60, 0, 1)[:, None]
    moved[head] = points[head] * (1 - rise) + (_rotate(points[head] - NECK, posture.head_turn, (0, 1)) + NECK) * rise
    return moved


def _rotate(points: NDArray[np.float64], degrees: float, plane: tuple[int, int]) -> NDArray[np.float64]:
    angle = np.deg2rad(degrees)
    turned = points.copy()
    one, two = points[:, plane[0]], points[:, plane[1]]
    turned[:, plane[0]] = np.cos(angle) * one - np.sin(angle) * two
    turned[:, plane[1]] = np.sin(angle) * one + np.cos(angle) * two
    return turned


def _jitter(rng: np.random.Generator, points: Points, spacing: float) -> Points:
    return (rng.random(points.shape, dtype=np.float32) - 0.5) * np.float32(spacing)


def _add_girth(points: Points, tissue: NDArray[np.uint8], segment: NDArray[np.uint8], shape: BodyShape) -> Points:
    """Move soft tissue (not organs) outwards: the trunk about its axis, a limb about its bone."""
    moved = points.copy()
    fat = tissue == TISSUES.index("soft tissue")
    trunk = fat & (segment == SEGMENTS.index("trunk")) & (points[:, 2] < 520)
    moved[trunk, 0] *= shape.girth
    # Lying on the back, the fat of the belly is in front.
    moved[trunk, 1] = (moved[trunk, 1] + 150) * shape.girth - 150
    for side, sign in (("right", 1.0), ("left", -1.0)):
        leg = fat & (segment == SEGMENTS.index(f"{side} leg"))
        moved[leg, 0] = (moved[leg, 0] - sign * 82) * (0.5 + shape.girth / 2) + sign * 82
    return moved


def _growth(body: Body, shape: BodyShape) -> NDArray[np.float64]:
    """Growth of a tissue point's volume with girth and bladder filling (see `_add_girth`, `_resize_bladder`)."""
    fat = body.tissue == TISSUES.index("soft tissue")
    growth = np.ones(len(body.tissue))
    growth[fat & (body.segment == SEGMENTS.index("trunk"))] = shape.girth**2
    for name in ("right leg", "left leg"):
        growth[fat & (body.segment == SEGMENTS.index(name))] = 0.5 + shape.girth / 2
    growth[body.tissue == TISSUES.index("bladder")] = shape.bladder**3
    return growth


def _organs_present(tissue: NDArray[np.uint8], shape: BodyShape) -> NDArray[np.bool_]:
    keep = np.ones(len(tissue), bool)
    for name, present in zip(("right kidney", "left kidney"), shape.kidneys, strict=True):
        if not present:
            keep &= tissue != TISSUES.index(name)
    return keep


def _resize_bladder(points: Points, tissue: NDArray[np.uint8], factor: float) -> Points:
    bladder = tissue == TISSUES.index("bladder")
    base = np.array([0.0, -48.0, -100.0], np.float32)
    moved = points.copy()
    moved[bladder] = (points[bladder] - base) * np.float32(factor) + base
    return moved
