"""Evaluation of flagged cases, and of scans with one view."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.dataset.cases import LESION, LabelledCrop
from SpectBoneMetSegTrainingLib.evaluation import predictions as evaluation
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator, evaluate_cases, predict_cases, union_of

VIEWS = ("anterior", "posterior")
DELINEATOR = Delineator(0.5, 0.5, 0.0)


def crop_with_lesion(views=VIEWS, flags=()):
    instances = np.zeros((1, 32, 32), np.uint16)
    instances[0, 4:8, 4:8] = 1
    label = np.where(instances[0] == 1, LESION, 0).astype(np.uint8)
    counts = np.full((32, 32), 20, np.float32)
    lesions = [{"id": 1, "labelled": dict.fromkeys(views, True)}]
    maps = (dict.fromkeys(views, value) for value in (counts, label, instances))
    return LabelledCrop("a", *maps, lesions, flags)


def perfect(crop):
    return {view: np.where(label == LESION, 0.9, 0.05).astype(np.float32) for view, label in crop.labels.items()}


def blind(crop):
    return {view: np.full(label.shape, 0.05, np.float32) for view, label in crop.labels.items()}


def test_flagged_cases_are_excluded_from_pooled_figures_and_reported_separately():
    plain, super_, cold = (crop_with_lesion(flags=flags) for flags in ((), ("superscan",), ("cold lesions",)))
    both = replace(super_, flags=("superscan", "cold lesions"))
    predictions = [(plain, perfect(plain)), (super_, blind(super_)), (cold, perfect(cold)), (both, blind(both))]
    figures = evaluate_cases(predictions, DELINEATOR)
    alone = evaluate_cases(predictions[:1], DELINEATOR)
    assert {**figures, "flagged": {}} == alone
    assert figures["cases"] == 1
    assert figures["both views"]["dice"] == 1.0
    assert set(figures["flagged"]) == {"superscan", "cold lesions"}
    assert figures["flagged"]["superscan"]["cases"] == 2
    assert figures["flagged"]["superscan"]["both views"]["lesion_recall"] == 0.0
    assert figures["flagged"]["cold lesions"]["both views"]["lesion_recall"] == 0.5


@pytest.mark.parametrize("view", VIEWS)
def test_a_scan_with_one_view_is_predicted_and_counted_in_that_view_only(monkeypatch, tmp_path, view):
    crop = crop_with_lesion(views=(view,))
    monkeypatch.setattr(evaluation, "load_case", lambda *_case, **_what: crop)
    given = []

    def predict(inputs):
        given.append(inputs)
        return np.stack([np.full((32, 32), value, np.float32) for value in (0.1, 0.9)], axis=-1)

    ((found, probabilities),) = predict_cases(tmp_path, ["a"], predict, NetworkConfig())
    assert set(probabilities) == {view}
    assert not given[0][..., 1 - VIEWS.index(view)].any()
    assert given[0][..., VIEWS.index(view)].any()
    other = VIEWS[1 - VIEWS.index(view)]
    figures = evaluate_cases([(found, perfect(found))], DELINEATOR)
    assert figures[view]["images"] == 1
    assert figures[other]["images"] == 0
    assert figures["both views"]["dice"] == 1.0


def test_the_union_of_one_view_is_that_view_and_keeps_the_flags():
    crop = union_of(crop_with_lesion(views=("posterior",), flags=("superscan",)))
    assert set(crop.labels) == {"anterior"}
    assert (crop.labels["anterior"] == LESION).sum() == 16
    assert crop.lesions[0]["labelled"] == {"anterior": True}
    assert crop.flags == ("superscan",)
