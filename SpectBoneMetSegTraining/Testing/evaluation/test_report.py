"""Report: figures with intervals, paired difference of two models, files."""

import csv
import json
from dataclasses import replace
from math import isfinite, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib.model.confidence import AREA_FEATURES
from SpectBoneMetSegTrainingLib.evaluation import bootstrap
from SpectBoneMetSegTrainingLib.evaluation.bootstrap import draw_patients
from SpectBoneMetSegTrainingLib.evaluation.confidence_metrics import ScanDetections, observed_shares
from SpectBoneMetSegTrainingLib.evaluation.report import compare_models, figures, full_report, write_report
from SpectBoneMetSegTrainingLib.evaluation.scores import CaseScores, from_flat, score_cases
from SpectBoneMetSegTrainingLib.evaluation.shares import share_interval, wilson
from support.scored_cases import PLAIN, SEEDS, crop_of, marks, perfect, random_cases, report_of


def test_the_figures_of_a_worked_example():
    lesion, missed = ((4, 8), (4, 8)), ((20, 24), (20, 30))  # 16 pixels of 82 mm2 and 40 of 204 mm2
    crop = crop_of("a", [lesion, missed], ignored=[((30, 34), (2, 6))], views=("anterior",))
    # Half of the small lesion, as many pixels next to it, a false alarm of 2 pixels and the ignored lesion.
    found = marks(crop, ((4, 8), (6, 10)), ((36, 37), (30, 32)), ((30, 34), (2, 6)))
    empty = crop_of("b", views=("anterior",))
    report = report_of((crop, found), (empty, marks(empty, ((2, 3), (2, 3)))))
    assert (report["images"], report["positive_images"], report["negative_images"]) == (2, 1, 1)
    assert (report["lesions"], report["lesions_small"], report["lesions_middle"], report["lesions_large"]) == (
        2,
        1,
        1,
        0,
    )
    tp, fp, fn, ignored = 8, 8 + 2 + 1, 8 + 40, 16
    tn = 2 * 1600 - ignored - tp - fp - fn
    assert report["dsc"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert report["cpa_precision"] == pytest.approx(tp / (tp + fp))
    assert report["cpa_pixel_accuracy"] == pytest.approx((tp + tn) / (3200 - ignored))
    assert report["cpa_class_mean"] == pytest.approx((tp / (tp + fn) + tn / (tn + fp)) / 2)
    assert report["recall"] == pytest.approx(tp / (tp + fn))
    # Per image: the one with lesions has one false pixel less; the other is wrong.
    assert report["image_dsc"] == pytest.approx(16 / (16 + 10 + 48))
    assert report["image_dsc_all"] == pytest.approx(report["image_dsc"] / 2)
    assert report["image_cpa_precision"] == pytest.approx(8 / 18)
    assert report["image_recall"] == pytest.approx(8 / 56)
    assert report["lesion_recall"] == 0.5
    assert report["lesion_f1_overlap"] == pytest.approx(2 / (2 + 1 + 2))
    assert report["lesion_f1_iou10"] == pytest.approx(2 / (2 + 1 + 2))
    assert (report["false_alarms_per_image"], report["false_alarms_per_negative_image"]) == (1, 1)
    assert (report["froc_0_5"], report["froc_1"]) == (0, 0.5)
    assert report["froc_mean"] == pytest.approx((0 + 0 + 0.5 + 0.5 + 0.5) / 5)
    assert report["matched_lesions"] == 1
    assert report["hd95_mm"] == pytest.approx(2 * 2.26)
    assert 0 < report["assd_mm"] < report["hd95_mm"]
    assert (report["lesion_recall_small"], report["recall_small"], report["lesion_recall_middle"]) == (1, 0.5, 0)
    assert np.isnan(report["lesion_recall_large"])


def test_a_perfect_model_has_perfect_figures():
    positive, negative = crop_of("a", [((4, 8), (4, 8)), ((20, 35), (10, 30))]), crop_of("b")
    report = report_of((positive, perfect(positive)), (negative, perfect(negative)))
    one = ("dsc", "image_dsc_all", "cpa_precision", "cpa_pixel_accuracy", "recall", "lesion_f1_overlap", "froc_0_25")
    assert {
        report[name] for name in (*one, "lesion_f1_iou10", "recall_large", "image_cpa_class_mean", "image_dsc")
    } == {1}
    zero = ("hd95_mm", "assd_mm", "ece", "false_alarms_per_image", "false_alarms_per_negative_image")
    assert {report[name] for name in zero} == {0}


def test_a_model_without_detections_has_precision_0_per_image_and_no_distance():
    crop = crop_of("a", [((4, 8), (4, 8))])
    report = report_of((crop, marks(crop)))
    assert (report["image_cpa_precision"], report["image_dsc"], report["lesion_f1_overlap"]) == (0, 0, 0)
    assert np.isnan(report["hd95_mm"])
    assert np.isnan(report["false_alarms_per_negative_image"])


def test_one_detection_over_all_lesions_does_not_count_when_outlines_are_matched():
    crop = crop_of("a", [((4, 8), (4, 8)), ((12, 16), (4, 8))])
    report = report_of((crop, marks(crop, ((2, 18), (2, 30)))))
    assert report["lesion_f1_overlap"] == 1  # everything is touched
    assert report["lesion_f1_iou10"] == 0  # nothing is outlined


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_figures_are_bounded_and_every_interval_is_in_order(seed):
    report = full_report(random_cases(seed), samples=200)
    sizes = [name for name in report if f"{name}_low" not in report and not name.endswith(("_low", "_high"))]
    assert all(isinstance(report[name], int) for name in sizes)
    for name in (name for name in report if f"{name}_low" in report):
        values = np.array([report[f"{name}_low"], report[name], report[f"{name}_high"]])
        if np.isfinite(values).all():
            assert 0 <= values[0] <= values[2]
            if not name.endswith("_mm") and not name.startswith("false_alarms"):
                assert values.max() <= 1 + 1e-12


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_interval_of_pooled_figures_covers_the_figure(seed):
    report = full_report(random_cases(seed, count=20), samples=500)
    for name in ("dsc", "cpa_precision", "cpa_pixel_accuracy", "recall", "lesion_f1_overlap", "false_alarms_per_image"):
        assert report[f"{name}_low"] - 1e-12 <= report[name] <= report[f"{name}_high"] + 1e-12


@given(SEEDS, st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_cases_does_not_matter(seed, shuffler):
    cases = random_cases(seed)
    shuffled = cases.copy()
    shuffler.shuffle(shuffled)
    one, two = full_report(cases, samples=50), full_report(shuffled, samples=50)
    assert one.keys() == two.keys()
    np.testing.assert_array_equal(list(one.values()), list(two.values()))


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    cases = random_cases(1)
    np.testing.assert_array_equal(list(full_report(cases).values()), list(full_report(cases).values()))
    assert full_report(cases, seed=1)["dsc_low"] != full_report(cases, seed=2)["dsc_low"]


def test_whole_patients_are_drawn_not_cases():
    # Four equal cases per patient: drawing cases instead of patients would only narrow the interval.
    cases = random_cases(3, count=8)
    repeated = [replace(case, case=f"{case.case} {i}") for case in cases for i in range(4)]
    assert full_report(repeated)["dsc_low"] == pytest.approx(full_report(cases)["dsc_low"])
    alone = [replace(case, patient="one") for case in cases]
    report = full_report(alone, samples=50)
    assert isfinite(report["dsc"])
    assert isnan(report["dsc_low"])
    assert isnan(report["dsc_high"])
    assert report["patients"] == 1


def test_a_figure_of_a_single_patient_has_no_interval_though_there_are_more_patients():
    with_lesion, without = crop_of("a", [((4, 8), (4, 8))]), crop_of("b")
    scores = score_cases([(with_lesion, perfect(with_lesion)), (without, perfect(without))], PLAIN)
    report = full_report(scores, samples=50)
    assert (report["recall"], report["patients"]) == (1, 2)
    assert isnan(report["recall_low"])
    assert report["false_alarms_per_image_low"] == report["false_alarms_per_image_high"] == 0


def test_each_sample_draws_as_many_patients_as_there_are():
    weights = draw_patients(7, 300, 0)
    assert weights.shape == (300, 7)
    assert set(weights.sum(1)) == {7}
    assert weights.mean() == 1


def test_the_interval_has_the_theoretical_width():
    # 100 patients of one image each: pooled recall of 0.5 +- 0.05, if half of them are found completely.
    hit, miss = (crop_of("a", [((4, 8), (4, 8))], views=("anterior",)) for _ in range(2))
    found, missed = score_cases([(hit, perfect(hit)), (miss, marks(miss))], PLAIN)
    sums = [(found if i % 2 else missed).sums for i in range(100)]
    report = full_report([CaseScores(str(i), str(i), one) for i, one in enumerate(sums)], samples=4000)
    assert report["recall_low"] == pytest.approx(0.5 - 1.96 * 0.05, abs=0.015)
    assert report["recall_high"] == pytest.approx(0.5 + 1.96 * 0.05, abs=0.015)


def test_a_model_does_not_differ_from_itself_and_a_better_one_is_significantly_better():
    cases, better = random_cases(5, 20, skill=0.4), random_cases(5, 20, skill=0.9)
    same = compare_models(cases, cases, samples=100)
    assert {same[name] for name in ("dsc", "dsc_low", "dsc_high", "froc_mean_high")} == {0}
    difference = compare_models(cases, better, samples=500)
    assert difference["dsc"] == pytest.approx(full_report(better)["dsc"] - full_report(cases)["dsc"])
    assert 0 < difference["dsc_low"] <= difference["dsc"] <= difference["dsc_high"]
    back = compare_models(better, cases, samples=500)
    assert back["dsc_low"] == pytest.approx(-difference["dsc_high"])


def test_the_difficulty_of_patients_cancels_in_the_paired_difference():
    # Patients differ much; the models differ by the same small amount in each.
    rng = np.random.default_rng(0)
    template = random_cases(0, 1)[0].sums
    one, two = [], []
    for i in range(30):
        hits = float(rng.integers(0, 90))
        for scores, more in ((one, 0.0), (two, 5.0)):
            sums = replace(template, tp=np.array([hits + more]), fn=np.array([100 - hits - more]), fp=np.zeros(1))
            scores.append(CaseScores(str(i), str(i), sums))
    difference = compare_models(one, two)
    assert difference["recall"] == pytest.approx(0.05)
    paired = difference["recall_high"] - difference["recall_low"]
    assert paired < 1e-9
    alone = full_report(one)
    assert alone["recall_high"] - alone["recall_low"] > 0.1


def test_a_difference_to_which_one_patient_contributes_has_no_interval():
    cases, better = random_cases(1, 2, skill=0.4), random_cases(1, 2, skill=0.9)
    difference = compare_models(cases, better, samples=50)
    assert np.isfinite(difference["dsc"])
    assert np.isnan([difference["dsc_low"], difference["dsc_high"]]).all()


def test_only_models_scored_on_the_same_cases_are_compared():
    cases = random_cases(1)
    with pytest.raises(ValueError, match="same cases"):
        compare_models(cases, cases[1:])
    with pytest.raises(ValueError, match="once"):
        full_report([*cases, cases[0]])
    with pytest.raises(ValueError, match="at least one"):
        full_report([])


def test_samples_can_be_computed_together_or_one_by_one():
    stacked = np.stack([case.sums.flat() for case in random_cases(4)])
    together = figures(from_flat(stacked))
    for row, values in enumerate(stacked):
        alone = figures(from_flat(values))
        for name in together:
            np.testing.assert_array_equal(together[name][row], alone[name])


def test_a_report_is_written_as_json_and_csv_with_flat_names(tmp_path):
    crops = [crop_of(name, [((4, 8), (4, 8))]) for name in ("a", "b")]
    report = report_of(*((crop, marks(crop)) for crop in crops))
    write_report(tmp_path, report)
    flat = json.loads((tmp_path / "report.json").read_text())
    assert flat.keys() == report.keys()
    assert flat["hd95_mm"] is None
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = {row["figure"]: row for row in csv.DictReader(file)}
    assert float(rows["dsc"]["value"]) == report["dsc"]
    assert float(rows["recall"]["high"]) == report["recall_high"]
    assert rows["hd95_mm"]["value"] == rows["lesions"]["low"] == ""
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.csv"}


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
