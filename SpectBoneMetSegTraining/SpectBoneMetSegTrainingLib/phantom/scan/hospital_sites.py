"""Simulated hospitals: site a is a mixture of hospitals, site b is another hospital to adapt to (domain shift)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..camera.camera_profiles import SITE_B, USUAL, CameraProfile
from ..disease.tracer import Tracer
from ..person.anatomy import Person
from ..person.soft_tissue import TISSUES


@dataclass(frozen=True)
class Site:
    """One hospital.

    Attributes:
        camera: its cameras.
        bone: factor on the uptake of bone, which is low in scans soon after the injection.
        urine: factor on the uptake of kidneys and bladder.
        level: factor on the level at which its readers outline.
    """

    camera: CameraProfile
    bone: float = 1.0
    urine: float = 1.0
    level: float = 1.0


#: The hospitals by name.
SITES = {"a": Site(USUAL), "b": Site(SITE_B, bone=0.7, urine=1.5, level=0.85)}


def apply_site(tracer: Tracer, person: Person, site: Site) -> Tracer:
    """Return the uptake at this hospital."""
    urine = np.isin(person.tissue, [TISSUES.index(name) for name in ("right kidney", "left kidney", "bladder")])
    tissues = np.where(urine, tracer.tissues * np.float32(site.urine), tracer.tissues)
    return Tracer(tracer.bones * np.float32(site.bone), tissues)
