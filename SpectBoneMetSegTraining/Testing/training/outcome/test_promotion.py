"""Promotion: verdicts follow the stated rule; a worse model is installed only on request."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.store import MODELS_VARIABLE, list_models, read_model
from SpectBoneMetSegTrainingLib.training.outcome.model_card import CURVE_POINTS, curves_of, data_summary
from SpectBoneMetSegTrainingLib.training.outcome.promotion import (
    COMPARISON,
    MARGIN,
    MINIMUM_PATIENTS,
    Difference,
    ParentComparison,
    comparison_of,
    promote,
    verdict_of,
)
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

DIFFERENCE = st.floats(-1, 1, allow_nan=False)


def comparison(low: float, high: float, patients: int = 40) -> ParentComparison:
    middle = (low + high) / 2
    verdict = verdict_of(low, high, patients)
    return ParentComparison(
        "thorax 1", "ab" * 32, patients, 44, 0.7 + middle, 0.7, middle, low, high, verdict, "on discs"
    )


@pytest.fixture
def make_model(bare_model, tmp_path, monkeypatch):
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "store"))

    def make(found: ParentComparison | None, seed: int = 0):
        metrics = {COMPARISON: json.loads(json.dumps(found.to_dict()))} if found else {}
        return bare_model(tmp_path / "made" / "mine", metrics, seed)

    return make


@pytest.mark.parametrize(
    ("low", "high", "patients", "verdict"),
    [
        (0.01, 0.05, 40, "better"),
        (-0.05, -0.01, 40, "worse"),
        (-0.01, 0.03, 40, "not worse"),
        (-MARGIN, 0.0, 40, "not worse"),
        (-MARGIN - 1e-6, 0.2, 40, "undecided"),
        (0.01, 0.05, MINIMUM_PATIENTS - 1, "undecided"),
        (-0.05, -0.01, 2, "worse"),
        (math.nan, math.nan, 40, "undecided"),
    ],
)
def test_verdicts_follow_the_stated_rule(low, high, patients, verdict):
    assert verdict_of(low, high, patients) == verdict


@given(DIFFERENCE, DIFFERENCE, st.integers(1, 100))
def test_better_never_includes_no_difference_and_worse_is_the_mirror_of_better(one, two, patients):
    low, high = sorted((one, two))
    assert (verdict_of(low, high, patients) == "better") <= (low > 0)
    if patients >= MINIMUM_PATIENTS:
        assert (verdict_of(low, high, patients) == "better") == (verdict_of(-high, -low, patients) == "worse")


def test_a_better_model_is_installed_and_listed(make_model):
    promote(make_model(comparison(0.01, 0.04)))
    installed = next(model for model in list_models() if model.path.name == "mine")
    found = comparison_of(installed)
    assert found.verdict == "better"
    assert found.sentence.startswith("It is better than thorax 1: DSC 0.725 against 0.700, difference +0.025 (95 %")


def test_a_single_patient_gives_no_interval_and_no_verdict(make_model):
    found = comparison_of(promote(make_model(comparison(math.nan, math.nan, patients=1))))
    assert found.verdict == "undecided"
    assert "no interval, because fewer than two patients contribute" in found.sentence


def test_a_worse_model_is_refused_with_its_figures_unless_requested(make_model):
    folder = make_model(comparison(-0.09, -0.03))
    with pytest.raises(UserError, match=r"worse than thorax 1.*-0\.060"):
        promote(folder)
    assert all(model.path.name != "mine" for model in list_models())
    assert promote(folder, even_if_worse=True).card.name == "mine"


def test_a_model_that_was_never_compared_can_be_used(make_model):
    assert comparison_of(promote(make_model(None))) is None


def test_a_model_can_be_installed_under_another_name(make_model):
    folder = make_model(comparison(0.0, 0.1))
    assert promote(folder, "other").card.name == "other"
    assert read_model(folder).card.name == "mine"
    with pytest.raises(UserError, match="not a valid model name"):
        promote(folder, "../other")


def test_an_earlier_model_of_that_name_is_not_overwritten(make_model):
    promote(make_model(None))
    with pytest.raises(UserError, match="another model 'mine'"):
        promote(make_model(None, seed=1))
    with pytest.raises(UserError, match="another model 'thorax'"):
        promote(make_model(None, seed=1), "thorax")


def test_a_comparison_survives_the_card_also_where_it_is_undefined(make_model):
    found = comparison_of(read_model(make_model(comparison(math.nan, math.nan))))
    assert math.isnan(found.low)
    assert found.verdict == "undecided"


def test_a_card_counts_its_training_data_without_names(discs, tmp_path):
    data = discs(tmp_path / "data", ["train"] * 6 + ["unlabelled"] * 2)
    summary = data_summary(data, TrainingConfig(method="semi"))
    assert [summary[group]["scans"] for group in ("labelled", "validation", "unlabelled")] == [4, 2, 2]
    assert summary["lesions"] == 6
    assert "case" not in json.dumps(summary)
    before = summary["labels_sha256"]
    changed = next((data / "instances").glob("*.nii.gz"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    assert data_summary(data, TrainingConfig(method="semi"))["labels_sha256"] != before


@pytest.mark.parametrize("steps", [0, 1, 7, 1000])
def test_learning_curves_of_a_card_are_short_and_keep_their_ends(tmp_path, steps):
    lines = [f"{step},{1 + step % 2}" for step in range(steps)]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss", *lines, ""]))
    (tmp_path / "validation.csv").write_text("\n".join(["step,dice", *(f"{i},0.5" for i in range(steps)), ""]))
    curves = curves_of(tmp_path)
    assert max(len(values) for values in curves.values()) <= CURVE_POINTS
    assert len(curves["steps"]) == len(curves["loss"]) == min(steps, CURVE_POINTS)
    if steps:
        assert curves["steps"][-1] == steps
    if steps == 1000:
        assert all(1.4 < loss < 1.6 for loss in curves["loss"])


def test_further_figures_of_both_models_are_in_the_card(make_model):
    further = {"lesion_recall": Difference(0.8, 0.75, 0.05, -0.01, 0.1)}
    undefined = {"false_alarms_per_image": Difference(0.5, math.nan, math.nan, math.nan, math.nan)}
    model = read_model(make_model(replace(comparison(0.01, 0.05), further={**further, **undefined})))
    found = comparison_of(model)
    assert found.further["lesion_recall"] == further["lesion_recall"]
    assert math.isnan(found.further["false_alarms_per_image"].parent)
    assert found.further["false_alarms_per_image"].new == 0.5
    assert comparison_of(read_model(make_model(comparison(0.01, 0.05)))).further == {}
