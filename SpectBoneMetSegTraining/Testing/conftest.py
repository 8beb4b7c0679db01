"""Simulated people and scans that several test files share; the matrix is coarse, so that they are made in a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from SpectBoneMetSegLib.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.results import ThoraxCrop
from SpectBoneMetSegTrainingLib.dataset import Instance, finish_dataset, write_case
from SpectBoneMetSegTrainingLib.phantom import camera
from SpectBoneMetSegTrainingLib.phantom import patient as patient_module
from SpectBoneMetSegTrainingLib.phantom.anatomy import BodyShape, Person, Posture, make_person
from SpectBoneMetSegTrainingLib.phantom.hospital import SimulatedCase, simulate_case

#: A whole-body field of the usual length with pixels four times the usual size.
COARSE_SHAPE, COARSE_SPACING = (256, 64), 9.04
#: Rows and columns of the discs that tiny networks are trained on.
DISC_SIZE = 64


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
            return replace(camera.faultless(draw_camera(*arguments)), posterior_shift=shift)

        with pytest.MonkeyPatch.context() as patch:
            if plain:
                patch.setattr(camera, "draw_camera", faultless)
                patch.setattr(patient_module, "add_illness", lambda person, tracer, rng, disease: (tracer, []))
                patch.setattr(patient_module, "SUPERSCAN_SHARE", 0.0)
                patch.setattr(patient_module, "COLD_SHARE", 0.0)
            return simulate_case(f"case {seed}", seed, shape=COARSE_SHAPE, spacing=COARSE_SPACING, **options)

    return make


@pytest.fixture(scope="session")
def patient(coarse_case: Callable[..., SimulatedCase]) -> SimulatedCase:
    """One patient with metastases."""
    return coarse_case(11, positive=True)


def scan_with_lesion(case: str, rng: np.random.Generator) -> tuple[WholeBodyScan, Instance]:
    """A disc of soft tissue with one hot blob that both views show."""
    rows, columns = np.mgrid[:DISC_SIZE, :DISC_SIZE]
    body = ((rows - 32) ** 2 + (columns - 32) ** 2 < 28**2) * 20.0
    row, column = rng.uniform(18, 46, 2)
    blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)
    counts = rng.poisson(body + 120 * blob).astype(np.float32)
    front = PlanarView(counts, (2.26, 2.26), "anterior")
    back = mirror(PlanarView(rng.poisson(body + 100 * blob).astype(np.float32), (2.26, 2.26), "anterior"))
    mask = blob > 0.4
    lesion = Instance(1, {"anterior": mask, "posterior": mask}, {"anterior": True, "posterior": True}, {"bone": "T5"})
    return WholeBodyScan(case, front, back), lesion


@pytest.fixture(scope="session")
def discs() -> Callable[[Path, Sequence[str]], Path]:
    """Write a data set of discs, one case and patient for each of the splits named, and return its folder."""

    def write(folder: Path, splits: Sequence[str]) -> Path:
        rng = np.random.default_rng(1)
        for i, split in enumerate(splits):
            scan, lesion = scan_with_lesion(f"case{i}", rng)
            crop = ThoraxCrop((0, DISC_SIZE), (0, DISC_SIZE), 1.0)
            write_case(folder, split, scan, mirror(scan.posterior), crop, [lesion], {"patient": scan.case})
        finish_dataset(folder, "Tiny", 1, "Made-up discs with one hot spot.")
        return folder

    return write
