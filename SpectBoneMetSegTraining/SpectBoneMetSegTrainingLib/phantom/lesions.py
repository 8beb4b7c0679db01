"""Foci of raised uptake in bone: metastases, which are labelled, and their mimics, which never are.

Sites follow lung cancer (spine 50 %, rib 27 %, ilium 10 %, sacrum 7 %, femur 6 %, humerus, scapula and sternum 3 %),
4.5 lesions a patient on average. Uptake is about 6 x normal bone for metastases and about 2 x for degenerative change,
both lognormal and overlapping. Rib metastases run along the rib; fractures are spots, often aligned in neighbouring
ribs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import Person
from .skeleton import CERVICAL, LUMBAR, RIBS, THORACIC, load_skeleton

SITES: tuple[tuple[tuple[str, ...], float], ...] = (
    (THORACIC, 26.0),
    (LUMBAR, 19.0),
    (CERVICAL, 5.0),
    (RIBS, 27.0),
    (("right hip bone", "left hip bone"), 10.0),
    (("sacrum",), 7.0),
    (("right femur", "left femur"), 6.0),
    (("right humerus", "left humerus"), 1.2),
    (("right scapula", "left scapula"), 1.2),
    (("sternum",), 1.2),
    (("skull",), 1.0),
    (("right clavicle", "left clavicle"), 0.6),
)
MEAN_LESIONS = 4.5
METASTASIS_UPTAKE = (6.5, 0.6)  # median factor on normal bone, sigma of the logarithm
FAINT_SHARE = 0.12  # lytic lesions of lung cancer that take up little
DEGENERATIVE_UPTAKE = (2.1, 0.35)
FRACTURE_UPTAKE = (3.2, 0.5)


@dataclass(frozen=True)
class Focus:
    """Extra uptake at some bone points of a Person.

    Attributes:
        kind: "metastasis", "degenerative", "fracture", "enthesopathy", "sternotomy".
        bone: atlas name of the bone.
        index: (k,) indices into Person.bones.
        share: (k,) 0..1 profile over those points.
        uptake: factor on the bone's own normal uptake at full share.
        centre: RAS mm.
    """

    kind: str
    bone: str
    index: NDArray[np.int64]
    share: NDArray[np.float32]
    uptake: float
    centre: tuple[float, float, float]


def draw_metastases(person: Person, rng: np.random.Generator, count: int | None = None) -> list[Focus]:
    """Metastases of one patient; `count` None draws it (at least one)."""
    if count is None:
        count = 1 + int(rng.negative_binomial(1, 1 / MEAN_LESIONS))
    weights = np.array([weight for _, weight in SITES])
    foci = []
    for _ in range(min(count, 30)):
        names = SITES[int(rng.choice(len(SITES), p=weights / weights.sum()))][0]
        bone = names[int(rng.integers(len(names)))]
        median, sigma = METASTASIS_UPTAKE
        uptake = float(np.clip(median * np.exp(rng.normal(0, sigma)), 1.6, 25))
        if rng.random() < FAINT_SHARE:
            uptake = float(rng.uniform(1.2, 1.9))
        radius = float(np.clip(10.0 * np.exp(rng.normal(0, 0.42)), 4.5, 32))
        stretch = float(rng.uniform(1.4, 3.5)) if "rib" in bone else float(rng.uniform(0.9, 1.5))
        foci.append(_focus(person, rng, "metastasis", bone, radius, stretch, uptake))
    return foci


def draw_mimics(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Degenerative change and fractures of one patient."""
    foci = []
    skeleton = load_skeleton()
    for _ in range(int(rng.poisson(1.6))):
        bone = str(rng.choice([*LUMBAR, *LUMBAR, *THORACIC[6:], *CERVICAL[3:]]))
        # Facets and osteophytes sit beside the midline, at the edge of the vertebra.
        points = person.atlas_bones
        aside = np.flatnonzero(skeleton.of(bone) & (np.abs(points[:, 0]) > 13))
        start = int(rng.choice(aside)) if len(aside) else None
        radius = float(rng.uniform(5, 10))
        foci.append(_focus(person, rng, "degenerative", bone, radius, 1.0, _uptake(rng, DEGENERATIVE_UPTAKE), start))
    for bone, chance in (
        ("humerus", 0.25),
        ("clavicle", 0.2),
        ("femur", 0.12),
        ("patella", 0.25),
        ("foot", 0.3),
        ("hand", 0.2),
    ):
        if rng.random() < chance:
            side = "right" if rng.random() < 0.5 else "left"
            start = _end_of(person, f"{side} {bone}", rng)
            foci.append(
                _focus(
                    person, rng, "degenerative", f"{side} {bone}", 12.0, 1.0, _uptake(rng, DEGENERATIVE_UPTAKE), start
                )
            )
    for side in ("right", "left"):
        # Healed single rib fractures, and worn tendon insertions at the hip.
        if rng.random() < 0.16:
            bone = f"{side} rib {int(rng.integers(2, 12))}"
            foci.append(
                _focus(person, rng, "fracture", bone, float(rng.uniform(4, 8)), 1.0, _uptake(rng, FRACTURE_UPTAKE))
            )
        if rng.random() < 0.08:
            start = _nearest(person, f"{side} femur", (105.0 if side == "right" else -105.0, -70.0, -90.0))
            foci.append(
                _focus(
                    person, rng, "enthesopathy", f"{side} femur", 14.0, 1.0, _uptake(rng, DEGENERATIVE_UPTAKE), start
                )
            )
    if rng.random() < 0.03:
        foci += _sternotomy(person, rng)
    if rng.random() < 0.14:
        foci += _aligned_fractures(person, rng)
    return foci


def add_uptake(normal: NDArray[np.float32], foci: list[Focus]) -> NDArray[np.float32]:
    """Concentration per bone point (n,) with the foci on top of `normal`; where foci overlap the hottest counts."""
    factor = np.ones_like(normal)
    for focus in foci:
        factor[focus.index] = np.maximum(factor[focus.index], 1 + (focus.uptake - 1) * focus.share)
    return normal * factor


def _uptake(rng: np.random.Generator, median_sigma: tuple[float, float]) -> float:
    return float(np.clip(median_sigma[0] * np.exp(rng.normal(0, median_sigma[1])), 1.2, 12))


def _aligned_fractures(person: Person, rng: np.random.Generator) -> list[Focus]:
    side = "right" if rng.random() < 0.5 else "left"
    first, count = int(rng.integers(3, 9)), int(rng.integers(2, 5))
    skeleton = load_skeleton()
    front = rng.uniform(-95, -25)
    foci = []
    for number in range(first, min(first + count, 11)):
        bone = f"{side} rib {number}"
        points = np.flatnonzero(skeleton.of(bone))
        start = int(points[np.argmin(np.abs(person.atlas_bones[points, 1] - front - rng.normal(0, 5)))])
        foci.append(
            _focus(person, rng, "fracture", bone, float(rng.uniform(5, 8)), 1.0, _uptake(rng, FRACTURE_UPTAKE), start)
        )
    return foci


def _sternotomy(person: Person, rng: np.random.Generator) -> list[Focus]:
    """A healing cut along the midline of the sternum: a row of foci of one strength."""
    index = np.flatnonzero(load_skeleton().of("sternum"))
    heights = person.atlas_bones[index, 2]
    uptake = float(rng.uniform(1.4, 2.6))
    starts = [
        _nearest(person, "sternum", (0.0, -70.0, float(height)))
        for height in np.arange(heights.min(), heights.max(), 14)
    ]
    return [_focus(person, rng, "sternotomy", "sternum", 8.0, 1.5, uptake, start) for start in starts]


def _nearest(person: Person, bone: str, place: tuple[float, float, float]) -> int:
    """The point of a bone nearest to a place in the atlas (RAS mm)."""
    index = np.flatnonzero(load_skeleton().of(bone))
    return int(index[np.argmin(((person.atlas_bones[index] - np.array(place)) ** 2).sum(1))])


def _end_of(person: Person, bone: str, rng: np.random.Generator) -> int:
    """A point at one end of a long bone: where joints wear."""
    index = np.flatnonzero(load_skeleton().of(bone))
    points = person.atlas_bones[index]
    axis = int(np.argmax(np.ptp(points, axis=0)))
    order = index[np.argsort(points[:, axis])]
    end = order[: len(order) // 12] if rng.random() < 0.5 else order[-(len(order) // 12) :]
    return int(rng.choice(end))


def _focus(
    person: Person,
    rng: np.random.Generator,
    kind: str,
    bone: str,
    radius: float,
    stretch: float,
    uptake: float,
    start: int | None = None,
) -> Focus:
    """A soft-edged, irregular focus inside one bone; `radius` mm, `stretch` along the bone's local direction."""
    index = np.flatnonzero(load_skeleton().of(bone))
    if start is None:
        start = int(rng.choice(index))
    offset = person.bones[index].astype(np.float64) - person.bones[start]
    near = offset[(offset**2).sum(1) < (2.5 * radius) ** 2]
    axis = np.linalg.svd(near - near.mean(0), full_matrices=False)[2][0] if len(near) > 3 else np.array([0, 0, 1.0])
    along = offset @ axis
    across = np.sqrt(np.maximum((offset**2).sum(1) - along**2, 0))
    distance = np.hypot(along / stretch, across) / radius
    for _ in range(3):
        direction = rng.normal(size=3) / radius
        distance *= 1 + 0.12 * np.sin(offset @ direction + rng.uniform(0, 2 * np.pi))
    share = np.exp(-(distance**4))
    kept = share > 0.02
    centre = tuple(float(value) for value in person.bones[start])
    return Focus(kind, bone, index[kept], share[kept].astype(np.float32), uptake, centre)  # type: ignore[arg-type]
