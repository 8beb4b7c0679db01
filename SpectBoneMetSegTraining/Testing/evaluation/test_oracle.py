"""The oracle finds and outlines lesions that noise leaves visible, and nothing without lesions."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.evaluation.baselines.oracle import oracle
from SpectBoneMetSegTrainingLib.evaluation.baselines.simple import baselines

ROWS, COLUMNS = np.mgrid[:128, :128]


def body(level=30.0):
    """Soft tissue with bright normal bone, noise-free."""
    image = np.where((ROWS - 64) ** 2 + (COLUMNS - 64) ** 2 < 56**2, level, 0.0)
    image[20:108, 60:68] += 4 * level
    return image.astype(np.float32)


def blob(row, column, height, width=3.0):
    return (height * np.exp(-((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / (2 * width**2))).astype(np.float32)


def noisy(image, seed=0):
    # Stray counts are everywhere and not part of the background.
    return np.random.default_rng(seed).poisson(image + 0.2).astype(np.float32)


def dice(one, two):
    return 2 * (one & two).sum() / (one.sum() + two.sum())


def test_a_lesion_is_outlined_at_half_height_of_its_robust_peak():
    # For a round blob this is 46 % of its maximum.
    extra = blob(50, 40, 60.0)
    assert dice(oracle(noisy(body() + extra), body()), extra >= 27.5) > 0.8


def test_lesions_on_bright_bone_are_found_where_no_threshold_finds_them():
    extra = blob(40, 30, 30.0) + blob(80, 64, 60.0) + blob(90, 95, 20.0)
    truth = (blob(40, 30, 30.0) >= 12) | (blob(80, 64, 60.0) >= 24) | (blob(90, 95, 20.0) >= 8)
    counts = noisy(body() + extra)
    assert dice(oracle(counts, body()), truth) > 0.75
    for name, segment in baselines().items():
        assert dice(segment(counts), truth) < 0.35, name


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_where_nothing_was_added(seed):
    assert not oracle(noisy(body(), seed), body()).any()


def test_a_faint_lesion_next_to_a_hot_one_has_its_own_outline():
    hot, faint = blob(50, 40, 300.0, 2.5), blob(50, 52, 80.0, 2.5)
    found = oracle(noisy(body() + hot + faint), body())
    assert dice(found, (hot >= 120) | (faint >= 32)) > 0.75
    assert found[50, 52]


def test_a_lesion_too_faint_for_the_noise_is_not_found():
    assert not oracle(noisy(body() + blob(50, 40, 3.0)), body()).any()


def test_the_tail_of_a_lesion_outside_the_image_is_not_found():
    hot = np.roll(blob(64, 40, 200.0, 4.0), 66, axis=0)
    hot[:64] = 0
    bright = np.full((128, 128), 30.0, np.float32)
    assert not oracle(noisy(bright + hot), bright).any()


@pytest.mark.parametrize("grey", [0.3, 2.0])
def test_grey_levels_of_a_capture_are_compared_with_their_own_noise(grey):
    extra = blob(50, 40, 60.0)
    counts = np.minimum(np.rint(noisy(body() + extra) * grey), 255)
    found = oracle(counts.astype(np.float32), body() * np.float32(grey))
    assert dice(found, extra >= 27.5) > 0.75


def test_saturation_of_a_capture_adds_no_lesion():
    counts = np.minimum(noisy(body()), 90)
    assert not oracle(counts.astype(np.float32), body()).any()


def test_an_empty_image_has_no_lesions():
    empty = np.zeros((32, 32), np.float32)
    assert not oracle(empty, empty).any()
