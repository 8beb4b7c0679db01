"""Other conditions that change uptake: radiotherapy, tumours, effusions, scars, kidneys, free pertechnetate.

Rates and sizes are assumptions. Each condition is rare, so that most patients have none. The names of a patient's
conditions go into the case's record.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..person.anatomy import Person
from ..person.skeleton import SEGMENTS, load_skeleton
from ..person.soft_tissue import TISSUES
from .tracer import Tracer

#: Share of the patients who have each condition.
RADIOTHERAPY, PRIMARY_TUMOUR, PLEURAL_EFFUSION, PROSTATE_BED = 0.05, 0.06, 0.04, 0.04
HYDRONEPHROSIS, FREE_PERTECHNETATE, RENAL_FAILURE = 0.05, 0.05, 0.02
SCAR, BREAST, GOITRE, HETEROTOPIC, LIVER = 0.04, 0.04, 0.04, 0.012, 0.012
#: Width of the edge of a radiation field.
PENUMBRA_MM = 1.5

Levels = NDArray[np.float32]
Mask = NDArray[np.bool_]


def add_conditions(
    person: Person, tracer: Tracer, rng: np.random.Generator, disease: str = "lung"
) -> tuple[Tracer, list[str]]:
    """Add conditions to a patient's uptake.

    Args:
        person: the reference person.
        tracer: uptake without conditions; it is not changed.
        rng: source of the draws.
        disease: the cancer, which decides where a primary tumour can be.

    Returns:
        The changed uptake, and the names of the conditions.
    """
    bones, tissues = tracer.bones.copy(), tracer.tissues.copy()
    names = []
    if rng.random() < RADIOTHERAPY:
        site = ("spine", "ribs", "pelvis")[int(rng.choice(3, p=(0.6, 0.15, 0.25)))]
        bones *= 1 - np.float32(rng.uniform(0.4, 0.7)) * _field(person, site, rng)
        names.append(f"cold {site} after radiotherapy")
    lung = person.tissue == TISSUES.index("lung")
    if disease == "lung" and rng.random() < PRIMARY_TUMOUR:
        centre = person.atlas_tissues[rng.choice(np.flatnonzero(lung))]
        near = _ellipsoid(person, centre, rng.uniform(14, 35) * np.ones(3)) & lung
        tissues[near] = rng.uniform(1.5, 4.0)
        names.append("primary tumour")
    if disease == "prostate" and rng.random() < PROSTATE_BED:
        tissues[_ellipsoid(person, (0, -55, -112), rng.uniform(12, 22) * np.ones(3))] = rng.uniform(2, 6)
        names.append("uptake in the prostate")
    if rng.random() < PLEURAL_EFFUSION:
        side = _side(rng)
        one_side = person.atlas_tissues[:, 0] > 0 if side == "right" else person.atlas_tissues[:, 0] <= 0
        # In a supine patient, fluid collects at the back.
        fluid = lung & one_side & (person.atlas_tissues[:, 1] < rng.uniform(-130, -80))
        tissues[fluid] = rng.uniform(1.2, 2.0)
        names.append(f"{side} pleural effusion")
    names += _urine_and_thyroid(person, bones, tissues, rng)
    names += _soft_tissue(person, tissues, rng)
    return Tracer(bones, tissues), names


def _urine_and_thyroid(person: Person, bones: Levels, tissues: Levels, rng: np.random.Generator) -> list[str]:
    """Add hydronephrosis, renal failure and free pertechnetate to the levels, in place."""
    names = []
    kidneys = {side: person.tissue == TISSUES.index(f"{side} kidney") for side in ("right", "left")}
    if rng.random() < HYDRONEPHROSIS:
        side = _side(rng)
        if person.tissue_volume[kidneys[side]].any():
            tissues[kidneys[side]] *= np.float32(rng.uniform(2, 5))
            names.append(f"{side} hydronephrosis")
    if rng.random() < RENAL_FAILURE:
        # Tracer stays in blood and soft tissue (whose level is 1), so relative bone uptake is low.
        bones *= np.float32(rng.uniform(0.45, 0.7))
        tissues[kidneys["right"] | kidneys["left"]] *= np.float32(rng.uniform(0.15, 0.4))
        tissues[person.tissue == TISSUES.index("bladder")] *= np.float32(rng.uniform(0.05, 0.2))
        tissues[person.tissue == TISSUES.index("heart")] *= np.float32(rng.uniform(1.3, 1.8))
        names.append("renal failure")
    if rng.random() < FREE_PERTECHNETATE:
        tissues[_ellipsoid(person, (-62, -70, 215), (42, 35, 42))] = rng.uniform(2, 5)
        for sign in (1, -1):
            tissues[_ellipsoid(person, (sign * 16, -70, 505), (11, 11, 22))] *= np.float32(rng.uniform(2, 4))
            tissues[_ellipsoid(person, (sign * 52, -80, 585), (12, 16, 22))] = rng.uniform(3, 8)
        names.append("free pertechnetate")
    return names


def _soft_tissue(person: Person, tissues: Levels, rng: np.random.Generator) -> list[str]:
    """Add scars, uptake of one breast, goitre, heterotopic bone and uptake of the liver to the levels, in place."""
    names = []
    if rng.random() < SCAR:
        low = float(rng.uniform(20, 90))
        front = (person.atlas_tissues[:, 1] > 15) & (np.abs(person.atlas_tissues[:, 0]) < 6)
        height = person.atlas_tissues[:, 2]
        tissues[front & (height > low) & (height < low + rng.uniform(60, 160))] = rng.uniform(4, 14)
        names.append("scar of the abdomen")
    side = _side(rng)
    if rng.random() < BREAST and person.tissue_volume[breast := person.tissue == TISSUES.index(f"{side} breast")].any():
        tissues[breast] *= np.float32(rng.uniform(1.6, 3.0))
        names.append(f"uptake in the {side} breast")
    if rng.random() < GOITRE:
        sides = (1, -1) if rng.random() < 0.5 else (int(rng.choice((1, -1))),)
        for sign in sides:
            tissues[_ellipsoid(person, (sign * 18, -66, 500), rng.uniform(14, 24) * np.ones(3))] = rng.uniform(8, 30)
        names.append("goitre")
    if rng.random() < HETEROTOPIC:
        sign = 1 if rng.random() < 0.5 else -1
        centre = (sign * rng.uniform(95, 125), rng.uniform(-80, -30), rng.uniform(-110, -40))
        tissues[_ellipsoid(person, centre, rng.uniform(8, 20) * np.ones(3))] = rng.uniform(8, 40)
        names.append("bone in muscle beside the hip")
    if rng.random() < LIVER:
        tissues[person.tissue == TISSUES.index("liver")] *= np.float32(rng.uniform(1.5, 3.0))
        names.append("uptake in the liver")
    return names


def _field(person: Person, site: str, rng: np.random.Generator) -> Levels:
    """Return the share (n,; 0..1) of a radiation field at each bone point: a box in R and S, at all depths."""
    if site == "spine":
        low = rng.uniform(75, 380)
        box = ((-42.0, 42.0), (low, low + rng.uniform(90, 190)))
    elif site == "ribs":
        low, inner = rng.uniform(200, 340), rng.uniform(30, 80)
        box = ((inner, inner + rng.uniform(60, 110)), (low, low + rng.uniform(70, 140)))
    else:
        low, inner = rng.uniform(-130, -20), rng.uniform(-20, 40)
        box = ((inner, inner + rng.uniform(80, 150)), (low, low + rng.uniform(90, 160)))
    mirror = -1.0 if site != "spine" and rng.random() < 0.5 else 1.0
    share = np.ones(len(person.atlas_bones))
    for position, (start, end) in zip((person.atlas_bones[:, 0] * mirror, person.atlas_bones[:, 2]), box, strict=True):
        inside = np.minimum(position - start, end - position)
        share *= 1 / (1 + np.exp(-np.clip(inside / PENUMBRA_MM, -30, 30)))
    # Arms are kept out of the beam during treatment.
    arms = np.isin(load_skeleton().segment, [SEGMENTS.index("right arm"), SEGMENTS.index("left arm")])
    share[arms | (share < 0.01)] = 0
    return share.astype(np.float32)


def _side(rng: np.random.Generator) -> str:
    return "right" if rng.random() < 0.5 else "left"


def _ellipsoid(person: Person, centre: object, axes: object) -> Mask:
    offset = (person.atlas_tissues - np.asarray(centre, np.float32)) / np.asarray(axes, np.float32)
    return (offset**2).sum(1) <= 1
