"""Where counts stand out from their noise a click outlines them; elsewhere it marks a small disc and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions.clicks.change import add_lesion
from SpectBoneMetSegLib.lesions.clicks.growth import SMALLEST_MM, grow_from
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror

SHAPE = (300, 200)
#: The largest outline that a single photon in air may have (cm2): its disc, and the one at the click beside it.
PHOTON_CM2 = 3.0


def view_of(counts, millimetres=2.26):
    return PlanarView(counts, (millimetres, millimetres), "anterior")


def outlined(view, position):
    return grow_from(view, None, position, np.zeros(view.shape, bool))


def area_of(mask, view):
    return mask.sum() * view.spacing[0] * view.spacing[1] / 100


def disc(row, column, millimetres):
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(y - row, x - column) * millimetres <= SMALLEST_MM


def spot(row, column, radius, height):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return height / (1 + np.exp((np.hypot(y - row, x - column) - radius) / 0.9))


@pytest.mark.parametrize("millimetres", [1.1, 2.26, 3.9, 4.8])
@pytest.mark.parametrize("level", [0.0, 0.1, 7.3])
@pytest.mark.parametrize("position", [(40, 30), (0, 0), (299, 199), (150, 3)])
def test_a_click_on_even_counts_marks_the_smallest_disc_there(millimetres, level, position):
    view = view_of(np.full(SHAPE, level), millimetres)
    np.testing.assert_array_equal(outlined(view, position), disc(*position, millimetres))


def test_a_click_in_the_empty_air_of_a_scan_marks_the_smallest_disc_there():
    body = np.zeros(SHAPE)
    body[:, 80:120] = 40.0
    front = view_of(np.random.default_rng(4).poisson(body), 3.9)
    study = WholeBodyScan("one", front, mirror(front))
    found = add_lesion(np.zeros(SHAPE, np.uint16), study, {}, (60, 30)) > 0
    np.testing.assert_array_equal(found, disc(60, 30, 3.9))


@pytest.mark.parametrize("millimetres", [2.26, 3.9])
@pytest.mark.parametrize("mean", [0.0005, 0.02, 0.2, 2.0, 20.0])
def test_a_click_on_even_noise_marks_no_more_than_its_next_photon(millimetres, mean):
    rng = np.random.default_rng(3)
    view = view_of(rng.poisson(mean, SHAPE), millimetres)
    corners = [(0, 0), (0, 199), (299, 0), (299, 199)]
    clicks = corners + [(int(rng.integers(300)), int(rng.integers(200))) for _ in range(20)]
    for position in clicks:
        found = outlined(view, position)
        assert found[position]
        assert area_of(found, view) <= PHOTON_CM2


@pytest.mark.parametrize(("radius", "height"), [(4, 15), (7, 15), (12, 8)])
def test_a_faint_spot_is_outlined_at_half_height_and_not_by_the_smallest_disc(radius, height):
    shape = spot(150, 100, radius, 1.0) > 0.5
    view = view_of(np.random.default_rng(5).poisson(20 + spot(150, 100, radius, height)))
    found = outlined(view, (150, 100))
    assert 2 * (found & shape).sum() / (found.sum() + shape.sum()) > 0.7


def test_the_unit_of_the_counts_does_not_change_an_outline():
    counts = np.random.default_rng(6).poisson(20 + spot(150, 100, 7, 15))
    for position in ((150, 100), (60, 60)):
        outlines = [outlined(view_of(counts * unit), position) for unit in (1.0, 2.0**-10, 2.0**10)]
        np.testing.assert_array_equal(outlines[0], outlines[1])
        np.testing.assert_array_equal(outlines[0], outlines[2])


@pytest.mark.parametrize("share", [0.55, 0.75])
def test_a_spot_in_a_bend_of_hotter_bone_is_outlined_from_its_edge(share):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    away, angle = np.hypot(y - 150, x - 100), np.arctan2(y - 150, x - 100)
    bend = 60.0 * ((away > 7) & (away < 13) & (np.abs(angle) < share * np.pi))
    view = view_of(np.random.default_rng(7).poisson(10 + bend + spot(150, 100, 3, 25)))
    assert outlined(view, (150, 97))[away <= 3].mean() > 0.7
