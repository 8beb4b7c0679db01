"""Sums of a case: included and ignored pixels, calibration, files."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from SpectBoneMetSegTrainingLib.dataset.cases import LabelledCrop
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.evaluation.scores import (
    CALIBRATION_BINS,
    Sums,
    calibration_sums,
    from_flat,
    read_scores,
    save_scores,
    score_cases,
    without_flags,
)
from support.scored_cases import PLAIN, SEEDS, crop_of, marks, perfect, random_cases


def test_missing_views_are_not_scored():
    both, one = crop_of("a", [((4, 8), (4, 8))]), crop_of("b", [((4, 8), (4, 8))], views=("posterior",))
    scores = score_cases([(both, perfect(both)), (one, perfect(one))], PLAIN)
    assert [float(score.sums.images[0]) for score in scores] == [2, 1]
    assert [float(score.sums.lesions[0]) for score in scores] == [2, 1]
    unlabelled = LabelledCrop("c", both.counts, {}, {}, [])
    (nothing,) = score_cases([(unlabelled, perfect(both))], PLAIN)
    assert not nothing.sums.flat().any()


def test_flagged_cases_can_be_left_out():
    crops = [crop_of("a"), crop_of("b", flags=("superscan",))]
    scores = score_cases([(crop, perfect(crop)) for crop in crops], PLAIN)
    assert [score.case for score in without_flags(scores)] == ["a"]


def test_air_and_ignored_pixels_do_not_count_in_the_calibration():
    crop = crop_of("a", ignored=[((30, 34), (2, 6))], views=("anterior",))
    for counts in crop.counts.values():
        counts[:, :20] = 0
    (score,) = score_cases([(crop, marks(crop))], PLAIN)
    assert 18 * 40 < score.sums.bin_pixels.sum() < 24 * 40  # the edge is smoothed
    inside = crop_of("a", ignored=[((30, 34), (2, 6))], views=("anterior",))
    (score,) = score_cases([(inside, marks(inside))], PLAIN)
    assert score.sums.bin_pixels.sum() == 1600 - 16


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_calibration_error_of_calibrated_probabilities_is_close_to_zero(seed):
    rng = np.random.default_rng(seed)
    p = rng.random(40_000)
    for truth, expected in ((rng.random(p.size) < p, 0.0), (rng.random(p.size) < p**2, 1 / 6)):
        sums = calibration_sums(p, truth)
        gap = np.abs(sums["bin_probability"] - sums["bin_lesion"]).sum() / sums["bin_pixels"].sum()
        assert gap == pytest.approx(expected, abs=0.02)


def test_probabilities_zero_and_one_fall_into_the_outer_bins():
    sums = calibration_sums(np.array([0.0, 1.0]), np.array([False, True]))
    assert sums["bin_pixels"][0] == sums["bin_pixels"][CALIBRATION_BINS - 1] == 1


def test_sums_survive_flattening_and_add_field_by_field():
    one, two = (case.sums for case in random_cases(2, 2))
    total = from_flat(one.flat() + two.flat())
    for name in vars(one):
        np.testing.assert_array_equal(getattr(total, name), getattr(one + two, name))
    assert isinstance(total, Sums)
    with pytest.raises(ValueError, match="numbers"):
        from_flat(one.flat()[1:])


def test_the_scores_of_every_case_are_written_to_a_file(tmp_path):
    cases = [*random_cases(1, 3), replace(random_cases(2, 1)[0], case="x", flags=("superscan",))]
    save_scores(tmp_path / "scores.json", cases)
    kept = read_json(tmp_path / "scores.json")["cases"]
    assert [(one["patient"], one["case"], tuple(one["flags"])) for one in kept] == [
        (one.patient, one.case, one.flags) for one in cases
    ]
    again = read_scores(tmp_path / "scores.json")
    assert [(one.patient, one.case, one.flags) for one in again] == [
        (one.patient, one.case, one.flags) for one in cases
    ]
    for one, two in zip(again, cases, strict=True):
        np.testing.assert_array_equal(one.sums.flat(), two.sums.flat())
