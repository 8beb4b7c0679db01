"""A model without detections, and patients without lesions: metrics are undefined, not perfect."""

from __future__ import annotations

import numpy as np
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.cli.evaluate import print_metrics
from SpectBoneMetSegTrainingLib.dataset.cases import LabelledCrop
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator, evaluate_cases
from SpectBoneMetSegTrainingLib.evaluation.report import full_report, plain
from SpectBoneMetSegTrainingLib.evaluation.scores import score_cases
from SpectBoneMetSegTrainingLib.training.validation import pooled_dice

SIDE = 32
DELINEATOR = Delineator(0.5, 0.5, 0.0)


def crop(*, lesion):
    label, ids = np.zeros((SIDE, SIDE), np.uint8), np.zeros((1, SIDE, SIDE), np.uint16)
    if lesion:
        label[8:12, 8:12], ids[0, 8:12, 8:12] = 1, 1
    lesions = [{"id": 1, "labelled": {"anterior": True}}] if lesion else []
    counts = {"anterior": np.full((SIDE, SIDE), 20, np.float32)}
    return LabelledCrop("one", counts, {"anterior": label}, {"anterior": ids}, lesions, ())


def blind(case):
    return case, {"anterior": np.zeros((SIDE, SIDE), np.float32)}


def test_a_model_without_detections_has_no_precision(capsys):
    predictions = [blind(crop(lesion=True))]
    report = plain(full_report(score_cases(predictions, DELINEATOR, {"one": "P1"}), samples=20))
    assert (report["cpa_precision"], report["dsc"], report["recall"]) == (None, 0, 0)
    figures = {**evaluate_cases(predictions, DELINEATOR), "report": report}
    assert figures["both views"]["precision"] is None
    assert figures["both views"]["dice"] == 0
    print_metrics("title", figures)
    printed = {line[:34].strip(): line[34:].split() for line in capsys.readouterr().out.splitlines()}
    assert printed["precision, pooled"] == ["-"]


def test_patients_without_a_lesion_have_no_dice():
    figures = evaluate_cases([blind(crop(lesion=False))], DELINEATOR)
    assert figures["both views"]["dice"] is None
    for probability in (0.0, 0.9):
        found = pooled_dice(lambda _, p=probability: np.full((SIDE, SIDE, 2), p), [crop(lesion=False)], NetworkConfig())
        assert np.isnan(found)
