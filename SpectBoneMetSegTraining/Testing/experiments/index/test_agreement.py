"""Figures of agreement, on values whose figures are known."""

import re

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.experiments.index.agreement import (
    agreement,
    difference_sd,
    log_ratio_sd,
    plot_agreement,
)
from SpectBoneMetSegTrainingLib.experiments.index.known import known_index
from SpectBoneMetSegTrainingLib.experiments.index.protocol import Measured, read_rows, write_rows
from SpectBoneMetSegTrainingLib.phantom.disease.patient import draw_patient, random_stream

KNOWN = [0.5, 1.0, 2.0, 4.0, 8.0]


def test_perfect_agreement_is_reported_as_such():
    found = agreement(KNOWN, KNOWN)
    assert (found.r, found.slope) == pytest.approx((1.0, 1.0))
    assert (found.intercept, found.cv_percent, found.bias, found.low, found.high) == pytest.approx((0,) * 5, abs=1e-9)


def test_a_measure_twice_as_large_has_slope_two_and_does_not_vary():
    found = agreement(KNOWN, [2 * value for value in KNOWN])
    assert found.slope == pytest.approx(2.0)
    assert found.cv_percent == pytest.approx(0.0, abs=1e-9)
    assert found.bias == pytest.approx(np.mean(KNOWN))


def test_limits_lie_196_standard_deviations_from_the_bias():
    measured = [value + step for value, step in zip(KNOWN, (0.1, -0.1, 0.2, -0.2, 0.0), strict=True)]
    found = agreement(KNOWN, measured)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std([0.1, -0.1, 0.2, -0.2, 0.0], ddof=1))


def test_too_few_values_are_refused():
    with pytest.raises(ValueError, match="three pairs"):
        agreement([1.0, 2.0], [1.0, 2.0])


def test_repeats_differ_by_their_standard_deviation():
    assert difference_sd([1, 2, 3], [2, 2, 4]) == pytest.approx(np.std([1, 0, 1], ddof=1))
    assert log_ratio_sd([1, 1, 1], [1, np.e, 1]) == pytest.approx(np.std([0, 1, 0], ddof=1))


def test_the_plot_is_a_picture(tmp_path):
    plot_agreement(KNOWN, [1.1 * value for value in KNOWN], "True outlines", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_what_was_measured_is_read_back(tmp_path):
    rows = [
        Measured(1, 0, 2.5, 2.25, None, "", "Only a part of the body was read.", {"m1": 120.0, "m2": 80.5}, 2.0),
        Measured(2, 1, 0.5, None, 0.75, "why", "", {}),
    ]
    write_rows(tmp_path / "measured.csv", rows)
    assert read_rows(tmp_path / "measured.csv") == rows
    assert read_rows(tmp_path / "nothing.csv") == []
    table = (tmp_path / "measured.csv").read_text()
    (tmp_path / "measured.csv").write_text(re.sub(",[^,]*$", "", table, flags=re.MULTILINE))
    assert [row.labelled for row in read_rows(tmp_path / "measured.csv")] == [None, None], "of an earlier version"


def test_the_known_index_is_by_volume_and_zero_without_metastases():
    healthy, diseased = (draw_patient(random_stream(9001, 0), positive=positive) for positive in (False, True))
    assert known_index(healthy) == 0.0
    assert 0.0 < known_index(diseased) < 1.0
    tracks = {metastasis.track for metastasis in diseased.metastases}
    assert known_index(diseased, tracks=tracks) == known_index(diseased)
    assert known_index(diseased, tracks=set()) == 0.0
