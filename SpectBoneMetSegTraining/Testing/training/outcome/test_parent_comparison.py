"""Comparison with the parent model: same patients and metric, thresholds chosen on other patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import read_model
from SpectBoneMetSegTrainingLib.dataset.cases import LESION, load_case
from SpectBoneMetSegTrainingLib.evaluation.predictions import as_union, union_of
from SpectBoneMetSegTrainingLib.training.outcome import parent_comparison as comparison
from SpectBoneMetSegTrainingLib.training.outcome.parent_comparison import compare_with_parent
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

pytestmark = pytest.mark.usefixtures("eager")

UNION = NetworkConfig(inputs=("aggregate",), outputs=("union",))


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 45)


@pytest.fixture
def models(bare_model, tmp_path):
    return [read_model(bare_model(tmp_path / name, seed=seed)) for seed, name in enumerate(("parent", "child"))]


@pytest.fixture
def predictors(monkeypatch):
    """Predictions of each model: {its name: crop -> {view: probability}}."""
    predictors = {}

    def predictions(model, data, cases, region):
        crops = [load_case(data, case, region=region) for case in cases]
        if model.card.network.outputs == ("union",):
            crops = [union_of(crop) for crop in crops]
        return [(crop, predictors[model.card.name](crop)) for crop in crops]

    monkeypatch.setattr(comparison, "_predictions", predictions)
    return predictors


def truth(crop, high: float = 0.9, noise: float = 0.0):
    """The labels as probabilities; with noise, also a strip next to them."""
    maps = {view: np.where(label == LESION, high, 0.0).astype(np.float32) for view, label in crop.labels.items()}
    return {view: np.maximum(values, np.roll(values, 4, 1) * (noise / high)) for view, values in maps.items()}


def compare(models, data):
    return compare_with_parent(models[1], str(models[0].path), data, TrainingConfig())


def test_a_model_that_predicts_the_labels_is_better_than_one_that_predicts_more(models, predictors, data):
    predictors["child"], predictors["parent"] = truth, lambda crop: truth(crop, noise=0.8)
    found = compare(models, data)
    assert found.patients == 9
    assert found.verdict == "better"
    assert found.dice > 0.97 > found.parent_dice
    assert found.difference == pytest.approx(found.dice - found.parent_dice)
    assert 0 < found.low <= found.difference <= found.high
    predictors["child"], predictors["parent"] = predictors["parent"], predictors["child"]
    # The child's thresholds are chosen again and exclude the strip; the parent's are those of its card.
    assert compare(models, data).verdict == "not worse"


def test_the_same_predictions_make_no_difference(models, predictors, data):
    predictors["child"] = predictors["parent"] = truth
    found = compare(models, data)
    assert (found.difference, found.low, found.high, found.verdict) == (0, 0, 0, "not worse")


def test_thresholds_are_chosen_on_other_patients_than_they_are_measured_on(models, predictors, data):
    validation = sorted(comparison.training_cases(data, TrainingConfig()).validation)
    low = set(validation[1::2])
    predictors["parent"] = truth
    predictors["child"] = lambda crop: truth(crop, 0.35) if crop.case in low else truth(crop, noise=0.6)
    # Each half has thresholds without any error; those of the other half miss lesions or predict too much.
    assert compare(models, data).dice < 0.9


@pytest.mark.parametrize("of_union", ["parent", "child"])
def test_a_union_model_and_its_counterpart_are_both_measured_on_the_union(models, predictors, data, of_union):
    predictors["child"] = predictors["parent"] = truth
    models = [
        replace(model, card=replace(model.card, network=UNION)) if model.card.name == of_union else model
        for model in models
    ]
    before = comparison.find_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "find_model", lambda name: models[0] if name else before(name))
        found = compare(models, data)
    assert found.dice == found.parent_dice > 0.97


def test_a_single_posterior_view_counts_in_the_union(data):
    crop = load_case(data, "case0")
    only = replace(crop, counts={"posterior": crop.counts["posterior"]}, labels={"posterior": crop.labels["posterior"]})
    only = replace(only, instances={"posterior": crop.instances["posterior"]})
    union, probabilities = as_union((only, truth(only)))
    assert set(union.labels) == set(probabilities) == {"anterior"}
    assert (union.labels["anterior"] == LESION).any()


def test_without_validation_patients_nothing_is_compared(models, predictors, discs, tmp_path):
    config = TrainingConfig(labels=1)
    with pytest.raises(UserError, match="no validation patients"):
        compare_with_parent(models[1], str(models[0].path), discs(tmp_path / "d", ["train"] * 5), config)
