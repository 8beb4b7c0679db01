"""Eq. 10-12 and the three definitions of CPA."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegTrainingLib.evaluation import paper_metrics
from SpectBoneMetSegTrainingLib.evaluation.metrics import Counts

COUNT = st.integers(0, 1000)
MASKS = hnp.arrays(bool, (5, 5))


def test_a_worked_example():
    tp, fp, fn, tn = 6, 2, 4, 88
    assert paper_metrics.dsc(tp, fp, fn) == pytest.approx(12 / 18)
    assert paper_metrics.cpa_precision(tp, fp) == pytest.approx(0.75)
    assert paper_metrics.cpa_pixel_accuracy(tp, fp, fn, tn) == pytest.approx(0.94)
    assert paper_metrics.cpa_class_mean(tp, fp, fn, tn) == pytest.approx((0.6 + 88 / 90) / 2)
    assert paper_metrics.recall(tp, fn) == pytest.approx(0.6)


def test_the_papers_figures_fit_precision_and_no_other_definition():
    # 10,000 pixels of which 1 % are lesion, with the paper's Recall 0.601 and CPA 0.715 as precision.
    tp, fn = 60.1, 39.9
    fp = tp / 0.715 - tp
    assert paper_metrics.dsc(tp, fp, fn) == pytest.approx(0.653, abs=1e-3)
    assert paper_metrics.cpa_pixel_accuracy(tp, fp, fn, 9900 - fp) > 0.99
    assert paper_metrics.cpa_class_mean(tp, fp, fn, 9900 - fp) == pytest.approx(0.80, abs=5e-3)


def test_empty_label_and_empty_prediction_are_perfect():
    assert paper_metrics.dsc(0, 0, 0) == paper_metrics.cpa_precision(0, 0) == paper_metrics.recall(0, 0) == 1
    assert paper_metrics.cpa_pixel_accuracy(0, 0, 0, 9) == paper_metrics.cpa_class_mean(0, 0, 0, 9) == 1


@given(COUNT, COUNT, COUNT, COUNT)
def test_every_metric_lies_between_zero_and_one_and_agrees_with_the_pooled_counts(tp, fp, fn, tn):
    counts = Counts(true_positive=tp, false_positive=fp, false_negative=fn)
    pairs = [
        (paper_metrics.dsc(tp, fp, fn), counts.dice),
        (paper_metrics.cpa_precision(tp, fp), counts.precision),
        (paper_metrics.recall(tp, fn), counts.recall),
    ]
    for ours, pooled in pairs:
        # Without any pixel, the metric of an image is 1 and the pooled one is undefined.
        assert ours == (1 if np.isnan(pooled) else pooled)
    assert 0 <= paper_metrics.cpa_pixel_accuracy(tp, fp, fn, tn) <= 1
    assert 0 <= paper_metrics.cpa_class_mean(tp, fp, fn, tn) <= 1


@given(COUNT, COUNT, COUNT)
def test_dsc_is_the_harmonic_mean_of_precision_and_recall(tp, fp, fn):
    assume(tp > 0)
    precision, recall = paper_metrics.cpa_precision(tp, fp), paper_metrics.recall(tp, fn)
    assert paper_metrics.dsc(tp, fp, fn) == pytest.approx(2 * precision * recall / (precision + recall))


@given(MASKS, MASKS)
def test_dsc_is_one_only_for_equal_masks(truth, predicted):
    value = paper_metrics.dsc((truth & predicted).sum(), (predicted & ~truth).sum(), (truth & ~predicted).sum())
    assert (value == 1) == np.array_equal(truth, predicted)


def test_arrays_are_taken_element_by_element():
    np.testing.assert_allclose(paper_metrics.dsc(np.array([1, 0]), np.array([1, 0]), np.array([0.0, 0])), [2 / 3, 1])
