"""Normal tracer uptake: the concentration of 99mTc-MDP in every bone and tissue, relative to soft tissue.

The levels are assumptions. They were set so that the bones of simulated patients with metastases, without their
lesions, are as bright in units of the body's level and vary as widely as those of 34 real patients
(`cohort.population_tables`). For metastatic and degenerative uptake see lesions.py and mimics.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..person.anatomy import Person
from ..person.skeleton import CERVICAL, LUMBAR, RIBS, SEGMENTS, THORACIC, Skeleton, load_skeleton
from ..person.soft_tissue import TISSUES, load_body

#: Typical concentration in bone, soft tissue = 1 (thin bones are fainter in projection: their path length is shorter).
BONE_LEVEL: dict[str, float] = {
    "skull": 3.2,
    "mandible": 7.5,
    "sternum": 17.5,
    "clavicle": 11.0,
    "scapula": 6.8,
    "rib": 16.5,
    "C": 12.0,
    "T": 16.2,
    "L": 22.0,
    "sacrum": 7.2,
    "hip bone": 10.6,
    "humerus": 4.3,
    "ulna": 6.0,
    "radius": 6.0,
    "hand": 9.0,
    "femur": 5.7,
    "patella": 8.0,
    "tibia": 5.0,
    "fibula": 5.0,
    "talus": 7.0,
    "foot": 6.0,
    "toes": 7.0,
    "costal cartilage": 1.5,
}

#: Typical concentration in tissues, and sigma of its logarithm between patients.
TISSUE_LEVEL: dict[str, tuple[float, float]] = {
    "soft tissue": (1.0, 0.0),
    "lung": (0.5, 0.1),
    "heart": (1.5, 0.12),
    "liver": (1.2, 0.15),
    "spleen": (1.2, 0.15),
    "right kidney": (12.0, 0.5),
    "left kidney": (12.0, 0.5),
    "bladder": (75.0, 1.0),
    "right breast": (1.3, 0.25),
    "left breast": (1.3, 0.25),
}

#: Exponent of renal function on the level of a tissue: with renal impairment more tracer is in the blood and less in
#: the bladder.
RENAL_POWER: dict[str, float] = {
    "heart": -0.35,
    "liver": -0.2,
    "spleen": -0.2,
    "right kidney": 0.4,
    "left kidney": 0.4,
    "bladder": 0.8,
}
#: Share of patients with renal impairment.
RENAL_IMPAIRMENT_SHARE = 0.07
#: Common factor of all bones of a group in one patient: sigma of its logarithm, scale of an exponential upper tail.
GROUP_SPREAD: tuple[tuple[tuple[str, ...], float, float], ...] = (
    ((*CERVICAL, *THORACIC, *LUMBAR, "sacrum"), 0.1, 0.16),
    (CERVICAL, 0.08, 0.2),
    (LUMBAR, 0.12, 0.12),
    (("sacrum",), 0.16, 0.25),
    (("right hip bone", "left hip bone"), 0.1, 0.1),
    (RIBS, 0.06, 0.16),
    (("skull",), 0.14, 0.12),
    (("right humerus", "left humerus"), 0.14, 0.0),
    (("right scapula", "left scapula"), 0.08, 0.12),
    (("right clavicle", "left clavicle"), 0.05, 0.12),
)
#: Median of an exponential draw, subtracted so that the tail does not change the median.
TAIL_MEDIAN = 0.69
#: Bones, factor on their level at the back and at the front: vertebral bodies take up more than the arches behind them,
#: the posterior ilium more than its wing and the pubis.
FRONT_AND_BACK: tuple[tuple[tuple[str, ...], float, float], ...] = (
    (CERVICAL, 0.5, 1.45),
    (("sacrum",), 0.8, 1.3),
    (THORACIC, 0.32, 1.44),
    (RIBS, 0.75, 1.0),
    (("right hip bone", "left hip bone"), 1.85, 0.75),
)
#: Factor on soft tissue of the limbs, which holds less blood than that of the trunk: median, sigma of its logarithm.
LIMBS = (0.64, 0.15)
#: Thyroid (or larynx): centre of the right half, half axes (mm, atlas), median level and sigma of its logarithm.
THYROID: tuple[tuple[float, ...], tuple[float, ...], float, float] = (
    (16.0, -70.0, 505.0),
    (12.0, 12.0, 25.0),
    18.0,
    0.6,
)
#: Mean and sigma of the logarithm of the common factor of all bones.
OVERALL = (1.02, 0.38)

#: Sites that are normally hotter than their bone, on both sides: name, position on the right side (R, A, S; mm, atlas),
#: radius (mm), extra uptake as a factor. Positions were read from the bones of the atlas.
NORMAL_FOCI: tuple[tuple[str, tuple[float, float, float], float, float], ...] = (
    ("sternoclavicular joint", (20.0, -85.0, 470.0), 18.0, 1.2),
    ("manubrium", (0.0, -76.0, 446.0), 22.0, 0.7),
    ("teeth", (16.0, -32.0, 592.0), 18.0, 0.75),
    ("nose and sinuses", (15.0, -32.0, 628.0), 20.0, 0.35),
    ("acromioclavicular joint", (140.0, -90.0, 475.0), 16.0, 0.8),
    ("shoulder", (165.0, -97.0, 455.0), 26.0, 1.3),
    ("scapular tip", (115.0, -185.0, 335.0), 14.0, 0.8),
    ("sacroiliac joint", (44.0, -118.0, 15.0), 22.0, 0.8),
    ("posterior ilium", (54.0, -130.0, 32.0), 38.0, 1.4),
    ("hip", (77.0, -56.0, -75.0), 30.0, 0.7),
    ("pubic symphysis", (6.0, -12.0, -92.0), 13.0, 0.5),
    ("knee, above", (78.0, -60.0, -480.0), 34.0, 0.65),
    ("knee, below", (78.0, -58.0, -515.0), 30.0, 0.65),
    ("ankle", (78.0, -66.0, -885.0), 26.0, 0.6),
    ("tarsus", (76.0, 5.0, -908.0), 24.0, 0.5),
    ("great toe", (60.0, 62.0, -922.0), 12.0, 0.7),
    ("elbow", (183.0, -86.0, 165.0), 22.0, 0.6),
    ("wrist", (210.0, -88.0, -75.0), 22.0, 0.6),
)


@dataclass(frozen=True)
class Tracer:
    """Relative concentration of the tracer at the points of a Person.

    Attributes:
        bones: (n,) per point of the bones.
        tissues: (m,) per point of the soft tissues.
    """

    bones: NDArray[np.float32]
    tissues: NDArray[np.float32]


def draw_age(rng: np.random.Generator) -> float:
    """Draw the age of a patient referred with cancer, 30-92 years."""
    return float(np.clip(rng.normal(65, 11), 30, 92))


def draw_tracer(person: Person, rng: np.random.Generator, age: float | None = None) -> Tracer:
    """Draw the normal uptake of one patient: bone levels, joints, heterogeneity and organs.

    Old patients have less uptake in bone and rib ends and more in joints. Good renal function clears the soft tissue,
    which raises bone and organs relative to soft tissue (1).

    Args:
        person: the reference person.
        rng: source of the draws.
        age: years; None to draw it.
    """
    skeleton = load_skeleton()
    age = draw_age(rng) if age is None else age
    renal = float(np.exp(rng.normal(0, 0.3))) * (
        rng.uniform(0.3, 0.6) if rng.random() < RENAL_IMPAIRMENT_SHARE else 1.0
    )
    overall = np.exp(rng.normal(*OVERALL) - 0.006 * (age - 65)) * renal**0.25
    level = np.array([_bone_level(name) for name in skeleton.names]) * overall
    level *= np.exp(rng.normal(0, 0.10, len(level)))
    _even_spine(skeleton, level, rng)
    for names, spread, tail in GROUP_SPREAD:
        warmer = rng.normal(0, spread) + tail * (rng.exponential() - TAIL_MEDIAN)
        level[[skeleton.names.index(name) for name in names]] *= np.exp(warmer)
    # The sternum varies most between patients (and is the hottest bone of the real scan).
    level[skeleton.names.index("sternum")] *= np.exp(rng.normal(0.0, 0.25) + 0.25 * rng.exponential())
    bones = level[person.bone] * _within_bones()
    bones *= 1 + _joint_uptake(person, rng, age) + _rib_ends(person, rng, age)
    bones *= heterogeneity(person.atlas_bones, rng, (20, 120), float(rng.uniform(0.03, 0.07)))
    bones[person.prosthesis] = 0.0
    return Tracer(bones.astype(np.float32), _tissues(person, rng, renal))


def day_tracer(tracer: Tracer, rng: np.random.Generator) -> Tracer:
    """Draw the same patient's uptake on another day: waiting time and the filling of bladder and kidneys differ.

    The overall level of bone changes by at most 10 %, its pattern not at all. `tracer` is not changed.
    """
    level = np.full(len(TISSUES), float(np.exp(rng.normal(0, 0.06))))
    kidneys = float(np.exp(rng.normal(0, 0.2)))
    for side in ("right", "left"):
        level[TISSUES.index(f"{side} kidney")] = kidneys * float(np.exp(rng.normal(0, 0.12)))
    level[TISSUES.index("bladder")] = float(np.exp(rng.normal(0, 0.5)))
    bones = tracer.bones * np.float32(1 + np.clip(rng.normal(0, 0.05), -0.1, 0.1))
    return Tracer(bones, (tracer.tissues * level[load_body().tissue]).astype(np.float32))


def heterogeneity(
    points: NDArray[np.float32], rng: np.random.Generator, lengths: tuple[float, float], strength: float
) -> NDArray[np.float64]:
    """Draw smooth heterogeneity: a factor (n,) of about 1 from twelve waves.

    Args:
        points: (n, 3) RAS mm.
        rng: source of the draws.
        lengths: range of the wavelengths, mm.
        strength: amplitude of each wave in the logarithm of the factor.
    """
    field = np.zeros(len(points))
    for _ in range(12):
        direction = rng.normal(size=3)
        vector = direction / np.linalg.norm(direction) * 2 * np.pi / rng.uniform(*lengths)
        field += np.sin(points @ vector.astype(np.float32) + rng.uniform(0, 2 * np.pi))
    return np.exp(field * strength)


def _bone_level(name: str) -> float:
    if "rib" in name:
        return BONE_LEVEL["rib"]
    if name[0] in "CTL" and name[1:].isdigit():
        return BONE_LEVEL[name[0]]
    return BONE_LEVEL[name.removeprefix("right ").removeprefix("left ")]


def _tissues(person: Person, rng: np.random.Generator, renal: float) -> NDArray[np.float32]:
    """Draw the concentration at each tissue point: organs, soft tissue of the limbs, thyroid."""
    tissues = _tissue_levels(rng, renal)[person.tissue].astype(np.float32)
    limbs = load_body().segment >= SEGMENTS.index("right arm")
    soft_tissue = person.tissue == TISSUES.index("soft tissue")
    tissues[limbs & soft_tissue] *= np.float32(LIMBS[0] * np.exp(rng.normal(0, LIMBS[1])))
    centre, axes, median, spread = THYROID
    level = median * np.exp(rng.normal(0, spread))
    for sign in (1.0, -1.0):
        offset = (person.atlas_tissues - np.array(centre) * (sign, 1.0, 1.0)) / np.array(axes)
        tissues[((offset**2).sum(1) <= 1) & soft_tissue] = level
    return tissues


def _tissue_levels(rng: np.random.Generator, renal: float) -> NDArray[np.float64]:
    """Draw the level of each tissue: breasts are equal, kidneys nearly so; urine and blood follow renal function."""
    level = np.ones(len(TISSUES))
    breasts, kidneys = rng.normal(size=2)
    for i, name in enumerate(TISSUES):
        mean, spread = TISSUE_LEVEL[name]
        own = rng.normal()
        if "breast" in name:
            own = breasts
        elif "kidney" in name:
            own = kidneys + 0.3 * own
        level[i] = mean * np.exp(spread * own)
        level[i] *= renal ** RENAL_POWER.get(name, 0.0)
    return level


def _even_spine(skeleton: Skeleton, level: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Apply a smooth trend along vertebrae and ribs to the levels, in place."""
    trend = rng.normal(0, 0.12, 2)
    for i, name in enumerate(skeleton.names):
        if name[0] in "TL" and name[1:].isdigit():
            position = int(name[1:]) / 12 if name[0] == "T" else 1 + int(name[1:]) / 5
            level[i] *= np.exp(trend[0] * (position - 1))
        elif "rib" in name:
            level[i] *= np.exp(trend[1] * (int(name.split()[-1]) - 6) / 6)


def _joint_uptake(person: Person, rng: np.random.Generator, age: float) -> NDArray[np.float64]:
    extra = np.zeros(len(person.bones))
    worn = float(np.clip(0.8 + 0.014 * (age - 65), 0.3, 1.3) * np.exp(rng.normal(0, 0.25)))
    for index, profile in _joints():
        extra[index] += worn * np.exp(rng.normal(-0.1, 0.5)) * profile
    return extra


def _rib_ends(person: Person, rng: np.random.Generator, age: float) -> NDArray[np.float64]:
    """Draw the extra uptake of the costochondral joints: it varies between ribs and decreases with age."""
    extra = np.zeros(len(person.bones))
    strength = rng.uniform(0.4, 1.5) * np.clip(1 - 0.012 * (age - 65), 0.6, 1.4)
    for index, profile in _front_ends():
        extra[index] = strength * np.exp(rng.normal(0, 0.25)) * profile
    return extra


@lru_cache(maxsize=1)
def _within_bones() -> NDArray[np.float64]:
    """Return the factor (n,) from back to front within the bones of FRONT_AND_BACK; 1 elsewhere."""
    skeleton = load_skeleton()
    factor = np.ones(len(skeleton.points))
    for bones, back, front in FRONT_AND_BACK:
        for name in bones:
            index = np.flatnonzero(skeleton.of(name))
            depth = skeleton.points[index, 1]
            share = (depth - depth.min()) / np.ptp(depth)
            factor[index] = back + (front - back) / (1 + np.exp((0.5 - share) / 0.08))
    return factor


@lru_cache(maxsize=1)
def _joints() -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return, for each of NORMAL_FOCI on both sides, the indices of its points and the extra uptake there."""
    points = load_skeleton().points
    regions = []
    for _, centre, radius, factor in NORMAL_FOCI:
        for sign in (1.0, -1.0):
            distance = ((points - np.array(centre) * (sign, 1.0, 1.0)) ** 2).sum(1) / radius**2
            near = np.flatnonzero(distance < 7)
            regions.append((near, factor * np.exp(-distance[near])))
    return regions


@lru_cache(maxsize=1)
def _front_ends() -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return, for each of ribs 1-10, the indices of its points and their share (0..1) of the front end."""
    skeleton = load_skeleton()
    regions = []
    for name in RIBS:
        if int(name.split()[-1]) <= 10:
            index = np.flatnonzero(skeleton.of(name))
            front = skeleton.points[index, 1]
            regions.append((index, 1 / (1 + np.exp((front.max() - 45.0 - front) / 12))))
    return regions
