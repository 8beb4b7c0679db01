"""Activity outside the organs: injection site, extravasation, urine in ureters, on skin and clothes, and in a bag.

It is drawn for every scan, on the person in the posture of the scan. Rates and amounts are assumptions, with a wide
range.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..disease.lesions import bone_points
from ..person.anatomy import Person
from ..person.soft_tissue import TISSUES, load_body
from .acquisition import Camera
from .detector import Image
from .optics import DepthSlabs, splat

#: Share of scans with a visible injection site, with urine near the groin, with urine on the trunk, and with a urine
#: bag; EXTRAVASATION is the share of the visible injection sites with extravasation.
INJECTION_SEEN, EXTRAVASATION, URINE, URINE_ON_TRUNK, URINE_BAG = 0.6, 0.12, 0.1, 0.015, 0.015
#: Probability, for each side, of a hot renal pelvis and of a visible ureter.
RENAL_PELVIS, URETER = 0.25, 0.18
#: Number of points that represent a spot.
CLOUD = 250

#: A right ureter (R, A, S; mm, atlas): along the psoas, over the iliac vessels, around the pelvis to the bladder.
URETER_MM = (
    *((42.0, -130.0, 180.0), (36.0, -105.0, 120.0), (34.0, -85.0, 60.0), (44.0, -90.0, 10.0)),
    *((52.0, -95.0, -40.0), (24.0, -68.0, -82.0)),
)

Point = NDArray[np.float64]


@dataclass(frozen=True)
class Spot:
    """A Gaussian spot of activity.

    Attributes:
        centre: RAS mm.
        amount: activity, in concentration of soft tissue x cm3.
        widths: standard deviations along R, A, S, mm.
        kind: "injection" for the injection site itself, otherwise "".
    """

    centre: tuple[float, float, float]
    amount: float
    widths: tuple[float, float, float]
    kind: str = ""


def draw_extraneous_activity(person: Person, rng: np.random.Generator) -> list[Spot]:
    """Draw the extraneous activity of one scan: often only the injection site, often nothing."""
    spots: list[Spot] = []
    if rng.random() < INJECTION_SEEN:
        spots += _injection(person, rng)
    spots += _urinary_tract(person, rng)
    if rng.random() < URINE:
        spots += _urine(person, rng)
    if rng.random() < URINE_ON_TRUNK:
        centre = np.array([rng.uniform(-110, 110), 0, rng.uniform(60, 320)])
        spots += _blobs(person, rng, centre, int(rng.integers(1, 4)), 25)
    if rng.random() < URINE_BAG:
        spots += _bag(person, rng)
    return spots


def spot_activity(spots: list[Spot], camera: Camera, depths: DepthSlabs, rng: np.random.Generator) -> Image:
    """Return the activity (slabs, rows, columns) of the spots, anterior frame; zero without spots."""
    if not spots:
        return np.zeros((len(depths.centres), *camera.shape), np.float32)
    points = [np.array(spot.centre) + rng.normal(size=(CLOUD, 3)) * spot.widths for spot in spots]
    amounts = np.repeat([spot.amount / CLOUD for spot in spots], CLOUD)
    return splat(np.concatenate(points).astype(np.float32), amounts, camera, depths.centres, camera.shape)


def _injection(person: Person, rng: np.random.Generator) -> list[Spot]:
    sides = [side for side in ("right", "left") if person.bone_volume[bone_points(f"{side} hand")].any()]
    if not sides:
        return []
    side = str(rng.choice(sides))
    hand, wrist = _joint(person, f"{side} hand", 0.5), _joint(person, f"{side} radius", 0.0)
    elbow, shoulder = _joint(person, f"{side} radius", 1.0), _joint(person, f"{side} humerus", 1.0)
    site = str(rng.choice(["hand", "wrist", "elbow"], p=(0.45, 0.2, 0.35)))
    position = {"hand": (hand + wrist) / 2, "wrist": wrist, "elbow": elbow}[site] + rng.normal(0, (6, 6, 0))
    # Veins are under the skin, on the anterior or posterior side.
    position[1] += rng.uniform(-10, 18)
    amount = float(np.exp(rng.normal(5.4, 1.3)))
    if rng.random() > EXTRAVASATION:
        return [_spot(position, amount, rng.uniform(4, 9, 3), "injection")]
    amount *= float(rng.uniform(3, 15))
    kinds = ("injection", "", "")
    spots = [_spot(position + rng.normal(0, 6, 3), amount / 3, rng.uniform(6, 14, 3), kind) for kind in kinds]
    if rng.random() < 0.7:
        spots += _vein(position, elbow, shoulder, amount * float(rng.uniform(0.005, 0.06)), rng)
    inside = -30.0 if side == "right" else 30.0
    for _ in range(int(rng.integers(0, 3))):
        node = shoulder + np.array([inside, 0.0, -45.0]) + rng.normal(0, (8, 8, 12))
        spots.append(_spot(node, amount * float(rng.uniform(0.005, 0.04)), rng.uniform(3, 5, 3)))
    return spots


def _joint(person: Person, bone: str, end: float) -> Point:
    """Return the mean (RAS mm, posed) of the points at one end of an arm bone: 0 is distal, 1 is proximal."""
    index = bone_points(bone)
    height = person.atlas_bones[index, 2]
    low, high = np.quantile(height, (max(end - 0.06, 0.0), min(end + 0.06, 1.0)))
    return np.asarray(person.bones[index[(height >= low) & (height <= high)]].mean(0).astype(np.float64))


def _vein(injection: Point, elbow: Point, shoulder: Point, amount: float, rng: np.random.Generator) -> list[Spot]:
    """Draw a tortuous vein up the arm: short pieces of varying activity, some missing, fainter near the shoulder."""
    path = [injection, elbow, shoulder] if np.linalg.norm(injection - elbow) > 40 else [injection, shoulder]
    pieces = np.concatenate([np.linspace(one, two, 20, endpoint=False) for one, two in pairwise(path)])
    along = np.linspace(0, 1, len(pieces))
    # The vein leaves the bone in the middle and returns at both ends.
    bend = rng.normal(0, 14, 3) * np.sin(np.pi * along)[:, None]
    bend += rng.normal(0, 5, 3) * np.sin(2 * np.pi * (along * rng.uniform(1, 3) + rng.random()))[:, None]
    strength = np.exp(-along * rng.uniform(0.5, 2.5) + rng.normal(0, 0.7, len(pieces)))
    strength *= rng.random(len(pieces)) < rng.uniform(0.5, 1.0)
    total = max(float(strength.sum()), 1e-6)
    return [
        _spot(piece, float(amount * share / total), (1.5, 1.5, 5.0))
        for piece, share in zip(pieces + bend, strength, strict=True)
        if share > 0
    ]


def _urinary_tract(person: Person, rng: np.random.Generator) -> list[Spot]:
    """Draw urine in the renal pelves and in pieces of the ureters, except on the side of a missing kidney."""
    spots: list[Spot] = []
    for side in ("right", "left"):
        pelvis, ureter = rng.random() < RENAL_PELVIS, rng.random() < URETER
        if not person.tissue_volume[person.tissue == TISSUES.index(f"{side} kidney")].any():
            continue
        path = person.tissues[_ureter_points(side)].astype(np.float64)
        if pelvis:
            spots.append(_spot(path[0], float(np.exp(rng.normal(5.6, 0.7))), rng.uniform(5, 11, 3)))
        if ureter:
            amount = float(np.exp(rng.normal(5.0, 0.8)))
            for _ in range(int(rng.integers(1, 4))):
                first = int(rng.integers(0, len(path) - 3))
                piece = path[first : first + int(rng.integers(3, 9))]
                spots += [_spot(position, amount / 12, (2.5, 2.5, 6.0)) for position in piece]
    return spots


@lru_cache(maxsize=2)
def _ureter_points(side: str) -> NDArray[np.int64]:
    """Return the indices (k,) of the tissue points along a ureter, from the renal pelvis to the bladder."""
    heights = np.linspace(URETER_MM[0][2], URETER_MM[-1][2], 30)
    knots = np.array(URETER_MM)
    path = np.stack([np.interp(-heights, -knots[:, 2], knots[:, axis]) for axis in range(3)], 1)
    path[:, 0] *= 1 if side == "right" else -1
    points = load_body().points
    return np.array([int(np.argmin(((points - point) ** 2).sum(1))) for point in path.astype(np.float32)])


def _urine(person: Person, rng: np.random.Generator) -> list[Spot]:
    """Draw irregular urine contamination on skin or clothes near groin and thighs."""
    side = rng.uniform(-110, 110) if rng.random() < 0.6 else rng.normal(0, 20)
    centre = np.array([side, 0.0, rng.uniform(-300, -70)])
    return _blobs(person, rng, centre, int(rng.integers(1, 7)), float(rng.uniform(8, 30)))


def _blobs(person: Person, rng: np.random.Generator, centre: Point, count: int, scatter: float) -> list[Spot]:
    """Draw the spots of one contamination, scattered over the anterior or posterior skin around `centre`."""
    amount = float(np.exp(rng.normal(5.0, 0.9)))
    front = rng.random() < 0.75
    soft_tissue = person.tissues[person.tissue_present & (person.tissue == TISSUES.index("soft tissue"))]
    spots = []
    for share in rng.dirichlet(np.ones(count)):
        spot = centre + rng.normal(0, scatter, 3)
        skin = _skin(soft_tissue, float(spot[0]), float(spot[2]), front=front)
        if skin is not None:
            spot[1] = skin
            spots.append(_spot(spot, amount * float(share), (rng.uniform(3, 14), 2.0, rng.uniform(3, 14))))
    return spots


def _skin(soft_tissue: NDArray[np.float32], right: float, up: float, *, front: bool) -> float | None:
    """Return A (mm) of the skin over a position (R, S; mm), None where there is no soft tissue (n, 3)."""
    near = soft_tissue[(np.abs(soft_tissue[:, 0] - right) < 8) & (np.abs(soft_tissue[:, 2] - up) < 8), 1]
    if not len(near):
        return None
    return float(near.max() + 4) if front else float(near.min() - 4)


def _bag(person: Person, rng: np.random.Generator) -> list[Spot]:
    """Draw a urine bag next to a leg, with the tube from the catheter."""
    side, sign = ("right", 1.0) if rng.random() < 0.5 else ("left", -1.0)
    legs = person.bones[bone_points(f"{side} femur")]
    height = float(rng.uniform(np.quantile(legs[:, 2], 0.05), np.quantile(legs[:, 2], 0.5)))
    soft_tissue = person.tissues[np.abs(person.tissues[:, 2] - height) < 10]
    thigh = soft_tissue[np.abs(soft_tissue[:, 0] - legs[:, 0].mean()) < 130]
    edge = float((thigh[:, 0] * sign).max()) if len(thigh) else 130.0
    bag = np.array([sign * (edge + rng.uniform(20, 40)), float(legs[:, 1].mean()) - 20, height])
    amount = float(np.exp(rng.normal(6.8, 0.7)))
    spots = [_spot(bag + np.array([0.0, 0.0, step]), amount / 3, (14.0, 8.0, 22.0)) for step in (-30.0, 0.0, 30.0)]
    groin = np.array([sign * 15.0, float(legs[:, 1].max()) + 50, -110.0])
    for share in np.linspace(0, 1, 24):
        sag = np.array([0.0, 10.0 * np.sin(np.pi * share), -40.0 * np.sin(np.pi * share)])
        spots.append(_spot(groin + (bag - groin) * share + sag, amount * 0.004, (2.5, 2.5, 4.0)))
    return spots


def _spot(centre: Point, amount: float, widths: object, kind: str = "") -> Spot:
    right, front, up = (float(value) for value in centre)
    wide, deep, high = (float(value) for value in np.asarray(widths, float))
    return Spot((right, front, up), amount, (wide, deep, high), kind)
