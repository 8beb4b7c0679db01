"""A simulated patient: what stays the same from scan to scan.

Everything is drawn on the reference person (the atlas in the patient's size, no posture): a focus is a set of bone
points, so it stays in its bone however the patient lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..person.anatomy import BodyShape, Person, draw_shape, reference_person
from .conditions import add_conditions
from .diffuse import apply_tumour_sink, draw_diffuse
from .lesions import Focus, draw_cold, draw_metastases
from .metastatic_sites import draw_disease
from .mimics import draw_mimics
from .tracer import Tracer, draw_tracer

#: Share of patients with metastases in a simulated population; of these with diffuse disease, with cold metastases.
POSITIVE_SHARE, DIFFUSE_SHARE, COLD_SHARE = 0.7, 0.16, 0.015
#: Share of the usual mimics that patients with metastases have: most of their bright spots are metastases.
MIMICS_WITH_METASTASES = 0.3

Seed = int | Sequence[int]


@dataclass(frozen=True)
class Metastasis:
    """One metastasis through time.

    Attributes:
        track: its name in every scan of the patient, "m1", "m2", ...
        focus: what it is now.
        change: against the scan before: "baseline", "new", "grown", "regressed", "stable", "flare" or "gone".
    """

    track: str
    focus: Focus
    change: str = "baseline"


@dataclass(frozen=True)
class Patient:
    """One patient on the day of a scan.

    Attributes:
        shape: the body.
        tracer: uptake of bones and tissues without foci.
        disease: "lung", "prostate", ... or "none".
        metastases: foci.
        mimics: foci.
        conditions: what else is special, by name.
        flags: "cold lesions".
        pattern: of the metastases: "foci", one of diffuse.PATTERNS, or "" for none.
    """

    shape: BodyShape
    tracer: Tracer
    disease: str
    metastases: tuple[Metastasis, ...]
    mimics: tuple[Focus, ...]
    conditions: tuple[str, ...]
    flags: tuple[str, ...]
    pattern: str = ""


def random_stream(seed: Seed, *key: int) -> np.random.Generator:
    """Independent random numbers for one purpose: the scans do not change when another purpose draws more."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_patient(rng: np.random.Generator, positive: bool | None = None, held_out: bool = False) -> Patient:
    """A patient at random.

    Args:
        positive: with metastases; None draws it.
        held_out: a body from the range of shapes that is kept for testing.
    """
    shape = draw_shape(rng, held_out)
    person = reference_person(shape)
    if positive is None:
        positive = bool(rng.random() < POSITIVE_SHARE)
    disease = draw_disease(rng, shape.sex) if positive else "none"
    tracer, illnesses = add_conditions(person, draw_tracer(person, rng, shape.age), rng, disease)
    mimics = draw_mimics(person, rng, shape.age, MIMICS_WITH_METASTASES if positive else 1.0)
    foci, pattern, flags = draw_lesions(person, rng, disease) if positive else ([], "", [])
    if foci:
        tracer = apply_tumour_sink(tracer, person, foci)
    return Patient(
        shape,
        tracer,
        disease,
        tuple(Metastasis(f"m{number}", focus) for number, focus in enumerate(foci, 1)),
        tuple(mimics),
        (*person.description, *illnesses),
        tuple(flags),
        pattern,
    )


def draw_lesions(person: Person, rng: np.random.Generator, disease: str) -> tuple[list[Focus], str, list[str]]:
    """The metastases of a patient with this primary tumour, their pattern and flags as in `Patient`."""
    foci = draw_metastases(person, rng, disease)
    rare = rng.random()
    if rare < DIFFUSE_SHARE:
        pattern, diffuse = draw_diffuse(person, rng)
        return diffuse + foci[: int(rng.integers(0, 6))], pattern, []
    if rare < DIFFUSE_SHARE + COLD_SHARE:
        return foci + draw_cold(person, rng), "foci", ["cold lesions"]
    return foci, "foci", []


def person_of(patient: Patient) -> Person:
    """The reference person on which the patient's foci lie."""
    return reference_person(patient.shape)
