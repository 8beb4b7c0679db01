"""Simulated people and scans that several test files share; the matrix is coarse, so that they are made in a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom import camera, hospital
from SpectBoneMetSegTrainingLib.phantom.anatomy import BodyShape, Person, Posture, make_person
from SpectBoneMetSegTrainingLib.phantom.hospital import SimulatedCase, simulate_case

#: A whole-body field of the usual length with pixels four times the usual size.
COARSE_SHAPE, COARSE_SPACING = (256, 64), 9.04


def neutral_shape() -> BodyShape:
    """The atlas as it is."""
    return BodyShape(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, (0.0, 0.0, 0.0), np.zeros((0, 7)))


def neutral_posture() -> Posture:
    """Straight, arms and legs hanging."""
    return Posture((0.0, 0.0), (0.0, 0.0), 0.0, 0.0, 0.0)


@pytest.fixture(scope="session")
def atlas_shape() -> BodyShape:
    return neutral_shape()


@pytest.fixture(scope="session")
def atlas_posture() -> Posture:
    return neutral_posture()


@pytest.fixture(scope="session")
def person() -> Person:
    return make_person(neutral_shape(), neutral_posture(), np.random.default_rng(1))


@pytest.fixture(scope="session")
def coarse_case() -> Callable[..., SimulatedCase]:
    """simulate_case on the coarse matrix; by default of an otherwise healthy patient with a faultless camera."""
    draw_camera = camera.draw_camera

    def make(seed: int, plain: bool = True, shift: tuple[int, int] = (0, 0), **options: bool) -> SimulatedCase:
        def faultless(*arguments: Any) -> camera.Camera:
            return replace(draw_camera(*arguments), posterior_shift=shift, smoothing=0.0, unevenness=0.0)

        with pytest.MonkeyPatch.context() as patch:
            if plain:
                patch.setattr(camera, "draw_camera", faultless)
                patch.setattr(hospital, "add_illness", lambda person, bones, tissues, rng: (bones, tissues, []))
            return simulate_case(f"case {seed}", seed, shape=COARSE_SHAPE, spacing=COARSE_SPACING, **options)

    return make


@pytest.fixture(scope="session")
def patient(coarse_case: Callable[..., SimulatedCase]) -> SimulatedCase:
    """One patient with metastases."""
    return coarse_case(11, positive=True)
