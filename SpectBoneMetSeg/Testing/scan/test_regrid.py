"""Rebinning preserves counts, sampling preserves positions."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib.scan.planar import PlanarView, mirror, same_grid
from SpectBoneMetSegLib.scan.regrid import _overlap, regrid, sample_on

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 25))
STEPS = st.tuples(st.floats(0.5, 6), st.floats(0.5, 6))
NAMES = st.sampled_from(["anterior", "posterior"])


def view(shape, spacing, name="anterior", seed=0):
    return PlanarView(np.random.default_rng(seed).poisson(30, shape), spacing, name)


def centroid(one):
    """(R, S) of the counts in mm."""
    rows, columns = np.indices(one.shape)
    points = one.ijk_to_ras @ np.stack([columns.ravel(), rows.ravel(), np.zeros(rows.size), np.ones(rows.size)])
    return points[[0, 2]] @ one.counts.ravel() / one.counts.sum()


@settings(max_examples=60, deadline=None)
@given(SIZES, STEPS, STEPS, NAMES)
def test_rebinning_keeps_every_count(shape, spacing, wanted, name):
    before = view(shape, spacing, name)
    after = regrid(before, wanted)
    assert after.name == name
    assert after.counts.sum(dtype=np.float64) == pytest.approx(before.counts.sum(dtype=np.float64), rel=1e-5)
    assert (after.counts >= 0).all()


@settings(max_examples=40, deadline=None)
@given(SIZES, STEPS, STEPS, NAMES)
def test_rebinning_the_mirrored_view_mirrors_the_rebinned_one(shape, spacing, wanted, name):
    one, other = mirror(regrid(view(shape, spacing, name), wanted)), regrid(mirror(view(shape, spacing, name)), wanted)
    assert same_grid(one, other)
    assert np.allclose(one.counts, other.counts, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(SIZES, STEPS, NAMES)
def test_rebinning_moves_nothing_in_the_patient(shape, spacing, name):
    before = PlanarView(view(shape, spacing).counts + 1, spacing, name, (31.0, 0.0, -7.0))
    after = regrid(before, (spacing[0] / 2, spacing[1] / 3))
    assert centroid(after) == pytest.approx(centroid(before), abs=1e-3)


def test_halving_the_pixels_quarters_the_counts():
    before = view((4, 3), (2.0, 2.0))
    after = regrid(before, (1.0, 1.0))
    assert after.shape == (8, 6)
    assert np.allclose(after.counts, np.kron(before.counts, np.ones((2, 2))) / 4)


def test_a_smaller_field_cuts_and_a_larger_one_pads():
    before = view((6, 6), (2.0, 2.0))
    assert np.allclose(regrid(before, (2.0, 2.0), (4, 2)).counts, before.counts[1:5, 2:4])
    assert np.allclose(regrid(before, (2.0, 2.0), (8, 8)).counts, np.pad(before.counts, 1))


def test_a_grid_within_tolerance_is_the_same_object():
    before = view((6, 6), (2.26, 2.26))
    assert regrid(before) is before
    assert regrid(before, (2.265, 2.255), (6, 6)) is before
    assert regrid(before, (2.3, 2.26)) is not before


def test_impossible_grids_are_refused():
    with pytest.raises(ValueError, match="positive"):
        regrid(view((6, 6), (2, 2)), (0, 2))
    with pytest.raises(ValueError, match="does not lie"):
        sample_on(np.zeros((2, 2)), view((6, 6), (2, 2)), view((6, 6), (2, 2)))


@settings(max_examples=30, deadline=None)
@given(SIZES, STEPS, st.integers(0, 3))
def test_sampling_on_the_mirrored_grid_is_an_exact_flip(shape, spacing, order):
    front = view(shape, spacing)
    mask = (front.counts > 30).astype(np.uint16)
    flipped = sample_on(mask, front, mirror(front), order)
    assert flipped.dtype == np.uint16
    assert np.array_equal(flipped, mask[:, ::-1])


def test_sampling_a_part_copies_and_outside_is_zero():
    whole = view((6, 6), (2.0, 2.0))
    part = PlanarView(np.zeros((4, 5)), (2.0, 2.0), "anterior", (whole.origin[0] - 4.0, 0.0, whole.origin[2] + 2.0))
    sampled = sample_on(whole.counts, whole, part)
    assert np.array_equal(sampled[1:, :4], whole.counts[:3, 2:])
    assert not sampled[0].any()
    assert not sampled[:, 4].any()


def test_sampling_a_slope_on_a_finer_mirrored_grid_follows_the_patient():
    coarse = PlanarView(np.zeros((20, 20)), (3.0, 3.0), "anterior")
    fine = PlanarView(np.zeros((30, 30)), (1.0, 1.3), "posterior")
    right = coarse.origin[0] - 3.0 * np.arange(20)
    superior = coarse.origin[2] - 3.0 * np.arange(20)
    sampled = sample_on((superior[:, None] + 2 * right[None, :]).astype(np.float32), coarse, fine)
    expected = (fine.origin[2] - np.arange(30))[:, None] + 2 * (fine.origin[0] + 1.3 * np.arange(30))[None, :]
    assert np.allclose(sampled, expected, atol=1e-3)


def test_nearest_sampling_invents_no_value():
    one, other = view((9, 7), (2.0, 2.0)), view((13, 11), (1.3, 1.1), "posterior")
    labels = np.arange(63, dtype=np.uint16).reshape(9, 7)
    sampled = sample_on(labels, one, other, order=0)
    assert sampled.dtype == np.uint16
    assert set(sampled.ravel()) <= set(labels.ravel())
    mask = sample_on(labels > 30, one, other, order=0)
    assert mask.dtype == bool
    assert mask.any()


@settings(max_examples=60, deadline=None)
@given(SIZES, STEPS, SIZES, STEPS, NAMES, st.integers(0, 1))
def test_sampling_agrees_with_the_general_spline_of_scipy(shape, spacing, other_shape, other_spacing, name, order):
    from scipy.ndimage import map_coordinates

    one, other = view(shape, spacing), PlanarView(np.zeros(other_shape), other_spacing, name)
    inverse = np.linalg.inv(one.ijk_to_ras) @ other.ijk_to_ras
    rows = inverse[1, 1] * np.arange(other_shape[0]) + inverse[1, 3]
    columns = inverse[0, 0] * np.arange(other_shape[1]) + inverse[0, 3]
    # Half way between two pixels either is nearest.
    assume(order == 1 or min(np.abs(np.abs(axis % 1) - 0.5).min() for axis in (rows, columns)) > 1e-6)
    expected = map_coordinates(
        one.counts, np.meshgrid(rows, columns, indexing="ij"), order=order, mode="grid-constant", cval=0.0
    )
    # Centres closer than a hundredth of a pixel count as one.
    sampled = sample_on(one.counts, one, other, order)
    np.testing.assert_allclose(sampled, expected, atol=0.03 * one.counts.max() if order else 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.floats(0.5, 9), st.integers(1, 40), st.floats(0.5, 9))
def test_shares_are_those_of_the_overlaps(n_in, step_in, n_out, step_out):
    edges_in = (np.arange(n_in + 1) - n_in / 2) * step_in
    edges_out = (np.arange(n_out + 1) - n_out / 2) * step_out
    upper = np.minimum(edges_out[1:, None], edges_in[None, 1:])
    lower = np.maximum(edges_out[:-1, None], edges_in[None, :-1])
    expected = np.clip(upper - lower, 0, None) / step_in
    np.testing.assert_allclose(_overlap(n_in, step_in, n_out, step_out).toarray(), expected, atol=1e-5)
