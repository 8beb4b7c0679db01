import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import points_in_poly
from SpectBoneMetSegLib.lesions.components import fill_holes, number_lesions, outline
from SpectBoneMetSegLib.lesions.delineation import lesion_masks
from SpectBoneMetSegLib.scan.planar import PlanarView, mirror, to_ras

BLOBS = arrays(bool, st.tuples(st.integers(1, 11), st.integers(1, 11)))


def a_frame(rows=20, columns=16, spacing=(2.0, 3.0)):
    return PlanarView(np.zeros((rows, columns)), spacing, "anterior")


def shoelace(points):
    x, y = points[:, 0], points[:, 1]
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def probabilities(**views):
    found = {}
    for name, boxes in views.items():
        found[name] = np.zeros((20, 16), dtype=np.float32)
        for (top, left, bottom, right), value in boxes:
            found[name][top:bottom, left:right] = value
    return found


@settings(max_examples=150, deadline=None)
@given(BLOBS)
def test_outline_encloses_exactly_the_pixels_of_every_lesion(mask):
    ids = number_lesions(ndimage.binary_fill_holes(mask))
    rows, columns = np.indices(mask.shape)
    centres = np.column_stack((rows.ravel(), columns.ravel()))
    for number in range(1, int(ids.max()) + 1):
        inside = ids == number
        corners = outline(inside)
        assert shoelace(corners) == inside.sum()
        np.testing.assert_array_equal(points_in_poly(centres, corners).reshape(mask.shape), inside)


@settings(max_examples=100, deadline=None)
@given(BLOBS)
def test_outline_runs_along_pixel_edges_and_turns_at_every_corner(mask):
    ids = number_lesions(ndimage.binary_fill_holes(mask))
    for number in range(1, int(ids.max()) + 1):
        corners = outline(ids == number)
        steps = np.diff(np.vstack((corners, corners[:1])), axis=0)
        assert np.all((corners - 0.5) % 1 == 0)
        assert np.all((steps != 0).sum(axis=1) == 1)
        np.testing.assert_array_equal(steps[:, 0] != 0, np.roll(steps[:, 0] == 0, 1))


def test_outline_of_one_pixel_is_its_four_corners():
    corners = outline(np.pad([[True]], 2))
    assert {tuple(corner) for corner in corners} == {(1.5, 1.5), (1.5, 2.5), (2.5, 2.5), (2.5, 1.5)}


def test_pixels_that_touch_at_a_corner_are_one_curve_through_that_corner():
    corners = outline(np.eye(2, dtype=bool))
    assert len(corners) == 8
    assert [tuple(corner) for corner in corners].count((0.5, 0.5)) == 2


@pytest.mark.parametrize(
    "mask", [np.zeros((3, 3), dtype=bool), np.ones((3, 3), dtype=bool) & (np.arange(9).reshape(3, 3) != 4)]
)
def test_outline_refuses_an_empty_mask_and_a_hole(mask):
    with pytest.raises(ValueError):
        outline(mask)


def test_outline_in_millimetres_has_the_lesion_area_and_the_patient_side():
    frame = a_frame()
    mask = np.zeros(frame.shape, dtype=bool)
    mask[2:5, 1:3] = True
    points = to_ras(outline(mask), frame)
    assert shoelace(points[:, [0, 2]]) == pytest.approx(6 * 2.0 * 3.0)
    # Left columns of the anterior view are the patient's right (R > 0), upper rows the head (S > 0).
    assert np.all(points[:, 0] > 0)
    assert np.all(points[:, 1] == 0)
    assert np.all(points[:, 2] > 0)


def test_outline_lands_on_the_same_position_of_the_mirrored_view():
    frame = a_frame()
    mask = np.zeros(frame.shape, dtype=bool)
    mask[3:9, 2:4] = True
    behind = mirror(frame)
    one, two = (to_ras(outline(m), view) for m, view in ((mask, frame), (mask[:, ::-1], behind)))
    assert {tuple(p) for p in np.round(one, 6)} == {tuple(p) for p in np.round(two, 6)}


def test_lesions_of_both_views_that_touch_are_one_lesion_with_one_number():
    values = probabilities(anterior=[((5, 5, 8, 8), 0.9)], posterior=[((8, 8, 10, 10), 0.9)])
    masks = lesion_masks(values, 0.5, 0.0, a_frame())
    assert masks.union.dtype == np.uint16
    assert masks.union.max() == 1
    assert (masks.views["anterior"] > 0).sum() == 9
    assert (masks.views["posterior"] > 0).sum() == 4


def test_lesions_are_numbered_from_head_to_foot_then_by_column():
    values = probabilities(anterior=[((12, 2, 14, 4), 0.9), ((4, 9, 6, 11), 0.9), ((4, 2, 6, 4), 0.9)])
    union = lesion_masks(values, 0.5, 0.0, a_frame()).union
    assert (union[4, 2], union[4, 9], union[12, 2]) == (1, 2, 3)


def test_gaps_inside_a_lesion_are_filled_even_when_only_both_views_together_enclose_them():
    upper = [((4, 4, 6, 9), 0.9), ((6, 4, 9, 5), 0.9)]
    lower = [((9, 4, 10, 9), 0.9), ((6, 8, 9, 9), 0.9)]
    faint = ((6, 5, 9, 8), 0.2)
    masks = lesion_masks(probabilities(anterior=upper, posterior=[*lower, faint]), 0.5, 0.0, a_frame())
    assert masks.views["posterior"][7, 6] == 1
    assert masks.union[7, 6] == 1
    # The union is exactly what the views hold, so the gap lies in one of them.
    assert masks.views["anterior"][7, 6] + masks.views["posterior"][7, 6] == 1
    assert ((masks.union > 0) == ((masks.views["anterior"] > 0) | (masks.views["posterior"] > 0))).all()
    ring = probabilities(anterior=[*upper, *lower])
    assert lesion_masks(ring, 0.5, 0.0, a_frame()).views["anterior"][7, 6] == 1


def test_lesions_below_the_smallest_area_are_dropped_in_square_millimetres():
    values = probabilities(anterior=[((2, 2, 4, 4), 0.9), ((10, 2, 13, 4), 0.9)])
    # A pixel is 6 mm2: the lesions have 24 and 36 mm2.
    for limit, count in ((24.0, 2), (24.1, 1), (36.0, 1), (36.1, 0)):
        masks = lesion_masks(values, 0.5, limit, a_frame())
        assert masks.union.max() == count
        assert masks.views["anterior"].max() == count


def test_a_pixel_at_the_threshold_belongs_to_the_lesion():
    values = probabilities(anterior=[((2, 2, 4, 4), 0.5)])
    assert lesion_masks(values, 0.5, 0.0, a_frame()).union.max() == 1


def test_a_lesion_without_a_confident_pixel_in_any_view_is_dropped_when_a_seed_is_required():
    values = probabilities(
        anterior=[((2, 2, 5, 5), 0.6), ((10, 2, 13, 5), 0.6), ((11, 3, 12, 4), 0.8)],
        posterior=[((15, 2, 17, 5), 0.85)],
    )
    union = lesion_masks(values, 0.5, 0.0, a_frame(), seed_threshold=0.8).union
    assert union.max() == 2
    assert union[3, 3] == 0
    assert (union[10:13, 2:5] == 1).all()


def test_probabilities_that_do_not_fit_the_frame_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        lesion_masks({"anterior": np.zeros((3, 3), dtype=np.float32)}, 0.5, 0.0, a_frame())
    with pytest.raises(ValueError, match="at least one view"):
        lesion_masks({}, 0.5, 0.0, a_frame())


def test_a_scan_without_uptake_has_no_lesions():
    masks = lesion_masks(probabilities(anterior=[], posterior=[]), 0.5, 0.0, a_frame())
    assert masks.union.max() == 0
    assert set(masks.views) == {"anterior", "posterior"}


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_filling_holes_is_what_scipy_does(mask):
    assert (fill_holes(mask) == ndimage.binary_fill_holes(mask)).all()
