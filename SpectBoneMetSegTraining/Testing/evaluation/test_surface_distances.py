"""Surface distances against worked examples."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegTrainingLib.evaluation.surface_distances import assd, hd95, surface_distances

SQUARE_MM = (2.0, 2.0)
MASKS = hnp.arrays(bool, (7, 9))


def box(rows, columns, shape=(12, 12)):
    mask = np.zeros(shape, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def test_two_pixels_are_as_far_apart_as_their_centres_in_mm():
    one, two = box((2, 3), (1, 2)), box((5, 6), (5, 6))
    assert hd95(one, two, (2.0, 3.0)) == pytest.approx(np.hypot(3 * 2, 4 * 3))
    assert assd(one, two, (2.0, 3.0)) == pytest.approx(np.hypot(3 * 2, 4 * 3))


def test_only_outlines_count_not_the_interior():
    full = box((2, 9), (2, 9))
    ring = full & ~box((4, 7), (4, 7))
    from_full, from_ring = surface_distances(full, ring, SQUARE_MM)
    assert len(from_full) == 24
    assert not from_full.any()
    # A hole is an outline of its own: twelve pixels next to it, one pixel inside the outer one.
    assert sorted(from_ring) == [0] * 24 + [2] * 12


def test_a_square_grown_by_one_pixel_is_one_pixel_away():
    inner, outer = box((4, 8), (4, 8)), box((3, 9), (3, 9))
    # 12 inner outline pixels at 2 mm; of the 20 outer ones 16 at 2 mm and the corners at 2 sqrt(2).
    expected = (12 * 2 + 16 * 2 + 4 * 2 * np.sqrt(2)) / 32
    assert assd(inner, outer, SQUARE_MM) == pytest.approx(expected)
    assert hd95(inner, outer, SQUARE_MM) == pytest.approx(2 * np.sqrt(2))


def test_the_worse_direction_decides_the_hausdorff_distance():
    # From the one pixel 0 mm; from the line of six 0 to 10 mm, the 95th percentile halfway into the last step.
    one, two = box((2, 3), (2, 3)), box((2, 3), (2, 8))
    assert hd95(one, two, SQUARE_MM) == pytest.approx(9.5)
    assert hd95(two, one, SQUARE_MM) == hd95(one, two, SQUARE_MM)


@given(MASKS)
def test_the_distance_of_a_mask_from_itself_is_zero(mask):
    assume(mask.any())
    assert hd95(mask, mask, SQUARE_MM) == assd(mask, mask, SQUARE_MM) == 0


@given(MASKS, MASKS, st.floats(0.5, 4))
def test_distances_are_symmetric_scale_with_the_pixel_and_stay_inside_the_image(one, two, pixel):
    assume(one.any() and two.any())
    spacing = (pixel, pixel)
    for distance in (hd95, assd):
        value = distance(one, two, spacing)
        assert value == pytest.approx(distance(two, one, spacing))
        assert value == pytest.approx(pixel * distance(one, two, (1.0, 1.0)))
        assert 0 <= value <= pixel * np.hypot(6, 8) + 1e-9


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="empty"):
        hd95(box((0, 2), (0, 2)), np.zeros((12, 12), bool), SQUARE_MM)
