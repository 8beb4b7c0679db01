"""Where the tracer goes: 99mTc-MDP concentration in every bone and tissue, relative to soft tissue.

Levels were set so that the projections' regional means lie around those of a real whole-body scan (mean counts per
pixel, NEMA WG04 scan "NM1": thigh 17, abdomen 24, rib band 25-57, shoulder 70, lumbar spine 82, sternum 101, manubrium
138) and vary widely about them. They are ours. Metastatic and degenerative uptake: see lesions.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import Person
from .body import TISSUES
from .skeleton import Skeleton, load_skeleton

#: Typical concentration in bone, soft tissue = 1 (thin bones look fainter in projection: less of them lies in the ray).
BONE_LEVEL: dict[str, float] = {
    "skull": 6.0,
    "mandible": 9.0,
    "sternum": 36.0,
    "clavicle": 14.0,
    "scapula": 11.0,
    "rib": 22.0,
    "C": 14.0,
    "T": 17.0,
    "L": 18.0,
    "sacrum": 9.0,
    "hip bone": 8.5,
    "humerus": 8.0,
    "ulna": 6.0,
    "radius": 6.0,
    "hand": 9.0,
    "femur": 5.0,
    "patella": 8.0,
    "tibia": 5.0,
    "fibula": 5.0,
    "talus": 7.0,
    "foot": 6.0,
    "toes": 7.0,
    "costal cartilage": 1.5,
}

#: Typical concentration in tissues, and the sigma of its lognormal spread between patients.
TISSUE_LEVEL: dict[str, tuple[float, float]] = {
    "soft tissue": (1.0, 0.0),
    "lung": (0.35, 0.1),
    "heart": (1.3, 0.1),
    "liver": (1.2, 0.15),
    "spleen": (1.2, 0.15),
    "right kidney": (5.5, 0.45),
    "left kidney": (5.5, 0.45),
    "bladder": (24.0, 0.6),
}

# Places that are normally hotter than their bone, in the atlas (R on the right side, A, S; mm): radius, factor, both
# sides. Positions were read off the atlas' bones.
NORMAL_FOCI: tuple[tuple[str, tuple[float, float, float], float, float], ...] = (
    ("sternoclavicular joint", (20.0, -85.0, 470.0), 18.0, 1.2),
    ("manubrium", (0.0, -76.0, 446.0), 22.0, 0.7),
    ("teeth", (16.0, -32.0, 592.0), 18.0, 0.9),
    ("acromioclavicular joint", (140.0, -90.0, 475.0), 16.0, 0.8),
    ("shoulder", (165.0, -97.0, 455.0), 26.0, 1.3),
    ("scapular tip", (115.0, -185.0, 335.0), 14.0, 0.8),
    ("sacroiliac joint", (42.0, -120.0, 15.0), 20.0, 1.0),
    ("hip", (77.0, -56.0, -75.0), 30.0, 0.7),
    ("knee, above", (78.0, -60.0, -480.0), 34.0, 0.9),
    ("knee, below", (78.0, -58.0, -515.0), 30.0, 0.9),
    ("ankle", (78.0, -66.0, -885.0), 26.0, 0.6),
    ("elbow", (183.0, -86.0, 165.0), 22.0, 0.6),
    ("wrist", (210.0, -88.0, -75.0), 22.0, 0.6),
)


@dataclass(frozen=True)
class Tracer:
    """Relative concentration per point of a Person: bones (n,), tissues (m,)."""

    bones: NDArray[np.float32]
    tissues: NDArray[np.float32]


def draw_tracer(person: Person, rng: np.random.Generator) -> Tracer:
    """Normal uptake of one patient at random: overall bone level, each bone's own level, joints, unevenness, organs."""
    skeleton = load_skeleton()
    overall = float(np.exp(rng.normal(0.32, 0.3)))
    level = np.array([_bone_level(name) for name in skeleton.names]) * overall
    level *= np.exp(rng.normal(0, 0.10, len(level)))
    _even_spine(skeleton, level, rng)
    # The sternum varies most between patients (and is the hottest bone of the real scan).
    level[skeleton.names.index("sternum")] *= np.exp(rng.normal(0.1, 0.35))
    bones = level[person.bone]
    bones *= 1 + _joint_uptake(person, rng) + _rib_ends(person, rng)
    bones *= _uneven(person.atlas_bones, rng)
    tissue_level = np.array([_tissue_level(name, rng) for name in TISSUES])
    return Tracer(bones.astype(np.float32), tissue_level[person.tissue].astype(np.float32))


def _bone_level(name: str) -> float:
    if "rib" in name:
        return BONE_LEVEL["rib"]
    if name[0] in "CTL" and name[1:].isdigit():
        return BONE_LEVEL[name[0]]
    return BONE_LEVEL[name.removeprefix("right ").removeprefix("left ")]


def _tissue_level(name: str, rng: np.random.Generator) -> float:
    mean, spread = TISSUE_LEVEL[name]
    return mean * float(np.exp(rng.normal(0, spread)))


def _even_spine(skeleton: Skeleton, level: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Neighbouring vertebrae and ribs take up alike: a smooth trend instead of independent bones."""
    trend = rng.normal(0, 0.12, 2)
    for i, name in enumerate(skeleton.names):
        if name[0] in "TL" and name[1:].isdigit():
            place = int(name[1:]) / 12 if name[0] == "T" else 1 + int(name[1:]) / 5
            level[i] *= np.exp(trend[0] * (place - 1))
        elif "rib" in name:
            level[i] *= np.exp(trend[1] * (int(name.split()[-1]) - 6) / 6)


def _joint_uptake(person: Person, rng: np.random.Generator) -> NDArray[np.float64]:
    extra = np.zeros(len(person.atlas_bones))
    age = rng.uniform(0.3, 1.3)
    for _, place, radius, factor in NORMAL_FOCI:
        for sign in (1.0, -1.0):
            centre = np.array(place) * (sign, 1.0, 1.0)
            distance = ((person.atlas_bones - centre) ** 2).sum(1) / radius**2
            extra += age * factor * np.exp(rng.normal(-0.1, 0.5)) * np.exp(-distance)
    return extra


def _rib_ends(person: Person, rng: np.random.Generator) -> NDArray[np.float64]:
    """Costochondral joints: the front ends of the ribs are hotter, not all alike."""
    skeleton = load_skeleton()
    extra = np.zeros(len(person.atlas_bones))
    strength = rng.uniform(0.2, 1.1)
    for name in skeleton.names:
        if "rib" in name and int(name.split()[-1]) <= 10:
            index = np.flatnonzero(skeleton.of(name))
            front = person.atlas_bones[index, 1]
            extra[index] = strength * np.exp(rng.normal(0, 0.25)) / (1 + np.exp((front.max() - 45 - front) / 12))
    return extra


def _uneven(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth multiplicative unevenness inside bones (wavelengths 20-120 mm, about 12 %)."""
    field = np.zeros(len(points))
    for _ in range(12):
        direction = rng.normal(size=3)
        vector = direction / np.linalg.norm(direction) * 2 * np.pi / rng.uniform(20, 120)
        field += np.sin(points @ vector.astype(np.float32) + rng.uniform(0, 2 * np.pi))
    return np.exp(field * rng.uniform(0.03, 0.07))
