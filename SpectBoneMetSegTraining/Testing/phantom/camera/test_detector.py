"""From expected images to stored counts: noise, edges of the field, non-uniformity, vendors' processing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter
from SpectBoneMetSegTrainingLib.phantom.camera.acquisition import Camera
from SpectBoneMetSegTrainingLib.phantom.camera.detector import (
    OUTSIDE_COUNTS,
    apply_nonuniformity,
    detect_counts,
    enhance,
    quantise,
)
from SpectBoneMetSegTrainingLib.phantom.camera.image_chain import apply_acquisition_effects

CAMERA = Camera(
    shape=(40, 32),
    spacing=10.0,
    counts=1e6,
    top=200.0,
    centre=0.0,
    gap=(20.0, 20.0),
    scatter=0.4,
    scatter_width=1.0,
    intrinsic=3.0,
    posterior_gain=1.0,
)


def test_detected_counts_are_poisson_about_the_expected_ones():
    expected = np.full((200, 200), 30.0, np.float32)
    counts = detect_counts(expected, CAMERA, np.random.default_rng(3))
    assert counts.dtype == np.uint16
    assert counts.mean() == pytest.approx(30 + OUTSIDE_COUNTS, abs=0.15)
    assert counts.var() == pytest.approx(30 + OUTSIDE_COUNTS, rel=0.05)
    empty = detect_counts(np.zeros((200, 200), np.float32), CAMERA, np.random.default_rng(3))
    assert empty.mean() == pytest.approx(OUTSIDE_COUNTS, abs=0.01)
    assert detect_counts(np.full((2, 2), 1e6, np.float32), CAMERA, np.random.default_rng(3)).max() == 65535


def test_a_vendors_filter_smooths_whole_counts_and_keeps_their_mean():
    expected = np.full((200, 200), 30.0, np.float32)
    counts = detect_counts(expected, replace(CAMERA, smoothing=0.8), np.random.default_rng(3))
    assert counts.dtype == np.uint16
    assert counts.mean() == pytest.approx(30 + OUTSIDE_COUNTS, abs=0.15)
    assert counts.var() < 0.4 * 30


def test_uneven_columns_change_every_row_alike_by_the_requested_share():
    image = np.full((30, 400), 10.0, np.float32)
    rng = np.random.default_rng(1)
    camera = replace(CAMERA, spacing=2.26)
    assert np.array_equal(apply_nonuniformity(image, replace(camera, unevenness=0.0), rng), image)
    result = apply_nonuniformity(image, replace(camera, unevenness=0.02), rng)
    assert (result == result[0]).all()
    assert result[0].std() / 10 == pytest.approx(0.02, rel=1e-3)
    assert np.abs(np.diff(result[0])).max() < 0.2


def test_the_tubes_leave_a_wave_along_the_row():
    camera = replace(CAMERA, spacing=2.0, unevenness=0.02)
    row = apply_nonuniformity(np.ones((1, 1024), np.float32), camera, np.random.default_rng(1))[0] - 1
    power = np.abs(np.fft.rfft(row)) ** 2
    length = 2.0 * 1024 / np.maximum(np.arange(len(power)), 1)
    tubes = (length > 55 * 0.9) & (length < 75 * 1.1)
    assert power[tubes].sum() > 0.3 * power[1:].sum()


def test_nothing_is_counted_where_the_detector_never_was():
    camera = replace(CAMERA, shape=(50, 30), width=200.0, swept=(10, 45))
    image = np.full((50, 30), 20.0, np.float32)
    seen = apply_acquisition_effects(image, camera, "anterior")
    counts = detect_counts(image, camera, np.random.default_rng(0))
    for picture in (seen, counts):
        assert picture[10:45, 5:25].all()
        assert picture.sum() == picture[10:45, 5:25].sum()
    assert camera.seconds == pytest.approx(35 / camera.speed * 60)


def test_enhancement_calms_flat_areas_sharpens_edges_and_keeps_the_total():
    expected = np.full((300, 200), 20.0, np.float32)
    expected[100:200, 80:120] = 80
    expected = gaussian_filter(expected, 2.0)
    plain = detect_counts(expected, CAMERA, np.random.default_rng(1)).astype(float)
    better = detect_counts(expected, replace(CAMERA, enhancement=1.0), np.random.default_rng(1)).astype(float)
    flat = np.s_[10:60, 10:60]
    assert better[flat].var() < 0.6 * plain[flat].var()
    assert abs(better.sum() / plain.sum() - 1) < 0.01
    profile = np.diff(better[120:180].mean(0))[70:90].max()
    assert profile > 1.1 * np.diff(plain[120:180].mean(0))[70:90].max()


@given(st.floats(0.1, 80), st.floats(0.2, 1.5), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_enhancement_keeps_the_total_within_a_twentieth(level, strength, seed):
    counts = np.random.default_rng(seed).poisson(level, (64, 48)).astype(np.float32)
    counts[20:40, 20:30] += 30
    total = counts.sum()
    assert abs(enhance(counts, strength).sum() / total - 1) < 0.05
    assert not enhance(np.zeros((8, 8), np.float32), strength).any()


@given(hnp.arrays(np.float32, 40, elements=st.integers(0, 3000)), st.floats(5, 500))
def test_a_capture_is_monotone_and_saturates(counts, white):
    grey = quantise(counts, white)
    order = np.argsort(counts)
    assert (np.diff(grey[order]) >= 0).all()
    assert ((grey >= 0) & (grey <= 255) & (grey == np.rint(grey))).all()
    assert (grey[counts >= white] == 255).all()


def test_a_captured_acquisition_holds_eight_bits():
    counts = detect_counts(
        np.full((40, 40), 900.0, np.float32), replace(CAMERA, capture=700.0), np.random.default_rng(0)
    )
    assert counts.max() == 255
    assert counts.dtype == np.uint16


def test_an_archive_of_eight_bits_cuts_counts_off_and_leaves_the_others_unchanged():
    expected = np.full(CAMERA.shape, 40, np.float32)
    expected[10:20, 10:20] = 900
    plain, cut = (detect_counts(expected, replace(CAMERA, ceiling=top), np.random.default_rng(1)) for top in (0, 255))
    assert plain.max() > 255
    assert np.array_equal(cut, np.minimum(plain, 255))
