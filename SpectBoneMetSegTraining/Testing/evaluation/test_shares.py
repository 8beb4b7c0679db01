"""Intervals of shares: never more certain than the number of lesions or the variation between patients allows."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.model.confidence import AREA_FEATURES
from SpectBoneMetSegTrainingLib.evaluation import bootstrap
from SpectBoneMetSegTrainingLib.evaluation.confidence_metrics import ScanDetections, observed_shares
from SpectBoneMetSegTrainingLib.evaluation.shares import share_interval, wilson


def test_the_binomial_interval_is_that_of_the_literature():
    # Newcombe 1998, Table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for successes, number, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(successes, number) == pytest.approx((low, high), abs=5e-5)
    assert np.isnan(wilson(0, 0)).all()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_none_of_a_few_lesions_is_no_certainty(share):
    lesions = np.array([1.0, 0.0, 1.0])
    low, high = share_interval(share * lesions, lesions, bootstrap.draw_patients(3, 200, 0))
    assert high - low == pytest.approx(0.658, abs=0.001)


def test_the_variation_between_patients_widens_the_interval_of_many_lesions():
    lesions = np.full(8, 50.0)
    found = lesions * (np.arange(8) % 2)
    weights = bootstrap.draw_patients(8, 500, 0)
    assert share_interval(found, lesions, weights) == bootstrap.interval((weights @ found) / (weights @ lesions))


def test_the_lesions_of_one_patient_have_no_interval():
    assert np.isnan(share_interval(np.array([3.0, 0.0]), np.array([5.0, 0.0]), np.ones((4, 2)))).all()


def test_confidences_are_compared_with_the_share_of_lesions_in_every_bin():
    class Certain:
        def of_area(self, row):
            return row[0]

        def of_scan(self, features):
            return 1.0

    features = np.zeros((5, len(AREA_FEATURES)))
    features[:, 0] = [0.92, 0.98, 1.0, 0.31, 0.35]
    scans = [ScanDetections("a", features, np.array([1, 1, 0, 0, np.nan]), 0.9, diseased=True)]
    low, high = observed_shares(scans, Certain())["areas"]
    assert (low.low, low.high, low.number, low.observed[0]) == (0.3, 0.4, 1, 0.0), "an ignored area does not count"
    assert (high.low, high.high, high.number) == (0.9, 1.0, 3)
    assert high.confidence == pytest.approx(0.9667, abs=1e-4)
    assert high.observed == (pytest.approx(2 / 3), *wilson(2, 3))
