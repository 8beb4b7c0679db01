"""Calibration and discrimination of the confidence of detections and scans, against worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.lesions.model_result import Limits
from SpectBoneMetSegLib.model.confidence import AREA_FEATURES
from SpectBoneMetSegTrainingLib.dataset.cases import BACKGROUND, IGNORE, LESION, LabelledCrop
from SpectBoneMetSegTrainingLib.evaluation.confidence_metrics import (
    auroc,
    confidence_metrics,
    reliability,
    scan_detections,
)
from SpectBoneMetSegTrainingLib.training.outcome.calibration import cross_fitted, fit_confidence

SHAPE = (64, 48)
ROWS = {"hit": slice(4, 9), "missed": slice(20, 25), "ignored": slice(36, 41), "false": slice(52, 57)}


def case(name="a", values=(LESION, LESION, IGNORE), *, posterior=False):
    """A scan with detections on a lesion, on an "ignore" lesion and on background, and a missed lesion."""
    counts = {"anterior": np.full(SHAPE, 20, np.float32)}
    label = np.full(SHAPE, BACKGROUND, np.uint8)
    probability = np.zeros(SHAPE, np.float32)
    for (kind, rows), value in zip(ROWS.items(), (*values, BACKGROUND), strict=True):
        label[rows, 8:14] = value
        if kind != "missed":
            probability[rows, 8:14] = 0.8
    labels, maps = {"anterior": label}, {"anterior": probability}
    if posterior:
        counts["posterior"], labels["posterior"] = counts["anterior"].copy(), np.full(SHAPE, BACKGROUND, np.uint8)
        maps["posterior"] = np.zeros(SHAPE, np.float32)
    return LabelledCrop(name, counts, labels, {}, []), maps


@pytest.mark.parametrize("posterior", [False, True])
def test_a_detection_is_true_on_a_lesion_unknown_on_ignore_and_false_elsewhere(posterior):
    [scan] = scan_detections([case(posterior=posterior)], Limits())
    np.testing.assert_array_equal(scan.true, [1, np.nan, 0])
    assert scan.diseased is True
    assert scan.max_probability == pytest.approx(0.8)


def test_a_detection_in_the_posterior_view_is_compared_at_its_own_position():
    crop, maps = case()
    turned = LabelledCrop("a", {"posterior": crop.counts["anterior"]}, {"posterior": crop.labels["anterior"]}, {}, [])
    [scan] = scan_detections([(turned, {"posterior": maps["anterior"]})], Limits())
    np.testing.assert_array_equal(scan.true, [1, np.nan, 0])


def test_a_scan_is_diseased_healthy_or_unknown():
    kinds = [(LESION, LESION, IGNORE), (BACKGROUND, BACKGROUND, IGNORE), (BACKGROUND,) * 3]
    scans = scan_detections([case(str(number), values=values) for number, values in enumerate(kinds)], Limits())
    assert [scan.diseased for scan in scans] == [True, None, False]


def test_a_scan_without_detections_and_a_flagged_one():
    crop, maps = case()
    flagged = LabelledCrop("b", crop.counts, crop.labels, {}, [], ("superscan",))
    [scan] = scan_detections([(crop, {"anterior": 0 * maps["anterior"]}), (flagged, maps)], Limits())
    assert scan.features.shape == (0, len(AREA_FEATURES))


def test_reliability_of_a_worked_example():
    figures = reliability([0.25, 0.25, 0.85, 0.85, None], np.array([0.0, 1.0, 1.0, 1.0, 1.0]))
    # Two bins of two: (1 - 0.5) / 4 and (2 - 1.7) / 4.
    assert figures == {"n": 4, "true": 3, "ece": 0.2, "auroc": 0.8333, "brier": 0.1675, "brier_of_base_rate": 0.1875}
    assert reliability([], np.zeros(0))["ece"] is None
    assert reliability([0.5], np.ones(1))["auroc"] is None


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40))
def test_auroc_is_the_share_of_pairs_in_order(pairs):
    p = np.array([value / 9 for value, _ in pairs])
    true = np.array([float(flag) for _, flag in pairs])
    ordered = [(a > b) + (a == b) / 2 for a in p[true == 1] for b in p[true == 0]]
    if ordered:
        assert auroc(p, true) == pytest.approx(np.mean(ordered))
    else:
        assert np.isnan(auroc(p, true))


def many(count, seed):
    """Scans with calibrated detections; half of them show disease."""
    rng = np.random.default_rng(seed)
    scans = []
    for number in range(count):
        label, probability = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.float32)
        diseased = number % 2 == 0
        for row in (4, 20, 36, 52):
            value = rng.uniform(0.55, 0.95)
            probability[row : row + 5, 8:14] = value
            if diseased and rng.random() < 2 * value - 1:
                label[row : row + 5, 8:14] = LESION
        crop = LabelledCrop(f"c{number}", {"anterior": np.full(SHAPE, 20, np.float32)}, {"anterior": label}, {}, [])
        scans.append((crop, {"anterior": probability}))
    return scan_detections(scans, Limits())


def test_a_fit_is_calibrated_on_other_scans_and_cross_validation_agrees():
    scans = many(60, 0)
    confidence = fit_confidence(scans)
    for figures in (confidence_metrics(many(60, 1), confidence), cross_fitted(scans, {})):
        assert figures["areas"]["n"] == 240
        assert figures["areas"]["ece"] < 0.1
        assert figures["areas"]["brier"] < figures["areas"]["brier_of_base_rate"]
        assert figures["scans"]["n"] == 60


def test_too_few_detections_of_a_class_give_no_fit_and_only_diseased_patients_no_model_of_scans():
    assert fit_confidence([]) is None
    assert fit_confidence(many(2, 0)) is None
    diseased = [scan for scan in many(60, 0) if scan.diseased]
    assert fit_confidence(diseased).scan is None
