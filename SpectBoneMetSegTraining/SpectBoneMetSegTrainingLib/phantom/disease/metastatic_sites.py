"""Draws of a patient's primary tumour, the number of metastases and their bones.

Sites of lung cancer: spine 50 %, rib 27 %, ilium 10 %, sacrum 7 %, femur 6 %, humerus, scapula and sternum 3 %. Sites
of prostate cancer: Wang and Shen, Nucl Med Commun 2012;33:379 (2000 lesions of 102 patients): ribs 28.9 %, thoracic
vertebrae 14.8 %, ilium 13.8 %, lumbar vertebrae 8.0 %, vertebrae and pelvis together 54.4 %; where there are few
lesions, vertebrae and pelvis 84.5 %, of which thoracic, lumbar and pelvic 81.0 % (Wang et al., Oncol Lett 2013;5:391).
The distribution of the remainder, the sites of breast cancer and the numbers of lesions are assumptions. They were set
so that sites and number of the outlined lesions match those of real patients with metastases
(`cohort.population_tables`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..person.skeleton import CERVICAL, LUMBAR, RIBS, THORACIC

Sites = tuple[tuple[tuple[str, ...], float], ...]

HIP_BONES, FEMURS = ("right hip bone", "left hip bone"), ("right femur", "left femur")
HUMERI, SCAPULAE = ("right humerus", "left humerus"), ("right scapula", "left scapula")
CLAVICLES = ("right clavicle", "left clavicle")

# Bones and weights of the sites, in per cent of the lesions (sources above).
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
    (("skull",), 1.2),
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
BREAST_SITES: Sites = (
    (THORACIC, 20.0),
    (LUMBAR, 9.0),
    (CERVICAL, 2.5),
    (RIBS, 22.0),
    (HIP_BONES, 22.0),
    (("sacrum",), 4.0),
    (FEMURS, 5.0),
    (HUMERI, 1.5),
    (SCAPULAE, 3.5),
    (("sternum",), 6.0),
    (("skull",), 1.5),
    (CLAVICLES, 1.5),
)
#: Largest number of lesions of a patient with few lesions, and of any patient.
FEW_LESIONS = 6
MAX_LESIONS = 100
#: Probability that a lesion is in the bone of the previous lesion or in the bone next to it.
CLUSTER_PROBABILITY = 0.25
#: Factor from the weights of the tables, which hold detected lesions, to those of drawn lesions, relative to other
#: bones: nearly all rib lesions are detected, but in spine and pelvis some are hidden or merge (set by `calibrate`).
SAMPLING_FACTOR: dict[tuple[str, ...], float] = {
    RIBS: 0.55,
    THORACIC: 1.6,
    HIP_BONES: 1.4,
    FEMURS: 1.0,
    ("sacrum",): 0.7,
}
#: Share of prostate cancer among men, and of breast cancer among women; the others have lung cancer.
PROSTATE_SHARE, BREAST_SHARE = 0.55, 0.7
#: Mean number of lesions of a patient, and shape of the gamma distribution of a patient's mean (small: patients differ
#: widely).
MEAN_LESIONS: dict[str, float] = {"lung": 36.0, "prostate": 52.0, "breast": 52.0}
LESIONS_SHAPE = 0.42


def draw_disease(rng: np.random.Generator, sex: str) -> str:
    """Draw the primary tumour: for some men "prostate", for most women "breast", otherwise "lung"."""
    if sex == "male":
        return "prostate" if rng.random() < PROSTATE_SHARE else "lung"
    return "breast" if rng.random() < BREAST_SHARE else "lung"


def draw_count(rng: np.random.Generator, disease: str) -> int:
    """Draw the number of lesions, 1 to MAX_LESIONS: many patients have one or two, some have dozens."""
    own_mean = rng.gamma(LESIONS_SHAPE, (MEAN_LESIONS[disease] - 1) / LESIONS_SHAPE)
    return min(1 + int(rng.poisson(own_mean)), MAX_LESIONS)


def draw_sites(rng: np.random.Generator, disease: str, count: int) -> list[str]:
    """Draw the bones of `count` lesions; some are in the bone of the previous lesion or in a neighbouring bone."""
    table = site_table(disease, count)
    weights = sampling_weights(table)
    bones: list[str] = []
    group: tuple[str, ...] = ()
    for _ in range(count):
        if bones and rng.random() < CLUSTER_PROBABILITY:
            bones.append(neighbouring_bone(bones[-1], group, rng))
            continue
        group = table[int(rng.choice(len(table), p=weights / weights.sum()))][0]
        bones.append(group[int(rng.integers(len(group)))])
    return bones


def site_table(disease: str, count: int) -> Sites:
    """Return the bones and their weights for a patient with `count` lesions."""
    if disease != "prostate":
        return BREAST_SITES if disease == "breast" else LUNG_SITES
    return PROSTATE_FEW_SITES if count <= FEW_LESIONS else PROSTATE_SITES


def sampling_weights(table: Sites) -> NDArray[np.float64]:
    """Return the weights (groups,) for drawing sites so that the outlined lesions are distributed as in the table."""
    return np.array([weight * SAMPLING_FACTOR.get(bones, 1.0) for bones, weight in table])


def neighbouring_bone(bone: str, group: tuple[str, ...], rng: np.random.Generator) -> str:
    """Draw the same bone or, for vertebrae and ribs, a neighbouring bone on the same side."""
    if len(group) < 3 or rng.random() < 0.4:
        return bone
    index = group.index(bone) + (1 if rng.random() < 0.5 else -1)
    neighbour = group[min(max(index, 0), len(group) - 1)]
    return neighbour if neighbour.split(" rib ")[0] == bone.split(" rib ")[0] or "rib" not in bone else bone
