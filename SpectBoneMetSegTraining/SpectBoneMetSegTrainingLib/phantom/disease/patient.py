"""A simulated patient: everything that stays the same from scan to scan.

Foci are drawn on the reference person (the atlas in the patient's size, neutral posture). A focus is a set of bone
points, so it stays in its bone in every posture.
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

#: Share of patients with metastases; of these, the shares with diffuse disease and with cold metastases.
POSITIVE_SHARE, DIFFUSE_SHARE, COLD_SHARE = 0.7, 0.16, 0.015
#: Share of the usual mimics in patients with metastases: most of their hot spots are metastases.
MIMICS_WITH_METASTASES = 0.3

Seed = int | Sequence[int]


@dataclass(frozen=True)
class Metastasis:
    """One metastasis over time.

    Attributes:
        track: its name in every scan of the patient, "m1", "m2", ...
        focus: its current focus.
        change: since the previous scan: "baseline", "new", "grown", "regressed", "stable", "flare" or "gone".
    """

    track: str
    focus: Focus
    change: str = "baseline"


@dataclass(frozen=True)
class Patient:
    """One patient at the time of a scan.

    Attributes:
        shape: body shape.
        tracer: uptake of bones and tissues without foci.
        disease: primary tumour: "lung", "prostate", "breast" or "none".
        metastases: metastases with their foci.
        mimics: foci that are not metastases.
        conditions: names of other special features, see conditions.py.
        flags: "cold lesions" where there are any.
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
    """Return an independent random generator for one purpose, so that other purposes may draw more numbers."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_patient(rng: np.random.Generator, *, positive: bool | None = None, held_out: bool = False) -> Patient:
    """Draw a patient.

    Args:
        rng: source of the draws.
        positive: whether the patient has metastases; None to draw it.
        held_out: whether the body shape is from the range held out for testing.
    """
    shape = draw_shape(rng, held_out=held_out)
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
    """Draw the metastases of a patient with this primary tumour: foci, and pattern and flags as in `Patient`."""
    foci = draw_metastases(person, rng, disease)
    rare = rng.random()
    if rare < DIFFUSE_SHARE:
        pattern, diffuse = draw_diffuse(person, rng)
        return diffuse + foci[: int(rng.integers(0, 6))], pattern, []
    if rare < DIFFUSE_SHARE + COLD_SHARE:
        return foci + draw_cold(person, rng), "foci", ["cold lesions"]
    return foci, "foci", []


def person_of(patient: Patient) -> Person:
    """Return the reference person on which the patient's foci are drawn."""
    return reference_person(patient.shape)
