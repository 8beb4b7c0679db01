"""Diffuse metastatic disease of bone, and the reduced uptake of soft tissue and urine that follows from it.

There are three patterns: confluent patches over several bones, all bones with red marrow (superscan), and an even
spread over the marrow. Every affected bone is one focus of the kind "diffuse" over all its points. It is thus outlined
and used in training like other foci, by its excess over the healthy uptake of the bone. Rates are assumptions.
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

#: Patterns of diffuse disease and their shares.
PATTERNS: tuple[tuple[str, float], ...] = (("patchy", 0.88), ("superscan", 0.07), ("even", 0.05))
#: Groups of bones that patchy disease affects together, and the probability of each.
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
#: Tumour sink effect: exponents of (1 + burden) on the uptake of soft tissue, and of kidneys and bladder; the burden is
#: the extra uptake of bone over its normal uptake.
SINK_TISSUE_EXPONENT, SINK_KIDNEY_EXPONENT = -0.35, -1.0
#: Width of the edges of patches, in units of the random field, whose standard deviation is 0.6.
EDGE = (0.04, 0.14)
#: Points with a smaller share of the effect are left out of a focus.
SHARE_FLOOR = 0.05


def draw_diffuse(person: Person, rng: np.random.Generator) -> tuple[str, list[Focus]]:
    """Draw diffuse disease: its pattern and a focus for each affected bone."""
    names, weights = zip(*PATTERNS, strict=True)
    pattern = str(rng.choice(names, p=weights))
    share = red_marrow()
    if pattern == "even":
        share = share * np.minimum(heterogeneity(person.atlas_bones, rng, (40, 150), 0.03), 1.1)
    else:
        cut = rng.uniform(0.1, 0.8) if pattern == "patchy" else rng.uniform(-1.4, -0.6)
        share = share * _patches(person, rng, float(cut))
    bones = _affected_bones(rng) if pattern == "patchy" else load_skeleton().names
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
    """Reduce the uptake of soft tissue, kidneys and bladder by what metastases take up (tumour sink effect)."""
    normal = float((tracer.bones * person.bone_volume).sum())
    total = float((add_uptake(tracer.bones, foci) * person.bone_volume).sum())
    burden = max(total / max(normal, 1e-6) - 1, 0.0)
    remaining = np.full(len(tracer.tissues), (1 + burden) ** SINK_TISSUE_EXPONENT, np.float32)
    urine = [TISSUES.index(name) for name in ("right kidney", "left kidney", "bladder")]
    remaining[np.isin(person.tissue, urine)] = (1 + burden) ** SINK_KIDNEY_EXPONENT
    return Tracer(tracer.bones, tracer.tissues * remaining)


def _patches(person: Person, rng: np.random.Generator, cut: float) -> NDArray[np.float64]:
    """Return patches (n,; 0..1) with soft edges that extend across bones; a lower cut gives more of them."""
    field = np.log(heterogeneity(person.atlas_bones, rng, (40, 140), 0.25))
    return np.asarray(1 / (1 + np.exp(-(field - cut) / float(rng.uniform(*EDGE)))))


def _affected_bones(rng: np.random.Generator) -> list[str]:
    """Draw the bones that patchy disease affects, at least one group."""
    affected = [rng.random() < chance for _, chance in BONE_GROUPS]
    if not any(affected):
        affected[0] = True
    return [bone for (bones, _), present in zip(BONE_GROUPS, affected, strict=True) if present for bone in bones]
