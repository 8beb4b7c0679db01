"""Metastases of one patient as foci of changed uptake in bone, and their conversion to tracer concentration.

Uptake is about 10 x normal bone, with a wide lognormal distribution (up to 90 x) that overlaps that of mimics.py. Rib
metastases extend along the rib; large ones in other bones cross into neighbouring bones. Sizes are assumptions. Foci
are drawn on the reference person as sets of indices into its points, so they stay in their bone in any posture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..person.anatomy import Person
from ..person.skeleton import CERVICAL, LUMBAR, RIBS, THORACIC, load_skeleton
from .marrow import red_marrow
from .metastatic_sites import FEMURS, HIP_BONES, HUMERI, MAX_LESIONS, SCAPULAE, draw_count, draw_sites

#: Median uptake by primary tumour, factor on normal bone.
UPTAKE_MEDIAN: dict[str, float] = {"lung": 16.0, "prostate": 18.5, "breast": 17.5}
#: Sigma of the logarithm of uptake, between patients and within one patient; limits, factor on normal bone.
UPTAKE_SIGMA = (0.25, 0.35)
UPTAKE_LIMITS = (1.2, 90.0)
#: Factor on the uptake by bone. The uptake of reactive bone depends little on the bone around it, so relative to normal
#: uptake it is lower in bright and thick bones and higher in limbs and skull (set by `calibrate`).
UPTAKE_OF_BONE: tuple[tuple[tuple[str, ...], float], ...] = (
    (RIBS, 0.85),
    (CERVICAL, 0.7),
    (THORACIC, 0.43),
    (LUMBAR, 0.48),
    (("sacrum", "sternum"), 0.6),
    (HIP_BONES, 0.75),
    (SCAPULAE, 1.2),
    ((*FEMURS, *HUMERI, "skull"), 2.0),
)
#: Ratio of rib metastases in the front half to those in the back half: the anterior view shows more of them.
ANTERIOR_RIB_FACTOR = 2.0
#: Relative probability of a metastasis where there is no red marrow (1 where there is).
YELLOW_MARROW = 0.06
#: Largest extent of a metastasis along a rib, to each side, mm.
RIB_HALF_LENGTH_MM = 60.0
#: Share of lytic metastases by primary tumour.
LYTIC_SHARE: dict[str, float] = {"lung": 0.2, "prostate": 0.03, "breast": 0.12}
#: Median radius (mm), sigma of its logarithm between patients and within one, limits.
RADIUS_MM, RADIUS_SIGMA, RADIUS_LIMITS = 9.0, (0.2, 0.45), (4.0, 60.0)
#: Large lesions have a lower concentration: exponent of their radius over RADIUS_MM, limits of the factor.
SIZE_UPTAKE_EXPONENT, SIZE_UPTAKE_LIMITS = -0.4, (0.45, 1.3)
#: Share of the lesions that are large, and their radius, mm.
LARGE_SHARE, LARGE_MM = 0.06, (20.0, 55.0)
#: The more lesions, the smaller they are: exponent of their number over REFERENCE_COUNT, limits of the factor on the
#: radius.
REFERENCE_COUNT, COUNT_RADIUS_EXPONENT, COUNT_RADIUS_LIMITS = 20, -0.22, (0.65, 1.6)
#: Smallest radius (mm) of a lesion that may cross into neighbouring bones, probability that it does, and the smallest
#: number of points of a part.
CROSSING_MM, CROSSING_PROBABILITY, MINIMUM_PART_POINTS = 12.0, 0.5, 12
#: Bones of cold lesions.
COLD_SITES = (*THORACIC[5:], *LUMBAR, *HIP_BONES, "sacrum", "sternum", *FEMURS, *RIBS[3:9], *RIBS[15:21])
#: Points with a smaller share of the effect are left out of a focus.
SHARE_FLOOR = 0.02


@dataclass(frozen=True)
class Form:
    """Size and irregular outline of a focus, so that it can be scaled later.

    Attributes:
        radius: mm across `axis`; 0 for diffuse disease, which has no form.
        stretch: factor on the radius along `axis`.
        axis: unit vector, RAS.
        waves: (w, 4) bumps of the outline: wave vector in 1 / radius, phase.
        core: share of the effect that the centre lacks (1: the centre is normal bone).
        rim: reversed effect just outside the outline (the warm rim of a cold lesion).
    """

    radius: float = 10.0
    stretch: float = 1.0
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    waves: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    core: float = 0.0
    rim: float = 0.0


@dataclass(frozen=True)
class Focus:
    """A focus of changed uptake at some bone points of a Person.

    Attributes:
        kind: "metastasis" or "diffuse" (both labelled), "cold", or one of mimics.KINDS.
        bone: atlas name of the bone.
        index: (k,) indices into Person.bones.
        share: (k,) share of the effect at these points: 1 is full, negative is reversed.
        uptake: factor on the bone's normal uptake at full share; below 1 for a cold focus.
        start: index into Person.bones of the centre.
        form: size and outline from which index and share follow.
    """

    kind: str
    bone: str
    index: NDArray[np.int64]
    share: NDArray[np.float32]
    uptake: float
    start: int
    form: Form = field(default_factory=Form)


def draw_metastases(
    person: Person, rng: np.random.Generator, disease: str = "lung", count: int | None = None
) -> list[Focus]:
    """Draw the metastases of one patient on the reference person.

    Args:
        person: the reference person.
        rng: source of the draws.
        disease: the primary tumour: "lung", "prostate" or "breast".
        count: number of metastases, at most MAX_LESIONS; None to draw it (at least 1).

    Returns:
        One focus per metastasis, and one more for each bone into which a metastasis crosses.
    """
    count = draw_count(rng, disease) if count is None else min(count, MAX_LESIONS)
    patient, size = (float(np.exp(rng.normal(0, sigma[0]))) for sigma in (UPTAKE_SIGMA, RADIUS_SIGMA))
    size *= float(np.clip((max(count, 1) / REFERENCE_COUNT) ** COUNT_RADIUS_EXPONENT, *COUNT_RADIUS_LIMITS))
    foci: list[Focus] = []
    for bone in draw_sites(rng, disease, count):
        if not len(present_points(person, bone)):
            continue
        uptake = UPTAKE_MEDIAN[disease] * uptake_factor(bone) * patient * np.exp(rng.normal(0, UPTAKE_SIGMA[1]))
        core = 0.0
        if rng.random() < LYTIC_SHARE[disease]:
            uptake, core = rng.uniform(1.2, 2.6), rng.uniform(0.7, 1.2) if rng.random() < 0.5 else 0.0
        radius = _draw_radius(rng, bone, size)
        uptake *= np.clip((radius / RADIUS_MM) ** SIZE_UPTAKE_EXPONENT, *SIZE_UPTAKE_LIMITS)
        stretch = rng.uniform(1.2, 4.0) if "rib" in bone else rng.uniform(0.8, 1.7)
        if "rib" in bone:
            stretch = min(stretch, max(RIB_HALF_LENGTH_MM / radius, 1.0))
        uptake = float(np.clip(uptake, *UPTAKE_LIMITS))
        start = _start(person, rng, bone)
        focus = make_focus(
            person, rng, "metastasis", bone, Form(radius, float(stretch), core=float(core)), uptake, start
        )
        foci.append(focus)
        if radius >= CROSSING_MM and "rib" not in bone and rng.random() < CROSSING_PROBABILITY:
            foci += spread_to_neighbours(person, focus)
    return foci


def _start(person: Person, rng: np.random.Generator, bone: str) -> int:
    """Draw the centre of a metastasis: a bone point with red marrow.

    In ribs the front half is drawn ANTERIOR_RIB_FACTOR times as often as the back half.
    """
    index = present_points(person, bone)
    weight = red_marrow()[index] + YELLOW_MARROW
    if "rib" in bone:
        depth = person.atlas_bones[index, 1]
        weight[depth > (depth.min() + depth.max()) / 2] *= ANTERIOR_RIB_FACTOR
    return int(rng.choice(index, p=weight / weight.sum()))


def uptake_factor(bone: str) -> float:
    """Return the factor of a bone on the uptake of its metastases."""
    return next((factor for bones, factor in UPTAKE_OF_BONE if bone in bones), 1.0)


def _draw_radius(rng: np.random.Generator, bone: str, size: float) -> float:
    if rng.random() < LARGE_SHARE * size:
        return float(rng.uniform(*LARGE_MM))
    radius = RADIUS_MM * size * np.exp(rng.normal(0, RADIUS_SIGMA[1]))
    return float(np.clip(radius * (1.25 if bone in HIP_BONES or bone == "sacrum" else 1.0), *RADIUS_LIMITS))


def spread_to_neighbours(person: Person, focus: Focus) -> list[Focus]:
    """Return the parts of a focus in the neighbouring bones, with the same centre: one focus per bone."""
    names = load_skeleton().names
    reach = focus.form.radius * max(focus.form.stretch, 1.0)
    # Few points are at the height of the focus; distances are computed for these only.
    level = np.flatnonzero(np.abs(person.bones[:, 2] - person.bones[focus.start, 2]) <= reach + 1)
    offset = person.bones[level] - person.bones[focus.start]
    near = level[((offset**2).sum(1) < reach**2) & person.present[level] & ~person.prosthesis[level]]
    counts = np.bincount(person.bone[near], minlength=len(names))
    parts = []
    for number in np.flatnonzero(counts >= MINIMUM_PART_POINTS).tolist():
        if names[number] in (focus.bone, "costal cartilage"):
            continue
        index, share = _extent(person, names[number], focus.start, focus.form)
        if (share > 0.5).sum() >= MINIMUM_PART_POINTS:
            parts.append(replace(focus, bone=names[number], index=index, share=share))
    return parts


def draw_cold(person: Person, rng: np.random.Generator) -> list[Focus]:
    """Draw one to three photopenic lesions (kind "cold"); about half of them have a warm rim."""
    foci = []
    for bone in rng.choice(COLD_SITES, int(rng.integers(1, 4)), replace=False):
        if not len(present_points(person, str(bone))):
            continue
        radius = float(np.clip(21 * np.exp(rng.normal(0, 0.3)), 12, 36))
        rim = float(rng.uniform(0.5, 1.8)) if rng.random() < 0.5 else 0.0
        stretch, uptake = float(rng.uniform(1.0, 2.0)), float(rng.uniform(0.05, 0.4))
        foci.append(make_focus(person, rng, "cold", str(bone), Form(radius, stretch, rim=rim), uptake))
    return foci


def add_uptake(normal: NDArray[np.float32], foci: list[Focus]) -> NDArray[np.float32]:
    """Return the concentration (n,) of the bone points with foci added to the `normal` concentration.

    Where foci overlap, the product of the highest hot factor and the lowest cold factor applies, so the order of the
    foci does not matter.
    """
    hot, cold = np.ones_like(normal), np.ones_like(normal)
    for focus in foci:
        factor = np.maximum(1 + (focus.uptake - 1) * focus.share, 0.03).astype(np.float32)
        hot[focus.index] = np.maximum(hot[focus.index], factor)
        cold[focus.index] = np.minimum(cold[focus.index], factor)
    return normal * hot * cold


def scale_focus(focus: Focus, person: Person, factor: float) -> Focus:
    """Scale the radius of a focus by `factor` about its centre; `person` is the reference person."""
    if not focus.form.radius:
        # Diffuse disease covers its bone already; only its uptake can change.
        return focus
    form = replace(focus.form, radius=focus.form.radius * factor)
    index, share = _extent(person, focus.bone, focus.start, form)
    return replace(focus, index=index, share=share, form=form)


def with_uptake(focus: Focus, uptake: float) -> Focus:
    """Return the focus with another uptake (factor on normal bone)."""
    return replace(focus, uptake=uptake)


def make_focus(
    person: Person,
    rng: np.random.Generator,
    kind: str,
    bone: str,
    form: Form,
    uptake: float,
    start: int | None = None,
) -> Focus:
    """Make a focus that lies along its bone; in ribs it follows the bend of the rib.

    Args:
        person: the reference person.
        rng: source of the draws.
        kind: of the focus, see Focus.
        bone: atlas name.
        form: its size; the axis is the direction of the bone at the centre, the waves are drawn.
        uptake: factor on normal bone.
        start: index of the centre; None to draw any point of the bone that the person has.
    """
    if start is None:
        start = int(rng.choice(present_points(person, bone)))
    along = replace(form, axis=_direction(person, bone, start, form.radius))
    return place_focus(person, rng, kind, bone, along, uptake, start)


def place_focus(
    person: Person, rng: np.random.Generator, kind: str, bone: str, form: Form, uptake: float, start: int
) -> Focus:
    """Make a focus with a soft, irregular edge along the axis of its form; see `make_focus`."""
    waves = np.column_stack([rng.normal(size=(3, 3)), rng.uniform(0, 2 * np.pi, 3)])
    form = replace(form, waves=waves)
    index, share = _extent(person, bone, start, form)
    return Focus(kind, bone, index, share, uptake, start, form)


def bone_points(bone: str) -> NDArray[np.int64]:
    """Return the indices (k,) of a bone's points."""
    return _points(bone)


def present_points(person: Person, bone: str) -> NDArray[np.int64]:
    """Return the indices (k,) of a bone's points that this person has: neither amputated nor metal."""
    index = _points(bone)
    return index[person.present[index] & ~person.prosthesis[index]]


@lru_cache(maxsize=256)
def _points(bone: str) -> NDArray[np.int64]:
    return np.flatnonzero(load_skeleton().of(bone))


def _direction(person: Person, bone: str, start: int, radius: float) -> tuple[float, float, float]:
    """Return the principal direction (RAS) of a bone around a point."""
    offset = person.bones[_points(bone)].astype(np.float64) - person.bones[start]
    near = offset[(offset**2).sum(1) < (2.5 * radius) ** 2]
    if len(near) < 4:
        return (0.0, 0.0, 1.0)
    right, front, up = np.linalg.svd(near - near.mean(0), full_matrices=False)[2][0]
    return (float(right), float(front), float(up))


def _extent(person: Person, bone: str, start: int, form: Form) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    index = _points(bone)
    offset = person.bones[index].astype(np.float64) - person.bones[start]
    if "rib" in bone and start in index:
        distance = _along_rib(bone, start) / (form.radius * form.stretch)
    else:
        along = offset @ np.array(form.axis)
        across = np.sqrt(np.maximum((offset**2).sum(1) - along**2, 0))
        distance = np.hypot(along / form.stretch, across) / form.radius
    for wave in form.waves:
        distance = distance * (1 + 0.16 * np.sin(offset @ wave[:3] / form.radius + wave[3]))
    share = np.exp(-(distance**4))
    if form.core > 0:
        share -= form.core * np.exp(-((distance / 0.6) ** 4))
        share /= max(float(share.max()), 0.1)
    if form.rim > 0:
        share -= form.rim * np.exp(-(((distance - 1.2) / 0.2) ** 2))
    kept = np.abs(share) > SHARE_FLOOR
    return index[kept], share[kept].astype(np.float32)


def _along_rib(bone: str, start: int) -> NDArray[np.float64]:
    """Return the distances (k,) in mm from `start` within the rib (atlas), so that a lesion follows its bend."""
    from scipy.sparse.csgraph import dijkstra

    distance: NDArray[np.float64] = dijkstra(_rib_graph(bone), indices=int(np.searchsorted(_points(bone), start)))
    return np.where(np.isfinite(distance), distance, 1e4)


@lru_cache(maxsize=32)
def _rib_graph(bone: str) -> Any:
    """Return the distances (mm) between neighbouring points of a rib as a symmetric sparse matrix (k, k)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(load_skeleton().points[_points(bone)])
    return tree.sparse_distance_matrix(tree, 2 * load_skeleton().spacing, output_type="coo_matrix").tocsr()
