"""The posture of a patient on the table, and the rotations of head, arms and legs that it implies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rig import ELBOW, NECK, SHOULDER, WRIST

Array = NDArray[np.floating]

#: Shares of arms above the head, hands on the belly, hands over the pelvis; otherwise the arms lie along the trunk.
ARMS_UP_SHARE, BELLY_SHARE, PELVIS_SHARE = 0.05, 0.05, 0.03
#: From HANDS_IN (degrees of elbow rotation) the forearm lies on the trunk; up to HANDS_LOW the hand covers the pelvis.
HANDS_IN, HANDS_LOW = 20.0, 60.0


@dataclass(frozen=True)
class Posture:
    """The posture of a person, drawn once per scan.

    Attributes:
        arm_abduction: degrees, right and left; 0 = hanging along the trunk, 160 = above the head.
        leg_abduction: degrees, right and left.
        rotation: degrees about the body's long axis.
        tilt: degrees in the plane of the table.
        head_turn: degrees about the long axis.
        elbow: degrees by which the forearm turns towards the midline and up onto the belly, right and left.
    """

    arm_abduction: tuple[float, float]
    leg_abduction: tuple[float, float]
    rotation: float
    tilt: float
    head_turn: float
    elbow: tuple[float, float] = (0.0, 0.0)

    @property
    def description(self) -> tuple[str, ...]:
        """What is unusual about the posture, as text."""
        if self.arm_abduction[0] > 90:
            return ("arms above the head",)
        if max(self.elbow) < HANDS_IN:
            return ()
        return ("hands over the pelvis" if max(self.elbow) <= HANDS_LOW else "hands on the belly",)


#: Straight, limbs along the body: the posture in which foci are drawn.
REFERENCE_POSTURE = Posture((0.0, 0.0), (0.0, 0.0), 0.0, 0.0, 0.0)


def draw_posture(rng: np.random.Generator, *, arms_up: bool | None = None) -> Posture:
    """Draw a posture: about 1 in 20 has the arms above the head, as many have the hands on the belly.

    Args:
        rng: source of the draws.
        arms_up: whether the arms are above the head; None to draw it.
    """
    chance = rng.random()
    up = chance < ARMS_UP_SHARE if arms_up is None else arms_up
    arms = rng.uniform(140, 165, 2) if up else np.abs(rng.normal(6, 5, 2)) + 1
    elbow = np.zeros(2)
    lying = (chance - ARMS_UP_SHARE) / (1 - ARMS_UP_SHARE)
    if not up and 0 <= lying < PELVIS_SHARE + BELLY_SHARE:
        low = lying < PELVIS_SHARE
        elbow = rng.uniform(38, HANDS_LOW - 4, 2) if low else rng.uniform(HANDS_LOW + 6, 88, 2)
        arms = rng.uniform(10, 18, 2)
        # Sometimes only one arm.
        elbow[int(rng.integers(2))] *= rng.random() > 0.2
    return Posture(
        arm_abduction=(float(arms[0]), float(arms[1])),
        leg_abduction=(float(rng.uniform(-3.5, 3.5)), float(rng.uniform(-3.5, 3.5))),
        rotation=float(rng.normal(0, 3.5)),
        tilt=float(rng.normal(0, 1.0)),
        head_turn=float(rng.normal(0, 12)),
        elbow=(float(elbow[0]), float(elbow[1])),
    )


def pose_arm(moved: Array, atlas: Array, joints: Array, posture: Posture, side: int, girth: float) -> Array:
    """Turn an arm at elbow and shoulder.

    Args:
        moved: (k, 3) points of the arm in the body, mm.
        atlas: (k, 3) the same points in the atlas.
        joints: (3, 3) shoulder, elbow and wrist in the body.
        posture: the posture to apply.
        side: 0 right, 1 left.
        girth: of the person; wide people carry their arms farther out.
    """
    sign = 1.0 - 2.0 * side
    shoulder = joints[0]
    if posture.elbow[side]:
        moved = _bend(moved, atlas, joints[1:], posture.elbow[side], sign, girth)
    relative = moved - shoulder
    turned = rotate(relative, posture.arm_abduction[side] * sign, (0, 2))
    if posture.arm_abduction[side] < 90:
        # The shift of wide people's arms fades towards the joint, so that the shoulder stays in one piece.
        turned[:, 0] += max(0.0, girth - 1.0) * 140 * sign * np.clip((SHOULDER[2] - atlas[:, 2]) / 250, 0, 1)
    return np.asarray((turned + shoulder).astype(moved.dtype))


def pose_leg(moved: Array, hip: Array, posture: Posture, side: int) -> Array:
    """Turn the points of a leg (k, 3) about its hip (3,); `side` 0 is right."""
    return rotate(moved - hip, posture.leg_abduction[side] * (1.0 - 2.0 * side), (0, 2)) + hip


def pose_head(moved: Array, atlas: Array, neck: Array, posture: Posture) -> Array:
    """Turn the points of the head (k, 3) about the neck (3,); the turn starts above NECK of the atlas."""
    rise = np.clip((atlas[:, 2] - NECK[2]) / 60, 0, 1)[:, None]
    return np.asarray(moved * (1 - rise) + (rotate(moved - neck, posture.head_turn, (0, 1)) + neck) * rise)


def rotate(points: Array, degrees: float, plane: tuple[int, int]) -> Array:
    """Rotate points (n, 3) in the plane of two axes, from the first towards the second."""
    angle = np.deg2rad(degrees)
    cosine, sine = points.dtype.type(np.cos(angle)), points.dtype.type(np.sin(angle))
    turned = points.copy()
    one, two = points[:, plane[0]], points[:, plane[1]]
    turned[:, plane[0]] = cosine * one - sine * two
    turned[:, plane[1]] = sine * one + cosine * two
    return turned


def _bend(moved: Array, atlas: Array, joints: Array, degrees: float, sign: float, girth: float) -> Array:
    """Turn the forearm inwards and up onto the belly, with the hand flat on it; joints bend over 20 mm."""
    elbow, wrist = joints
    front = 185.0 * girth - 150.0
    rise = np.arcsin(np.clip((front + 25 - ELBOW[1]) / (ELBOW[2] - WRIST[2]), 0, np.sin(np.deg2rad(55))))
    rise *= np.clip(degrees / 25, 0, 1)
    forearm = _carry(np.deg2rad(degrees), float(rise), sign)
    hand = _carry(np.deg2rad(degrees + 15), 0.0, sign)
    bent = (moved - elbow) @ forearm.T + elbow
    flat = (moved - wrist) @ hand.T + (wrist - elbow) @ forearm.T + elbow
    lower, last = (np.clip((joint[2] + 10 - atlas[:, 2]) / 20, 0, 1)[:, None] for joint in (ELBOW, WRIST))
    return np.asarray(moved * (1 - lower) + (bent * (1 - last) + flat * last) * lower)


def _carry(inward: float, rise: float, sign: float) -> NDArray[np.float32]:
    """Return the smallest rotation (3, 3) that turns "down" inwards and up by these radians (Rodrigues' formula)."""
    down = np.array([0.0, 0.0, -1.0])
    wanted = np.array([-sign * np.sin(inward) * np.cos(rise), np.sin(rise), -np.cos(inward) * np.cos(rise)])
    axis = np.cross(down, wanted)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn: NDArray[np.float32] = (np.eye(3) + cross + cross @ cross / (1 + down @ wanted)).astype(np.float32)
    return turn
