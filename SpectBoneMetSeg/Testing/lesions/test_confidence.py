"""How likely an area is one: from the card through a reading to its table, also after manual edits."""

from __future__ import annotations

import csv
import dataclasses
import math

import numpy as np
import pytest
from SpectBoneMetSegLib.export.table import write_lesion_table
from SpectBoneMetSegLib.lesions.confidence import area_features, scan_features, with_confidence
from SpectBoneMetSegLib.lesions.edits import Edits
from SpectBoneMetSegLib.lesions.model_result import Limits, ModelResult
from SpectBoneMetSegLib.lesions.redraw import reading_at
from SpectBoneMetSegLib.lesions.review import Review, reviewed
from SpectBoneMetSegLib.lesions.serialisation import load_result, save_result
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.confidence import AREA_FEATURES, SCAN_FEATURES, Confidence
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.quantification.quantify import quantify
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

#: Half as sure as the network's highest pixel is, on the scale of logits.
HALF = Confidence((0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0), (-1.0, 0.5, 1.0))


@pytest.fixture
def result():
    """Two areas in the anterior view, of probability 0.9 and 0.6."""
    counts = np.random.default_rng(0).poisson(20, (60, 40))
    counts[10:16, 5:12] += 60
    scan = WholeBodyScan("case", PlanarView(counts, (2.0, 2.0), "anterior"), None)
    probability = np.zeros((60, 40), np.float32)
    probability[10:16, 5:12], probability[40:44, 20:26] = 0.9, 0.6
    crop = ThoraxCrop((0, 60), (0, 40), 1.0, (), "whole-body")
    return ModelResult(scan, crop, {"anterior": probability}, Limits(0.5, 0.5, 0.0), {}, HALF)


def test_an_area_is_as_likely_as_the_card_says(result):
    first, second = reading_at(result, 0.5, 0.0).lesions
    # The logit of 0.9 is log 9, half of it log 3.
    assert first.confidence == pytest.approx(3 / 4, abs=1e-4)
    assert second.confidence == pytest.approx(1 / (1 + math.sqrt(4 / 6)), abs=1e-4)


def test_a_scan_is_as_likely_as_its_areas_make_it(result):
    reading = reading_at(result, 0.5, 0.0)
    areas = [lesion.confidence for lesion in reading.lesions]
    logit = -1 + 0.5 * math.log(9) + math.log1p(sum(areas))
    assert reading.confidence == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)
    assert reading.receipt["confidence"] == reading.confidence
    assert reading_at(result, 0.95, 0.0).confidence < reading.confidence


def test_a_model_without_regions_returns_none(result):
    reading = reading_at(dataclasses.replace(result, confidence=None), 0.5, 0.0)
    assert reading.confidence is None
    assert [lesion.confidence for lesion in reading.lesions] == [None, None]


def test_what_was_drawn_where_the_network_saw_nothing_has_none(result):
    drawn = np.zeros((60, 40), bool)
    drawn[50:55, 30:35] = True
    edits = Edits(drawn, np.zeros_like(drawn), {"anterior": drawn.copy()})
    lesions = reading_at(result, 0.5, 0.0, edits).lesions
    assert [lesion.confidence is None for lesion in lesions] == [False, False, True]


def test_a_review_keeps_it_and_the_table_holds_it(result, tmp_path):
    reading = reading_at(result, 0.5, 0.0)
    final = reviewed(result, reading, {1: Review("rejected"), 2: Review("accepted")})
    assert final.lesions[0].confidence == reading.lesions[1].confidence
    assert final.rejected[0].confidence == reading.lesions[0].confidence
    write_lesion_table(final, str(tmp_path / "lesions.csv"), quantify(final))
    rows = list(csv.DictReader((tmp_path / "lesions.csv").open()))
    assert [float(row["confidence"]) for row in rows] == pytest.approx(
        [reading.lesions[1].confidence, reading.lesions[0].confidence], abs=1e-5
    )


def test_it_goes_with_a_result_to_another_process(result, tmp_path):
    save_result(result, tmp_path / "result.npz")
    assert load_result(tmp_path / "result.npz").confidence == HALF


def test_a_card_keeps_it_and_one_without_it_opens():
    card = ModelCard("mine", NetworkConfig(), confidence=HALF)
    assert ModelCard.from_dict(card.to_dict()) == card
    assert ModelCard.from_dict({"name": "old", "network": NetworkConfig().to_dict()}).confidence is None


def test_a_card_without_a_weight_for_other_areas_gives_them_no_weight():
    reported = HALF.to_dict()
    del reported["area"]["others"]
    assert Confidence.from_dict(reported) == HALF


def test_an_area_among_others_has_a_higher_confidence_if_the_model_was_calibrated_so(result):
    lesions = reading_at(result, 0.5, 0.0).lesions
    aware = Confidence((0.0,) * 6 + (1.0,))
    alone, together = (with_confidence(own, aware, 0.5) for own in (lesions[:1], lesions[:2]))
    assert alone[0].confidence == pytest.approx(0.5)
    assert together[0].confidence == pytest.approx(2 / 3)


@pytest.mark.parametrize("weights", [(1.0,), (1.0,) * 8, (math.nan,) * 7])
def test_weights_of_another_kind_are_refused(weights):
    with pytest.raises(ValueError, match="intercept and 6 weights"):
        Confidence(weights, (0.0,) * (1 + len(SCAN_FEATURES)))


def test_features_are_finite_at_the_ends(result):
    lesion = reading_at(result, 0.5, 0.0).lesions[0]
    odd = {name: dataclasses.replace(view, contrast=math.nan) for name, view in lesion.views.items()}
    features = area_features(dataclasses.replace(lesion, max_probability=1.0, mean_probability=0.0, views=odd), 0)
    assert len(features) == len(AREA_FEATURES)
    assert all(map(math.isfinite, (*features, *scan_features([], 0.0))))
