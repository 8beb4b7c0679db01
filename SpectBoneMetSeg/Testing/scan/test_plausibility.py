"""Scans that cannot be a whole body in counts are refused, doubtful ones get a warning; arrays like files."""

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegLib.scan.plausibility import check_scan


def person(seed=1, *, tilt=0.0):
    """(anterior, posterior as acquired) counts of 512 x 128 pixels; arms and an injection make the sides differ."""
    y, x = np.mgrid[:512, :128].astype(float)
    x = x - 63.5 - tilt * (y - 256) / 256
    across = np.abs(x)
    soft = 8.0 * (((y - 65) / 26) ** 2 + (across / 17) ** 2 < 1)
    soft += 8.0 * ((across < 36 - (y - 100) / 30) & (y > 85) & (y < 250))
    soft += 8.0 * (np.abs(across - 19) < 14 - (y - 250) / 25) * ((y >= 250) & (y < 440))
    soft += 8.0 * ((np.abs(x - 46) < 6) & (y > 105) & (y < 260)) + 8.0 * ((np.abs(x + 52) < 6) & (y > 105) & (y < 230))
    spine = np.exp(-((across / 4) ** 2)) * ((y > 90) & (y < 240))
    bladder = np.exp(-((across / 8) ** 2) - ((y - 240) / 8) ** 2)
    draw = np.random.default_rng(seed).poisson
    return draw(soft + 20 * spine + 80 * bladder + 0.05), draw((soft + 40 * spine + 30 * bladder + 0.05)[:, ::-1])


def scan(anterior, posterior=None, spacing=4.52):
    view = None if posterior is None else PlanarView(posterior.astype(np.float32), (spacing, spacing), "posterior")
    return WholeBodyScan("p", PlanarView(anterior.astype(np.float32), (spacing, spacing), "anterior"), view)


def test_a_person_in_counts_gives_no_doubts():
    assert check_scan(scan(*person())) == []


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_dim_and_bright_scans_give_no_doubts_either(factor):
    views = [np.random.default_rng(2).poisson(view * factor) for view in person()]
    assert check_scan(scan(*views)) == []


@pytest.mark.parametrize("spacing", [0.35, 12.0])
def test_a_body_beyond_human_size_is_refused_with_the_remedy(spacing):
    with pytest.raises(UserError, match=r"the right pixel size, or read it anyway\.$") as caught:
        check_scan(scan(*person(), spacing=spacing))
    assert caught.value.fields == ("pixel_size", "read_anyway")
    with pytest.raises(UserError, match=r"the right pixel size\.$") as caught:
        check_scan(scan(*person(), spacing=spacing), can_override=False)
    assert caught.value.fields == ("pixel_size",)
    assert any("it was read anyway" in note for note in check_scan(scan(*person(), spacing=spacing), override=True))


@pytest.mark.parametrize("field_mm", [310, 540])
def test_a_static_picture_of_a_part_is_no_whole_body(field_mm):
    x = np.mgrid[:256, :256][1]
    part = np.random.default_rng(0).poisson(20 + 30 * (np.abs(x - 128) < 10))
    with pytest.raises(UserError, match="holds no whole body"):
        check_scan(scan(part, spacing=field_mm / 256))


def test_pixels_that_are_no_numbers_are_the_scans_fault():
    anterior = person()[0].astype(float)
    anterior[3, 4] = np.nan
    with pytest.raises(UserError, match="not numbers in its anterior view"):
        check_scan(scan(anterior))


def test_clipped_counts_are_warned_about_and_never_refused():
    notes = check_scan(scan(*(np.minimum(view, 18) for view in person())))
    assert any("cut off at 18" in note and "anterior" in note for note in notes)
    assert any("posterior" in note for note in notes)


def test_a_single_hot_pixel_is_not_called_cut_off():
    anterior, posterior = person()
    anterior[200, 60] = 255
    assert check_scan(scan(anterior, posterior)) == []


def test_a_picture_of_a_few_grey_steps_is_refused_unless_read_anyway():
    flat = scan(*(np.where(view > 20, 200, np.where(view > 3, 90, 0)) for view in person()))
    with pytest.raises(UserError, match="grey steps"):
        check_scan(flat)
    assert any("grey steps" in note for note in check_scan(flat, override=True))


def test_a_scan_of_few_counts_is_no_scaled_picture():
    rng = np.random.default_rng(3)
    notes = check_scan(scan(*(rng.binomial(view.astype(int), 0.12) for view in person())))
    assert not any("it was read anyway" in note for note in notes)


def test_a_body_that_lies_head_down_is_reported():
    assert any("feet at the top" in note for note in check_scan(scan(*(view[::-1] for view in person()))))


def test_a_view_that_is_mirrored_already_is_reported():
    anterior, posterior = person()
    notes = check_scan(scan(anterior, posterior[:, ::-1]))
    assert any("mirrored already" in note for note in notes)


def test_letters_above_the_head_are_no_sign_of_a_mirrored_view():
    views = person()
    for view in views:
        view[8:24, 4:20] = 60
    assert not any("mirrored already" in note for note in check_scan(scan(*views)))


def test_exchanged_views_are_reported():
    anterior, posterior = person()
    assert any("exchanged" in note for note in check_scan(scan(posterior, anterior)))
