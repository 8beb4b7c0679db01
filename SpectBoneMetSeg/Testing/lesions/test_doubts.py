"""Lesions with counts that were cut off are named; noise at the highest value is not taken for a limit."""

import dataclasses

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions.doubts import clipped_warnings
from SpectBoneMetSegLib.lesions.measurement import measure_lesions
from SpectBoneMetSegLib.lesions.naming import areas_named, lesion_ids
from SpectBoneMetSegLib.scan.grey import clipped_at

SHAPE = (200, 80)


def body(level, hot=1.0, seed=0):
    """Noisy counts of a body with one hot spot."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = np.abs(x - 40) < 25
    peak = np.exp(-((y - 60) ** 2 + (x - 40) ** 2) / 18.0)
    return np.random.default_rng(seed).poisson(level * inside * (1 + hot * peak)).astype(np.float32)


def test_a_few_pixels_at_one_highest_value_were_cut_off():
    counts = body(40.0, hot=9.0)
    limit = np.sort(counts.ravel())[-6]
    assert clipped_at(counts) is None
    assert clipped_at(np.minimum(counts, limit)) == limit


def test_counts_that_were_cut_off_within_the_body_are_recognised_too():
    assert clipped_at(np.minimum(body(40.0), 45)) == 45


@pytest.mark.parametrize("hot", [0.0, 1.0, 9.0])
@pytest.mark.parametrize("level", [0.05, 0.5, 2.0, 8.0, 40.0])
def test_noise_is_not_taken_for_a_limit_however_few_the_counts(level, hot):
    assert [clipped_at(body(level, hot, seed)) for seed in range(20)] == [None] * 20


def test_repeated_pixels_of_an_enlarged_image_are_no_limit():
    assert clipped_at(np.kron(body(40.0, hot=9.0), np.ones((3, 3)))) is None


def test_an_empty_view_has_no_limit():
    assert clipped_at(np.zeros(SHAPE)) is None


def with_counts(reading, name, counts):
    """The reading with other counts in a view."""
    scan = dataclasses.replace(reading.scan, **{name: reading.scan.views[name].with_counts(counts)})
    return dataclasses.replace(reading, scan=scan)


@pytest.fixture
def noisy(reading_factory):
    """A reading whose views have noise."""
    reading, rng = reading_factory(), np.random.default_rng(4)
    for name, view in reading.scan.views.items():
        reading = with_counts(reading, name, rng.poisson(4 * view.counts).astype(np.float32))
    return reading


def test_the_lesions_that_hold_the_cut_off_counts_are_named_with_their_view_and_limit(noisy):
    ids, counts = noisy.view_masks["posterior"], noisy.scan.views["posterior"].counts
    shown = [number for number in np.unique(ids).tolist() if number]
    limit = float(min(np.sort(counts[ids == number])[-5] for number in shown))
    clipped = with_counts(noisy, "posterior", np.minimum(counts, limit))
    assert clipped_warnings(noisy) == []
    (note,) = clipped_warnings(clipped)
    assert note.startswith(f"{areas_named(shown)} ha")
    assert f"cut off at {limit:g} in the posterior view" in note
    lesions = measure_lesions(clipped.scan, lesion_ids(noisy), noisy.view_masks, noisy.probability)
    assert {lesion.views["posterior"].max_counts for lesion in lesions if "posterior" in lesion.views} == {limit}


def test_cut_off_counts_outside_all_lesions_concern_none(noisy):
    counts = noisy.scan.views["anterior"].counts.copy()
    outside = np.flatnonzero(noisy.view_masks["anterior"] == 0)[:50]
    counts.flat[outside] = counts.max() + 9
    assert clipped_at(counts) is not None
    assert clipped_warnings(with_counts(noisy, "anterior", counts)) == []


@pytest.mark.parametrize(
    ("numbers", "words"), [([4], "Area 4"), ([1, 2], "Areas 1 and 2"), ([1, 2, 5], "Areas 1, 2 and 5")]
)
def test_areas_are_listed_as_in_a_sentence(numbers, words):
    assert areas_named(numbers) == words
