"""What else changes uptake: treated bone, tumours and fluid in soft tissue, urine held back, free pertechnetate.

Rates and sizes are ours; each is rare, so that most patients have none. Names of what a patient has go into the
case's record.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .anatomy import Person
from .body import TISSUES
from .skeleton import LUMBAR, THORACIC, load_skeleton

RADIOTHERAPY, PRIMARY_TUMOUR, PLEURAL_EFFUSION = 0.04, 0.06, 0.04
HYDRONEPHROSIS, FREE_PERTECHNETATE, HIP_PROSTHESIS = 0.05, 0.05, 0.03

Levels = NDArray[np.float32]


def add_illness(
    person: Person, bones: Levels, tissues: Levels, rng: np.random.Generator
) -> tuple[Levels, Levels, list[str]]:
    """Levels per bone point (n,) and tissue point (m,) with this patient's illnesses, and their names."""
    bones, tissues = bones.copy(), tissues.copy()
    found = []
    if rng.random() < RADIOTHERAPY:
        column = (*THORACIC, *LUMBAR)
        first = int(rng.integers(0, len(column) - 4))
        treated = load_skeleton().of(*column[first : first + int(rng.integers(3, 6))])
        bones[treated] *= np.float32(rng.uniform(0.3, 0.6))
        found.append("cold spine after radiotherapy")
    if rng.random() < HIP_PROSTHESIS:
        side = "right" if rng.random() < 0.5 else "left"
        head = load_skeleton().of(f"{side} femur") & (person.atlas_bones[:, 2] > -180)
        bones[head] *= np.float32(0.05)
        found.append(f"{side} hip prosthesis")
    lung = person.tissue == TISSUES.index("lung")
    side_of = np.where(person.atlas_tissues[:, 0] > 0, "right", "left")
    if rng.random() < PRIMARY_TUMOUR:
        centre = person.atlas_tissues[rng.choice(np.flatnonzero(lung))]
        near = _ellipsoid(person, centre, rng.uniform(14, 35) * np.ones(3)) & lung
        tissues[near] = rng.uniform(1.5, 4.0)
        found.append("primary tumour")
    if rng.random() < PLEURAL_EFFUSION:
        side = "right" if rng.random() < 0.5 else "left"
        # Lying on the back, fluid collects behind and below.
        fluid = lung & (side_of == side) & (person.atlas_tissues[:, 1] < rng.uniform(-130, -80))
        tissues[fluid] = rng.uniform(1.2, 2.0)
        found.append(f"{side} pleural effusion")
    if rng.random() < HYDRONEPHROSIS:
        side = "right" if rng.random() < 0.5 else "left"
        tissues[person.tissue == TISSUES.index(f"{side} kidney")] *= np.float32(rng.uniform(2, 5))
        found.append(f"{side} hydronephrosis")
    if rng.random() < FREE_PERTECHNETATE:
        tissues[_ellipsoid(person, (-62, -70, 215), (42, 35, 42))] = rng.uniform(2, 5)
        for sign in (1, -1):
            tissues[_ellipsoid(person, (sign * 16, -70, 505), (11, 11, 22))] = rng.uniform(4, 10)
        found.append("free pertechnetate")
    return bones, tissues, found


def _ellipsoid(person: Person, centre: object, axes: object) -> NDArray[np.bool_]:
    place = (person.atlas_tissues - np.asarray(centre, np.float32)) / np.asarray(axes, np.float32)
    return (place**2).sum(1) <= 1
