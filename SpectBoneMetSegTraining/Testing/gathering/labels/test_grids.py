"""A label fits to a tenth of a pixel or is refused: property tests of the geometry check."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegTrainingLib.gathering.labels.grids import PIXEL_TOLERANCE, place

shapes = st.tuples(st.integers(4, 40), st.integers(4, 20))
spacings = st.tuples(st.floats(0.5, 6), st.floats(0.5, 6))


def a_scan(shape, spacing, views=("anterior", "posterior")):
    counts = np.ones(shape, np.float32)
    made = {name: PlanarView(counts, spacing, name) for name in views}
    return WholeBodyScan("study", made.get("anterior"), made.get("posterior"))


def a_label(shape):
    label = np.zeros(shape, np.uint8)
    label[1, 2] = 3
    return label


@given(shapes, spacings)
def test_a_label_in_the_anterior_frame_marks_the_union_pixel_for_pixel(shape, spacing):
    scan, label = a_scan(shape, spacing), a_label(shape)
    placed, view = place(label, scan.frame.ijk_to_ras, scan, "label.nrrd")
    assert view is None
    np.testing.assert_array_equal(placed, label)


@given(shapes, spacings)
def test_a_label_on_the_posterior_view_belongs_to_it_and_is_mirrored(shape, spacing):
    scan, label = a_scan(shape, spacing), a_label(shape)
    placed, view = place(label, scan.posterior.ijk_to_ras, scan, "label.nrrd")
    assert view == "posterior"
    np.testing.assert_array_equal(placed, label[:, ::-1])


@given(shapes, spacings, st.sampled_from(["anterior", "posterior"]))
def test_a_label_in_the_frame_of_a_single_view_marks_that_view(shape, spacing, name):
    scan, label = a_scan(shape, spacing, [name]), a_label(shape)
    placed, view = place(label, scan.frame.ijk_to_ras, scan, "label.nrrd")
    assert view == name
    np.testing.assert_array_equal(placed, label)


@given(
    shapes,
    spacings,
    st.floats(1.5, 40).flatmap(lambda far: st.sampled_from([far, -far])),
    st.sampled_from([0, 2]),
)
def test_a_label_that_lies_elsewhere_is_refused_with_the_file_and_the_remedy(shape, spacing, pixels, axis):
    scan, label = a_scan(shape, spacing), a_label(shape)
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[axis, 3] += pixels * PIXEL_TOLERANCE * max(spacing)
    with pytest.raises(UserError, match=r"label\.nrrd does not lie on the scan study .*export it again"):
        place(label, matrix, scan, "label.nrrd")


@given(shapes, spacings, st.floats(-0.9, 0.9), st.sampled_from([0, 2]))
def test_rounding_of_the_position_is_tolerated(shape, spacing, part, axis):
    scan, label = a_scan(shape, spacing), a_label(shape)
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[axis, 3] += part * PIXEL_TOLERANCE * min(spacing)
    np.testing.assert_array_equal(place(label, matrix, scan, "label.nrrd")[0], label)


@given(shapes, spacings, st.floats(0.05, 1.0), st.sampled_from([0, 1]))
def test_another_pixel_size_is_refused(shape, spacing, more, axis):
    scan = a_scan(shape, spacing)
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[:3, axis] *= 1 + more
    with pytest.raises(UserError, match="mm instead of"):
        place(a_label(shape), matrix, scan, "label.nrrd")


@given(shapes, spacings)
def test_a_pixel_size_that_would_shift_the_far_corner_is_refused(shape, spacing):
    scan = a_scan((shape[0] + 100, shape[1]), spacing)
    matrix = scan.frame.ijk_to_ras.copy()
    # Within the tolerance of header values, but the feet would lie a third of a pixel off.
    matrix[:3, 1] *= 1 + 0.3 / (shape[0] + 99)
    with pytest.raises(UserError):
        place(a_label(scan.frame.shape), matrix, scan, "label.nrrd")


@given(shapes, spacings, st.sampled_from([(-1, 1), (1, -1), (-1, -1)]))
def test_a_label_that_is_turned_over_is_no_label_of_another_side(shape, spacing, signs):
    scan = a_scan(shape, spacing)
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[:3, 0] *= signs[0]
    matrix[:3, 1] *= signs[1]
    with pytest.raises(UserError, match="does not lie on"):
        place(a_label(shape), matrix, scan, "label.nrrd")


@given(shapes, spacings, st.integers(-2, 2), st.integers(-2, 2))
def test_another_size_is_refused(shape, spacing, rows, columns):
    scan = a_scan(shape, spacing)
    other = (shape[0] + rows, shape[1] + columns)
    if other == shape:
        return
    with pytest.raises(UserError, match=f"{other[1]} x {other[0]} pixels instead of {shape[1]} x {shape[0]}"):
        place(np.zeros(other, np.uint8), scan.frame.ijk_to_ras, scan, "label.nrrd")


@given(shapes, spacings, st.integers(-3, 3), st.integers(-3, 3), st.data())
def test_a_cropped_segmentation_lies_where_its_pixels_are(shape, spacing, first, left, data):
    scan = a_scan(shape, spacing)
    size = data.draw(st.tuples(st.integers(1, shape[0] + 4), st.integers(1, shape[1] + 4)))
    part = np.arange(1, size[0] * size[1] + 1).reshape(size)
    matrix = scan.frame.ijk_to_ras.copy()
    matrix[:, 3] = matrix @ [left, first, 0, 1]
    placed, _ = place(part, matrix, scan, "part.seg.nrrd", cropped=True)
    for row in range(shape[0]):
        for column in range(shape[1]):
            inside = 0 <= row - first < size[0] and 0 <= column - left < size[1]
            assert placed[row, column] == (part[row - first, column - left] if inside else 0)


@given(st.lists(st.floats(-1e3, 1e3) | st.sampled_from([np.nan, np.inf, 0.0]), min_size=16, max_size=16))
@settings(max_examples=300)
def test_no_matrix_does_more_than_be_refused(values):
    scan = a_scan((8, 6), (2.0, 2.0))
    try:
        placed, _ = place(a_label((8, 6)), np.reshape(values, (4, 4)), scan, "label.nrrd")
    except UserError:
        return
    assert placed.shape == (8, 6)


def test_views_of_different_matrices_are_matched_by_their_position():
    anterior = PlanarView(np.ones((20, 12), np.float32), (2.0, 2.0), "anterior")
    posterior = PlanarView(np.ones((10, 6), np.float32), (4.0, 4.0), "posterior")
    scan = WholeBodyScan("study", anterior, posterior)
    label = np.zeros((10, 6), np.uint8)
    label[2, 1] = 1
    placed, view = place(label, posterior.ijk_to_ras, scan, "label.nrrd")
    assert view == "posterior"
    rows, columns = np.nonzero(placed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 5, 8, 9)


def test_a_name_that_contradicts_the_geometry_is_refused():
    scan = a_scan((8, 6), (2.0, 2.0))
    for view, named_view in ((scan.frame, "posterior"), (scan.posterior, "anterior")):
        with pytest.raises(UserError, match=f"named {named_view} but lies on"):
            place(a_label((8, 6)), view.ijk_to_ras, scan, "label.nrrd", named_view=named_view)
    assert place(a_label((8, 6)), scan.frame.ijk_to_ras, scan, "label.nrrd", named_view="anterior")[1] == "anterior"


def test_a_label_in_front_of_the_scan_is_refused():
    scan = a_scan((8, 6), (2.0, 2.0))
    matrix = mirror(mirror(scan.frame)).ijk_to_ras.copy()
    matrix[1, 3] = 40.0
    with pytest.raises(UserError, match="does not lie on"):
        place(a_label((8, 6)), matrix, scan, "label.nrrd")
