"""Recovery from a grey image: counts, overflowed hot spots, pixel size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from SpectBoneMetSegLib.scan.eight_bit import STATURE_MM, fill_overflow, find_gain, pixel_size_of_body


def counts(seed: int = 1, hot: float = 0.0) -> np.ndarray:
    """(rows, columns) counts of a body 375 rows high, with a hot spot at (150, 64) on request."""
    y, x = np.mgrid[:512, :128].astype(float)
    across = np.abs(x - 63.5)
    body = 9.0 * (((y - 65) / 26) ** 2 + (across / 17) ** 2 < 1)
    body += 9.0 * ((across < 36 - (y - 100) / 30) & (y > 85) & (y < 250))
    body += 9.0 * (np.abs(across - 19) < 14 - (y - 250) / 25) * ((y >= 250) & (y < 440))
    body += 25 * np.exp(-((across / 4) ** 2)) * ((y > 90) & (y < 240))
    body += hot * np.exp(-(((y - 150) / 5) ** 2) - ((x - 64) / 5) ** 2)
    return np.random.default_rng(seed).poisson(body + 0.05)


def as_jpeg(grey: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(stream, "JPEG", quality=100)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize("gain", [1.3, 1.41, 1.53, 1.9, 2.7])
@pytest.mark.parametrize("jpeg", [False, True])
def test_counts_come_back_from_the_gaps_between_grey_values(gain, jpeg):
    true = counts()
    grey = np.rint(gain * true).clip(0, 255)
    found = find_gain(as_jpeg(grey) if jpeg else grey)
    assert found.source == "lattice"
    assert found.value == pytest.approx(gain, abs=0.01)
    assert (np.rint(grey / found.value) == true).mean() > 0.999


@pytest.mark.parametrize("gain", [0.65, 0.8, 0.844, 0.97])
@pytest.mark.parametrize("seed", [1, 2])
def test_without_gaps_the_noise_gives_the_approximate_size_of_a_count(gain, seed):
    found = find_gain(np.rint(gain * counts(seed)))
    assert found.source == "noise"
    assert found.value == pytest.approx(gain, rel=0.1)


def smoothed(width: float) -> np.ndarray:
    """Return counts after the filter of a camera: whole numbers whose noise is far below that of counts."""
    return np.rint(ndimage.gaussian_filter(4.0 * counts(), width))


@pytest.mark.parametrize("width", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("gain", [1.126, 1.299, 1.477, 2.318])
def test_counts_of_a_smoothed_picture_come_back_from_its_gaps_whatever_its_noise(gain, width):
    true = smoothed(width).clip(0, int(255 / gain))
    found = find_gain(np.rint(gain * true))
    assert found.source == "lattice"
    assert found.value == pytest.approx(gain, rel=0.01)


@pytest.mark.parametrize("width", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("gain", [0.4, 0.65, 0.9])
def test_the_noise_of_a_smoothed_picture_tells_no_gain(gain, width):
    assert find_gain(np.rint(gain * smoothed(width))) is None


def test_a_picture_that_was_resampled_has_no_gain():
    assert find_gain(np.rint(1.8 * ndimage.zoom(counts().astype(float), 1.3, order=1))) is None


@pytest.mark.parametrize("step", [156.0357, 242.7222, 89.4])
def test_the_step_of_a_picture_that_was_stretched_to_16_bits_is_found_again(step):
    true = counts(hot=60).clip(0, int(65535 / step))
    grey = np.floor(step * true).astype(np.uint16)
    found = find_gain(grey)
    assert found.source == "lattice"
    np.testing.assert_array_equal(np.rint((grey + 0.5) / found.value), true)


def test_values_of_no_lattice_are_not_taken_for_one():
    rng = np.random.default_rng(2)
    assert find_gain(np.where(counts() > 0, rng.integers(1, 65535, (512, 128)), 0)) is None
    assert find_gain(np.zeros((20, 20), int)) is None


def test_the_black_core_of_a_hot_spot_that_ran_over_gets_a_lower_bound():
    true = 1.4 * (counts(hot=500) % 256)
    grey = np.rint(true).clip(0, 255).astype(np.uint8)
    filled, lost = fill_overflow(grey)
    over = counts(hot=500) >= 183
    assert (lost & over).sum() >= 0.9 * over.sum()
    assert (lost & ~over).sum() <= 0.15 * over.sum()
    assert (filled[lost] == 255).all()
    np.testing.assert_array_equal(filled[~lost], grey[~lost])


@pytest.mark.parametrize("hot", [0.0, 90.0])
def test_a_picture_without_such_spots_stays_as_it_is(hot):
    grey = np.rint(1.4 * counts(hot=hot)).clip(0, 255).astype(np.uint8)
    filled, lost = fill_overflow(grey)
    np.testing.assert_array_equal(filled, grey)
    assert not lost[grey < 255].any()


@pytest.mark.parametrize("share", [2, 5, 12, 25, 40])
@pytest.mark.parametrize("end", [240, 255])
@pytest.mark.parametrize("scale", [0.3, 1, 4])
def test_the_dark_pixels_of_a_picture_that_was_cut_off_are_counts(share, end, scale):
    true = np.random.default_rng(2).poisson(scale * counts(hot=60.0))
    highest = max(1.0, np.percentile(true[true >= max(2, 3 * scale)], 100 - share))
    grey = np.rint(true * (end / highest)).clip(0, end).astype(np.uint8)
    filled, _ = fill_overflow(grey)
    assert (filled != grey).sum() <= 0.001 * grey.size


def test_the_height_of_the_body_gives_the_pixel_size_within_a_few_percent():
    edge = pixel_size_of_body(counts())
    assert edge == pytest.approx(STATURE_MM / 401, rel=0.03)
    assert pixel_size_of_body(counts()[50:]) is None, "the crown is cut off"
    assert pixel_size_of_body(np.full((400, 100), 7)) is None
