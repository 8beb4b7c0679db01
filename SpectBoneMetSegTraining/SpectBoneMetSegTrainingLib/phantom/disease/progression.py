"""Follow-up of a patient: metastases grow, regress, disappear, appear or flare; fractures heal.

All lesions of a patient follow one course, each with its own strength. Flare is the raised uptake of healing bone in
the first months of a successful treatment: lesions are hotter and more numerous although the disease recedes. Rates
and sizes are assumptions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .lesions import Focus, draw_metastases, scale_focus, with_uptake
from .patient import Metastasis, Patient, person_of

#: Courses and their shares.
COURSES: tuple[tuple[str, float], ...] = (
    ("progression", 0.40),
    ("stable", 0.20),
    ("response", 0.20),
    ("mixed", 0.10),
    ("flare", 0.10),
)
#: Uptake, as a factor on normal bone, below which a metastasis has disappeared.
GONE_BELOW = 1.15
#: Range of the factor on the excess uptake of a fracture from one scan to the next.
HEALING = (0.35, 0.8)


def follow_up(patient: Patient, rng: np.random.Generator, course: str | None = None) -> Patient:
    """Return the patient at the next scan, about half a year later; healthy patients stay healthy.

    Args:
        patient: the patient at the previous scan.
        rng: source of the draws.
        course: one of COURSES; None to draw it. After a flare the disease responds.
    """
    if course is None:
        names, weights = zip(*COURSES, strict=True)
        course = str(rng.choice(names, p=weights))
    if course == "flare" and any(item.change == "flare" for item in patient.metastases):
        course = "response"
    metastases = [_changed(item, course, patient, rng) for item in patient.metastases if item.change != "gone"]
    if patient.metastases and course in ("progression", "mixed"):
        fresh = draw_metastases(person_of(patient), rng, patient.disease, 1 + int(rng.poisson(1.2)))
        first = 1 + max(int(item.track[1:]) for item in patient.metastases)
        metastases += [Metastasis(f"m{number}", focus, "new") for number, focus in enumerate(fresh, first)]
    mimics = tuple(_healed(focus, rng) for focus in patient.mimics)
    return replace(patient, metastases=tuple(metastases), mimics=mimics)


def _changed(item: Metastasis, course: str, patient: Patient, rng: np.random.Generator) -> Metastasis:
    if item.focus.uptake < 1:
        return replace(item, change="stable")
    change = {"progression": "grown", "response": "regressed"}.get(course, course)
    if course == "mixed":
        change = str(rng.choice(["grown", "regressed", "stable"]))
    elif course == "progression" and rng.random() < 0.2:
        change = "stable"
    focus = item.focus
    if change == "grown":
        focus = _scaled(focus, patient, rng.uniform(1.15, 1.7), rng.uniform(1.0, 1.5))
    elif change == "regressed":
        focus = _scaled(focus, patient, rng.uniform(0.6, 0.9), rng.uniform(0.2, 0.7))
    elif change == "flare":
        focus = _scaled(focus, patient, rng.uniform(1.0, 1.15), rng.uniform(1.3, 2.2))
    else:
        focus = _scaled(focus, patient, 1.0, rng.uniform(0.9, 1.1))
    if focus.uptake < GONE_BELOW:
        return Metastasis(item.track, with_uptake(focus, 1.0), "gone")
    return Metastasis(item.track, focus, change)


def _scaled(focus: Focus, patient: Patient, size: float, excess: float) -> Focus:
    """Return the focus with its radius scaled by `size` and its uptake above normal scaled by `excess`."""
    larger = focus if size == 1.0 else scale_focus(focus, person_of(patient), float(size))
    return with_uptake(larger, 1 + (focus.uptake - 1) * float(excess))


def _healed(focus: Focus, rng: np.random.Generator) -> Focus:
    if "fracture" not in focus.kind and focus.kind != "sternotomy":
        return focus
    return with_uptake(focus, 1 + (focus.uptake - 1) * float(rng.uniform(*HEALING)))
