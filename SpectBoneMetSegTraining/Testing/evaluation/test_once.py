"""Evaluation predicts and delineates every case once; a validation predicts every case once."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions import redraw
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.engines import NetworkOutput
from SpectBoneMetSegTrainingLib.dataset.opened import DataSet
from SpectBoneMetSegTrainingLib.evaluation import case_evaluation, predictions
from SpectBoneMetSegTrainingLib.evaluation.case_evaluation import EvaluationRequest, evaluate_each
from SpectBoneMetSegTrainingLib.evaluation.metrics import by_view
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator, evaluate_cases
from SpectBoneMetSegTrainingLib.evaluation.scores import score_cases
from SpectBoneMetSegTrainingLib.training import validation
from SpectBoneMetSegTrainingLib.training.validation import CachedPredictions
from support.scored_cases import PLAIN, crop_of, marks, perfect

NETWORK = NetworkConfig()


@pytest.fixture
def delineations(monkeypatch):
    """A list with one entry for every delineation."""
    counted = []

    def counting(real):
        def delineate(*args, **options):
            counted.append(1)
            return real(*args, **options)

        return delineate

    for module in (predictions, redraw):
        monkeypatch.setattr(module, "lesion_masks", counting(module.lesion_masks))
    return counted


@pytest.mark.parametrize("confidence", [None, "some"])
def test_evaluation_predicts_and_delineates_every_case_once(discs, tmp_path, delineations, monkeypatch, confidence):
    data, shapes = DataSet(discs(tmp_path / "d", ["test"] * 3)), []

    def answer(inputs):
        shapes.append(inputs.shape)
        return NetworkOutput(np.full((*inputs.shape[:2], 2), 0.2, np.float32), None)

    card = SimpleNamespace(network=NETWORK, confidence=confidence, **vars(Delineator()))
    monkeypatch.setattr(case_evaluation, "load_engine", lambda *_: SimpleNamespace(predict_all=answer))
    request, cases = EvaluationRequest("auto", "agreed", "thorax", "thorax"), [f"case{number}" for number in range(3)]
    results = list(evaluate_each(data, SimpleNamespace(card=card), request, cases))
    assert [one.scores.case for one in results] == ["case0", "case1", "case2"]
    assert len(shapes) == len(delineations) == 3
    assert [len(one.detections) for one in results] == [1 if confidence else 0] * 3
    assert [one.confusions for one in results] == [[]] * 3


def test_the_table_of_scores_is_that_of_the_cases_themselves():
    one, two = crop_of("a", [((4, 8), (4, 8))], views=("posterior",)), crop_of("b", [((4, 8), (4, 8))])
    none, flagged = crop_of("c"), crop_of("d", [((4, 8), (4, 8))], flags=("superscan",))
    predicted = [(one, perfect(one)), (two, marks(two, ((0, 2), (0, 2)))), (none, marks(none, ((9, 12), (9, 12))))]
    predicted.append((flagged, perfect(flagged)))
    scores = score_cases(predicted, PLAIN)
    assert by_view((score.flags, score.counts) for score in scores) == evaluate_cases(predicted, PLAIN)
    assert by_view([(score.flags, score.counts) for score in scores])["views without any lesion"]["images"] == 2


def test_predictions_are_cached_up_to_the_memory_limit(monkeypatch):
    shapes = []

    def predict(inputs):
        shapes.append(inputs.shape)
        return np.zeros((*inputs.shape[:2], 2), np.float32)

    cached, crop = CachedPredictions(predict, NETWORK), crop_of("a")
    assert cached(crop) is cached(crop)
    assert len(shapes) == 1
    monkeypatch.setattr(validation, "PREDICTION_CACHE_BYTES", 0)
    uncached = CachedPredictions(predict, NETWORK)
    np.testing.assert_array_equal(uncached(crop), uncached(crop))
    assert len(shapes) == 3
