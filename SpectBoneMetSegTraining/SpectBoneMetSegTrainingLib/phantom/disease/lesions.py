"""Metastases of one patient as foci of changed uptake in bone, and how foci become concentration.

Sites of lung cancer: spine 50 %, rib 27 %, ilium 10 %, sacrum 7 %, femur 6 %, humerus, scapula and sternum 3 %, 4.5
lesions a patient on average. Sites of prostate cancer: Wang and Shen, Nucl Med Commun 2012;33:379 (2000 lesions of 102
patients): ribs 28.9 %, thoracic vertebrae 14.8 %, ilium 13.8 %, lumbar vertebrae 8.0 %, vertebrae and pelvis together
54.4 %; where there are few lesions, vertebrae and pelvis 84.5 %, of which thoracic, lumbar and pelvic 81.0 % (Wang et
al., Oncol Lett 2013;5:391). How the remainder is shared out, and all sizes, are ours.

Uptake is about 5 x normal bone, lognormal and wide, so that it overlaps that of mimics.py. Rib metastases run along the
rib. Everything is drawn on the reference person; a focus is a set of indices into its points, so it keeps its place in
any posture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..person.anatomy import Person
from ..person.skeleton import CERVICAL, LUMBAR, RIBS, THORACIC, load_skeleton
from ..person.soft_tissue import TISSUES
from .tracer import Tracer, uneven

Sites = tuple[tuple[tuple[str, ...], float], ...]

HIP_BONES, FEMURS = ("right hip bone", "left hip bone"), ("right femur", "left femur")
HUMERI, SCAPULAE = ("right humerus", "left humerus"), ("right scapula", "left scapula")
CLAVICLES = ("right clavicle", "left clavicle")

LUNG_SITES: Sites = (
    (THORACIC, 26.0),
    (LUMBAR, 19.0),
    (CERVICAL, 5.0),
    (RIBS, 27.0),
    (HIP_BONES, 10.0),
    (("sacrum",), 7.0),
    (FEMURS, 6.0),
    (HUMERI, 1.2),
    (SCAPULAE, 1.2),
    (("sternum",), 1.2),
    (("skull",), 1.0),
    (CLAVICLES, 0.6),
)
PROSTATE_SITES: Sites = (
    (THORACIC, 14.8),
    (LUMBAR, 8.0),
    (CERVICAL, 3.3),
    (RIBS, 28.9),
    (HIP_BONES, 20.3),
    (("sacrum",), 8.0),
    (FEMURS, 4.2),
    (HUMERI, 2.2),
    (SCAPULAE, 4.3),
    (("sternum",), 2.6),
    (("skull",), 2.0),
    (CLAVICLES, 1.4),
)
PROSTATE_FEW_SITES: Sites = (
    (THORACIC, 18.0),
    (LUMBAR, 26.0),
    (CERVICAL, 3.5),
    (RIBS, 9.0),
    (HIP_BONES, 24.0),
    (("sacrum",), 13.0),
    (FEMURS, 4.0),
    (HUMERI, 0.5),
    (SCAPULAE, 0.8),
    (("sternum",), 0.7),
    (("skull",), 0.3),
    (CLAVICLES, 0.2),
)
FEW = 6  # lesions a patient
MOST = 30
CLUSTERED = 0.25  # share of lesions that lie in the bone of the one before, or in the next one
PROSTATE_SHARE = 0.35  # of male patients with cancer
MEAN_LESIONS: dict[str, float] = {"lung": 4.5, "prostate": 9.0}
UPTAKE_MEDIAN: dict[str, float] = {"lung": 5.0, "prostate": 6.5}  # factor on normal bone
UPTAKE_SIGMA = (0.35, 0.5)  # of the logarithm: between patients, within one
LYTIC_SHARE: dict[str, float] = {"lung": 0.2, "prostate": 0.03}
COLD_SITES = (*THORACIC[5:], *LUMBAR, *HIP_BONES, "sacrum", "sternum", *FEMURS, *RIBS[3:9], *RIBS[15:21])
SHARE_FLOOR = 0.02


@dataclass(frozen=True)
class Form:
    """Size and irregular outline of a focus, so that it can be drawn again larger or smaller.

    Attributes:
        radius: mm across; stretch: factor on it along `axis` (unit vector, RAS).
        waves: (w, 4) bumps of the outline: wave vector in 1 / radius, phase.
        core: how much of the effect the middle lacks (1: the middle is normal bone).
        rim: reversed effect just outside the outline (a cold lesion's warm rim).
    """

    radius: float = 10.0
    stretch: float = 1.0
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    waves: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    core: float = 0.0
    rim: float = 0.0


@dataclass(frozen=True)
class Focus:
    """Changed uptake at some bone points of a Person.

    Attributes:
        kind: "metastasis" (labelled), "cold", or one of mimics.KINDS.
        bone: atlas name of the bone.
        index: (k,) indices into Person.bones.
        share: (k,) profile over those points, 1 at full effect, negative where it is reversed.
        uptake: factor on the bone's own normal uptake at full share; below 1 for a cold focus.
        start: index into Person.bones of its middle.
        form: what it was drawn from.
    """

    kind: str
    bone: str
    index: NDArray[np.int64]
    share: NDArray[np.float32]
    uptake: float
    start: int
    form: Form = field(default_factory=Form)


def draw_disease(rng: np.random.Generator, sex: str) -> str:
    """The cancer of a patient: "lung", or for some men "prostate"."""
    return "prostate" if rng.random() < PROSTATE_SHARE and sex == "male" else "lung"


def draw_metastases(
    person: Person, rng: np.random.Generator, disease: str = "lung", count: int | None = None
) -> list[Focus]:
    """Metastases of one patient, on the reference person; `count` None draws it (at least one)."""
    count = draw_count(rng, disease) if count is None else min(count, MOST)
    patient = np.exp(rng.normal(0, UPTAKE_SIGMA[0]))
    foci: list[Focus] = []
    for bone in draw_sites(rng, disease, count):
        if not len(present(person, bone)):
            continue
        uptake = UPTAKE_MEDIAN[disease] * patient * np.exp(rng.normal(0, UPTAKE_SIGMA[1]))
        core = 0.0
        if rng.random() < LYTIC_SHARE[disease]:
            uptake, core = rng.uniform(1.2, 2.6), rng.uniform(0.7, 1.2) if rng.random() < 0.5 else 0.0
        radius = 10.0 * np.exp(rng.normal(0, 0.48)) * (1.25 if bone in HIP_BONES or bone == "sacrum" else 1.0)
        stretch = rng.uniform(1.2, 4.0) if "rib" in bone else rng.uniform(0.8, 1.7)
        focus = make_focus(
            person,
            rng,
            "metastasis",
            bone,
            float(np.clip(radius, 4, 40)),
            float(stretch),
            float(np.clip(uptake, 1.2, 30)),
            core=float(core),
        )
        foci.append(focus)
    return foci


def draw_count(rng: np.random.Generator, disease: str) -> int:
    """Number of lesions of a patient who has any, 1..30: geometric, as most have few and some have many."""
    return min(1 + int(rng.negative_binomial(1, 1 / MEAN_LESIONS[disease])), MOST)


def draw_sites(rng: np.random.Generator, disease: str, count: int) -> list[str]:
    """Bones of `count` lesions; some follow the one before into the same or the neighbouring bone of its kind."""
    table = site_table(disease, count)
    weights = np.array([weight for _, weight in table])
    bones: list[str] = []
    group: tuple[str, ...] = ()
    for _ in range(count):
        if bones and rng.random() < CLUSTERED:
            bones.append(_beside(bones[-1], group, rng))
            continue
        group = table[int(rng.choice(len(table), p=weights / weights.sum()))][0]
        bones.append(group[int(rng.integers(len(group)))])
    return bones


def site_table(disease: str, count: int) -> Sites:
    """Bones and their weights for a patient with `count` lesions."""
    if disease == "lung":
        return LUNG_SITES
    return PROSTATE_FEW_SITES if count <= FEW else PROSTATE_SITES


def draw_cold(person: Person, rng: np.random.Generator) -> list[Focus]:
    """One to three photopenic lesions (kind "cold"); about half of them have a warm rim."""
    foci = []
    for bone in rng.choice(COLD_SITES, int(rng.integers(1, 4)), replace=False):
        if not len(present(person, str(bone))):
            continue
        radius = float(np.clip(21 * np.exp(rng.normal(0, 0.3)), 12, 36))
        rim = float(rng.uniform(0.5, 1.8)) if rng.random() < 0.5 else 0.0
        stretch, uptake = float(rng.uniform(1.0, 2.0)), float(rng.uniform(0.05, 0.4))
        foci.append(make_focus(person, rng, "cold", str(bone), radius, stretch, uptake, rim=rim))
    return foci


def draw_superscan(person: Person, tracer: Tracer, rng: np.random.Generator) -> Tracer:
    """Diffuse metastases of the axial skeleton: 2-4 x normal, patchy; soft tissue and kidneys are left with little."""
    skeleton = load_skeleton()
    red = skeleton.of(
        "skull", "sternum", "sacrum", *CERVICAL, *THORACIC, *LUMBAR, *RIBS, *HIP_BONES, *SCAPULAE, *CLAVICLES
    )
    # Femur and humerus only near the trunk, where red marrow is, with a soft end.
    height = person.atlas_bones[:, 2]
    extent = np.where(red, 1.0, 0.0)
    extent[skeleton.of(*FEMURS)] = (1 / (1 + np.exp((-210 - height) / 25)))[skeleton.of(*FEMURS)]
    extent[skeleton.of(*HUMERI)] = (1 / (1 + np.exp((360 - height) / 20)))[skeleton.of(*HUMERI)]
    patches = uneven(person.atlas_bones, rng, (15, 90), float(rng.uniform(0.08, 0.16)))
    factor = 1 + extent * (rng.uniform(2, 4) * patches - 1)
    left = np.full(len(tracer.tissues), rng.uniform(0.5, 0.8))
    kidneys = np.isin(person.tissue, [TISSUES.index(name) for name in ("right kidney", "left kidney")])
    left[kidneys] *= rng.uniform(0.1, 0.35)
    left[person.tissue == TISSUES.index("bladder")] *= rng.uniform(0.1, 0.5)
    return Tracer((tracer.bones * factor).astype(np.float32), (tracer.tissues * left).astype(np.float32))


def add_uptake(normal: NDArray[np.float32], foci: list[Focus]) -> NDArray[np.float32]:
    """Concentration per bone point (n,) with the foci on top of `normal`.

    Where foci overlap, the hottest of the hot and the coldest of the cold count, and both together multiply; so the
    order of the foci does not matter.
    """
    hot, cold = np.ones_like(normal), np.ones_like(normal)
    for focus in foci:
        factor = np.maximum(1 + (focus.uptake - 1) * focus.share, 0.03).astype(np.float32)
        hot[focus.index] = np.maximum(hot[focus.index], factor)
        cold[focus.index] = np.minimum(cold[focus.index], factor)
    return normal * hot * cold


def grown(focus: Focus, person: Person, factor: float) -> Focus:
    """The focus `factor` times as large about the same middle, same shape; `person` is the reference person."""
    form = replace(focus.form, radius=focus.form.radius * factor)
    index, share = _extent(person, focus.bone, focus.start, form)
    return replace(focus, index=index, share=share, form=form)


def with_uptake(focus: Focus, uptake: float) -> Focus:
    """The focus at another uptake (factor on normal bone)."""
    return replace(focus, uptake=uptake)


def make_focus(
    person: Person,
    rng: np.random.Generator,
    kind: str,
    bone: str,
    radius: float,
    stretch: float,
    uptake: float,
    start: int | None = None,
    *,
    axis: tuple[float, float, float] | None = None,
    core: float = 0.0,
    rim: float = 0.0,
) -> Focus:
    """A soft-edged, irregular focus inside one bone of the reference person.

    `radius` mm; `stretch` acts along `axis` (None: the bone's own direction there; a rib's length is followed round its
    bend). `start` None takes any point of the bone that the person has.
    """
    if start is None:
        start = int(rng.choice(present(person, bone)))
    waves = np.column_stack([rng.normal(size=(3, 3)), rng.uniform(0, 2 * np.pi, 3)])
    form = Form(radius, stretch, axis or _direction(person, bone, start, radius), waves, core, rim)
    index, share = _extent(person, bone, start, form)
    return Focus(kind, bone, index, share, uptake, start, form)


def points_of(bone: str) -> NDArray[np.int64]:
    """(k,) indices of a bone's points."""
    return _points(bone)


def present(person: Person, bone: str) -> NDArray[np.int64]:
    """(k,) indices of the bone's points that this person has: neither amputated nor metal."""
    index = _points(bone)
    return index[person.present[index] & ~person.prosthesis[index]]


@lru_cache(maxsize=256)
def _points(bone: str) -> NDArray[np.int64]:
    return np.flatnonzero(load_skeleton().of(bone))


def _beside(bone: str, group: tuple[str, ...], rng: np.random.Generator) -> str:
    """The same bone or, for vertebrae and ribs, one next to it on the same side."""
    if len(group) < 3 or rng.random() < 0.4:
        return bone
    place = group.index(bone) + (1 if rng.random() < 0.5 else -1)
    beside = group[min(max(place, 0), len(group) - 1)]
    return beside if beside.split(" rib ")[0] == bone.split(" rib ")[0] or "rib" not in bone else bone


def _direction(person: Person, bone: str, start: int, radius: float) -> tuple[float, float, float]:
    """Direction (RAS) in which the bone runs around a point."""
    offset = person.bones[_points(bone)].astype(np.float64) - person.bones[start]
    near = offset[(offset**2).sum(1) < (2.5 * radius) ** 2]
    if len(near) < 4:
        return (0.0, 0.0, 1.0)
    right, front, up = np.linalg.svd(near - near.mean(0), full_matrices=False)[2][0]
    return (float(right), float(front), float(up))


def _extent(person: Person, bone: str, start: int, form: Form) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    index = _points(bone)
    offset = person.bones[index].astype(np.float64) - person.bones[start]
    if "rib" in bone:
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
    """(k,) mm from `start` inside the rib (atlas), so that a lesion follows the rib's bend."""
    from scipy.sparse.csgraph import dijkstra

    distance: NDArray[np.float64] = dijkstra(_rib_graph(bone), indices=int(np.searchsorted(_points(bone), start)))
    return np.where(np.isfinite(distance), distance, 1e4)


@lru_cache(maxsize=32)
def _rib_graph(bone: str) -> Any:
    """Distances between neighbouring points of a rib, symmetric sparse (k, k)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(load_skeleton().points[_points(bone)])
    return tree.sparse_distance_matrix(tree, 2 * load_skeleton().spacing, output_type="coo_matrix").tocsr()
