"""Diffuse metastatic disease of bone: whole bones taken up unevenly or evenly, and how pale the rest becomes.

A pattern of its own beside single foci: patches that run together over several bones, all bones with red marrow
(superscan), or an even spread like marrow. Every diseased bone is a focus of the kind "diffuse" over all its points, so
that it is outlined and learnt like others, by its excess over the same bone's healthy uptake. Rates are ours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..person.anatomy import Person
from ..person.skeleton import CERVICAL, LUMBAR, RIBS, THORACIC, load_skeleton
from ..person.soft_tissue import TISSUES
from .lesions import Focus, Form, add_uptake, present_points
from .marrow import red_marrow
from .metastatic_sites import CLAVICLES, FEMURS, HIP_BONES, HUMERI, SCAPULAE
from .tracer import Tracer, heterogeneity

#: Pattern and how often diffuse disease shows it.
PATTERNS: tuple[tuple[str, float], ...] = (("patchy", 0.88), ("superscan", 0.07), ("even", 0.05))
#: Groups of bones that patchy disease takes or leaves, and how often it takes them.
BONE_GROUPS: tuple[tuple[tuple[str, ...], float], ...] = (
    ((*THORACIC, *LUMBAR), 0.8),
    (CERVICAL, 0.35),
    ((*HIP_BONES, "sacrum"), 0.75),
    (RIBS[:12], 0.45),
    (RIBS[12:], 0.45),
    (("sternum", *CLAVICLES, *SCAPULAE), 0.5),
    ((*FEMURS, *HUMERI), 0.4),
    (("skull",), 0.25),
)
#: Median factor on normal bone, sigma of its logarithm, limits.
UPTAKE, UPTAKE_SIGMA, UPTAKE_LIMITS = 6.0, 0.35, (1.7, 16.0)
#: Exponent of (1 + burden) on what soft tissue, kidneys and bladder keep; burden is extra over normal uptake of bone.
SINK_TISSUE_EXPONENT, SINK_KIDNEY_EXPONENT = -0.35, -1.0
#: Width of the edges of patches, in units of the field whose standard deviation is 0.6.
EDGE = (0.04, 0.14)
SHARE_FLOOR = 0.05


def draw_diffuse(person: Person, rng: np.random.Generator) -> tuple[str, list[Focus]]:
    """The pattern of one patient's diffuse disease, and a focus for every bone that it takes."""
    names, weights = zip(*PATTERNS, strict=True)
    pattern = str(rng.choice(names, p=weights))
    share = red_marrow()
    if pattern == "even":
        share = share * np.minimum(heterogeneity(person.atlas_bones, rng, (40, 150), 0.03), 1.1)
    else:
        cut = rng.uniform(0.1, 0.8) if pattern == "patchy" else rng.uniform(-1.4, -0.6)
        share = share * _patches(person, rng, float(cut))
    bones = _taken(rng) if pattern == "patchy" else load_skeleton().names
    uptake = float(np.clip(UPTAKE * np.exp(rng.normal(0, UPTAKE_SIGMA)), *UPTAKE_LIMITS))
    foci = []
    for bone in bones:
        index = present_points(person, bone)
        index = index[share[index] > SHARE_FLOOR]
        if len(index):
            start = int(index[np.argmax(share[index])])
            own = max(uptake * float(np.exp(rng.normal(0, 0.12))), UPTAKE_LIMITS[0])
            foci.append(Focus("diffuse", bone, index, share[index].astype(np.float32), own, start, Form(radius=0.0)))
    return pattern, foci


def apply_tumour_sink(tracer: Tracer, person: Person, foci: list[Focus]) -> Tracer:
    """The tracer that metastases leave to soft tissue, kidneys and bladder: the less, the more they take up."""
    normal = float((tracer.bones * person.bone_volume).sum())
    taken = float((add_uptake(tracer.bones, foci) * person.bone_volume).sum())
    burden = max(taken / max(normal, 1e-6) - 1, 0.0)
    left = np.full(len(tracer.tissues), (1 + burden) ** SINK_TISSUE_EXPONENT, np.float32)
    urine = [TISSUES.index(name) for name in ("right kidney", "left kidney", "bladder")]
    left[np.isin(person.tissue, urine)] = (1 + burden) ** SINK_KIDNEY_EXPONENT
    return Tracer(tracer.bones, tracer.tissues * left)


def _patches(person: Person, rng: np.random.Generator, cut: float) -> NDArray[np.float64]:
    """(n,) 0..1: patches with soft edges that run over the borders of bones; the lower the cut the more of them."""
    field = np.log(heterogeneity(person.atlas_bones, rng, (40, 140), 0.25))
    return np.asarray(1 / (1 + np.exp(-(field - cut) / float(rng.uniform(*EDGE)))))


def _taken(rng: np.random.Generator) -> list[str]:
    """Bones of the groups that patchy disease takes, at least one group."""
    taken = [rng.random() < chance for _, chance in BONE_GROUPS]
    if not any(taken):
        taken[0] = True
    return [bone for (bones, _), there in zip(BONE_GROUPS, taken, strict=True) if there for bone in bones]
