"""Simulated cases that are made fast, for the tests of whole populations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegTrainingLib.phantom.cohort.population import (
    Population,
)
from SpectBoneMetSegTrainingLib.phantom.scan.ground_truth import LesionView
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import SimulatedCase, SimulatedLesion

SHAPE, SPACING = (512, 128), 4.0


#: Rows and columns that a lesion reaches.
BLOCK = (15, 15)


def lesion_view(row, column, contrast, snr, *, visible):
    mask = np.zeros(SHAPE, bool)
    box = slice(row, row + BLOCK[0]), slice(column, column + BLOCK[1])
    rows, columns = np.indices(BLOCK)
    profile = (np.exp(-((rows - 7) ** 2 + (columns - 7) ** 2) / 18) / 0.92).astype(np.float32)
    mask[box] = profile >= 0.5
    return LesionView(mask, contrast, snr, visible, box, profile, 1 + contrast)


def fake_case(case, seed, *, held_out=False, site="a"):
    """A quick replacement for the simulator: a block of a body with one lesion per patient, plain in front only."""
    rng = np.random.default_rng(seed)
    expected = np.full(SHAPE, 0.2, np.float32)
    expected[40:90, 52:76] = 20
    expected[85:260, 25:103] = 20
    expected[260:470, 40:88] = 20
    row, column = int(rng.integers(110, 200)), int(rng.integers(40, 80))
    views = {
        "anterior": lesion_view(row, column, 4.0, 20.0, visible=True),
        "posterior": lesion_view(row, column, 0.01, 0.2, visible=False),
    }
    background = expected.copy()
    shown = views["anterior"]
    expected[shown.box] += 80 * shown.profile
    front = PlanarView(rng.poisson(expected), (SPACING, SPACING), "anterior")
    behind = PlanarView(rng.poisson(expected), (SPACING, SPACING), "anterior")
    scan = WholeBodyScan(case, front, mirror(behind))
    lesion = SimulatedLesion(1, "m1", "metastasis", "baseline", "T5", 6.0, views)
    return SimulatedCase(
        scan,
        dict.fromkeys(views, expected),
        dict.fromkeys(views, background),
        (lesion,),
        ("degenerative L4",),
        {"clavicle_row": 90.0},
        parameters={"spacing_mm": SPACING, "held_out": held_out},
    )


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SMALL = Population(6, seed=7, unlabelled=2, test_share=0.5)


def fake_series(case, seed, scans, *, held_out=False, site="a"):
    """The same patient again and again; the lesion has grown."""
    series = [fake_case(case, seed, held_out=held_out)]
    for number in range(1, scans):
        later = fake_case(f"{case}_s{number}", (*seed, number), held_out=held_out)
        series.append(replace(later, lesions=(replace(later.lesions[0], change="grown"),)))
    return series
