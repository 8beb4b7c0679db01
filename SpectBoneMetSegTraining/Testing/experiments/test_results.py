"""Figures over seeds, paired differences, the rule of a finding, what is kept of scores, the table of the distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.evaluation.report import full_report
from SpectBoneMetSegTrainingLib.evaluation.scores import BINS, NAMES, CaseScores, from_flat
from SpectBoneMetSegTrainingLib.experiments.compact_scores import FIGURES, KEPT, from_record, to_record
from SpectBoneMetSegTrainingLib.experiments.nnunet.client import NnunetSettings, adapted_plans
from SpectBoneMetSegTrainingLib.experiments.page import distance, findings
from SpectBoneMetSegTrainingLib.experiments.page.results import Estimate, difference, estimates, group_difference


def scores_of(skill, count=30, seed=0):
    """Made-up patients, each with one image of a lesion of 100 pixels, of which about `skill` is found."""
    rng = np.random.default_rng(seed)
    result = []
    for number in range(count):
        hit = int(np.clip(rng.normal(skill, 0.1), 0, 1) * 100)
        extra = int(rng.integers(40))
        values = dict.fromkeys(NAMES, 0.0) | {
            **{"tp": hit, "fp": extra, "fn": 100 - hit, "tn": 5000, "images": 1, "positives": 1},
            **{"dsc": 2 * hit / (hit + extra + 100), "precision": hit / max(1, hit + extra), "recall": hit / 100},
            **{"lesions": 1 + number % 2, "found": min(hit, 1), "alarms": int(rng.integers(3))},
        }
        flat = np.concatenate([np.full(BINS.get(name, 1), values[name]) for name in NAMES])
        result.append(CaseScores(f"patient {number}", f"case {number}", from_flat(flat)))
    return result


def result_of(skill, seed=0):
    return {"cases": {"views": to_record(scores_of(skill, seed=seed))}}


def test_kept_sums_give_the_figures_that_all_sums_give():
    scores = scores_of(0.6)
    whole, kept = full_report(scores, samples=20), full_report(from_record(to_record(scores)), samples=20)
    for name in FIGURES:
        for end in ("", "_low", "_high"):
            assert kept[name + end] == pytest.approx(whole[name + end], abs=1e-4), name


def test_a_record_of_other_sums_is_refused():
    record = to_record(scores_of(0.5, 3))
    with pytest.raises(ValueError, match="other fields"):
        from_record({**record, "fields": [*KEPT, "new"]})


def test_one_seed_has_the_reports_own_interval():
    report = full_report(scores_of(0.6))
    found = estimates({0: result_of(0.6)}, "views")["dsc"]
    assert (found.value, found.low, found.high) == pytest.approx(
        (report["dsc"], report["dsc_low"], report["dsc_high"]), abs=1e-3
    )
    assert found.seeds == 1


def test_seeds_that_differ_widen_the_interval_and_average():
    one = estimates({0: result_of(0.6)}, "views")["dsc"]
    many = estimates({0: result_of(0.3), 1: result_of(0.6), 2: result_of(0.9)}, "views")["dsc"]
    assert many.seeds == 3
    assert many.high - many.low > one.high - one.low
    singles = [estimates({0: result_of(skill)}, "views")["dsc"].value for skill in (0.3, 0.6, 0.9)]
    assert many.value == pytest.approx(np.mean(singles))


def test_a_row_differs_from_itself_by_nothing_and_better_rows_by_more_than_zero():
    rows = {0: result_of(0.6), 1: result_of(0.5)}
    same = difference(rows, rows, ("views", "views"), "image_dsc")
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = difference({0: result_of(0.5)}, {0: result_of(0.8)}, ("views", "views"), "image_dsc")
    assert findings.verdict(better) == "holds"
    worse = difference({0: result_of(0.8)}, {0: result_of(0.5)}, ("views", "views"), "image_dsc")
    assert findings.verdict(worse) == "does not hold"
    assert worse.value == pytest.approx(-better.value)


def test_only_seeds_that_both_rows_have_are_compared():
    assert difference({0: result_of(0.5)}, {1: result_of(0.8)}, ("views", "views"), "dsc") is None
    found = difference({0: result_of(0.5)}, {0: result_of(0.5), 1: result_of(0.9)}, ("views", "views"), "dsc")
    assert (found.value, found.seeds) == (0, 1)


def test_groups_of_patients_are_compared_within_a_row():
    def single(score):
        return bool(score.sums.lesions[0] == 1)

    def several(score):
        return bool(score.sums.lesions[0] > 1)

    scores = scores_of(0.6, 40)
    rows = {0: {"cases": {"views": to_record(scores)}}}
    found = group_difference(rows, "views", "image_dsc", several, single)
    means = [np.mean([float(s.sums.dsc[0]) for s in scores if chosen(s)]) for chosen in (several, single)]
    assert found.value == pytest.approx(means[1] - means[0], abs=1e-3)
    assert found.low < found.value < found.high
    assert group_difference(rows, "views", "image_dsc", several, lambda _: False) is None


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_finding_holds_exactly_where_its_interval_lies_above_zero(value, below, above):
    estimate = Estimate(value, value - below, value + above, 1)
    expected = "holds" if value - below > 0 else "does not hold" if value + above < 0 else "undecided"
    assert findings.verdict(estimate) == expected
    assert findings.verdict(None) == "not run yet"


def test_the_table_of_the_distance_is_replaced_in_a_document_and_nothing_else(tmp_path):
    table = f"{distance.START}\nnew\n{distance.END}\n"
    document = tmp_path / "distance.md"
    text = f"# Distance\n\nProse.\n\n{table.replace('new', 'old')}\nMore prose.\n"
    document.write_text(text)
    distance.renew_document(document, table)
    assert document.read_text() == text.replace("old", "new")
    document.write_text(distance.START)
    with pytest.raises(UserError, match="lacks the comments around the table"):
        distance.renew_document(document, table)
    assert [path.name for path in tmp_path.iterdir()] == ["distance.md"]


def test_nnunets_plans_are_changed_only_where_requested():
    arguments = {
        "n_stages": 7,
        "features_per_stage": [32, 64, 128, 256, 512, 512, 512],
        "kernel_sizes": [[3, 3]] * 7,
        "strides": [[1, 1]] + [[2, 2]] * 6,
        "n_conv_per_stage": [2] * 7,
        "n_conv_per_stage_decoder": [2] * 6,
    }
    configuration = {"batch_size": 49, "patch_size": [256, 256], "spacing": [2.3, 2.3]}
    configuration["architecture"] = {"network_class_name": "PlainConvUNet", "arch_kwargs": arguments}
    plans = {"dataset_name": "x", "configurations": {"2d": configuration}}
    assert adapted_plans(plans, NnunetSettings()) == plans
    changed = adapted_plans(plans, NnunetSettings(batch=8, patch=128, features=8))["configurations"]["2d"]
    small = changed["architecture"]["arch_kwargs"]
    assert (changed["batch_size"], changed["patch_size"], changed["spacing"]) == (8, [128, 128], [2.3, 2.3])
    assert small["features_per_stage"] == [8, 16, 32, 64, 128, 128]
    assert {len(small[name]) for name in ("features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage")} == {6}
    assert len(small["n_conv_per_stage_decoder"]) == 5
    assert arguments["n_stages"] == 7
