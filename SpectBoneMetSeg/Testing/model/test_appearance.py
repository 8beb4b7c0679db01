"""A scan that looks like none that was learnt from is told; one like them is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.model.appearance import APPEARANCE, appearance_of, ranges_of, unlike
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"
SPACING = 2.26


@pytest.fixture(scope="module")
def counts():
    """The sample's anterior view, simulated."""
    return read_scan(SAMPLE).anterior.counts.astype(np.float32)


@pytest.fixture(scope="module")
def learnt(counts):
    """Ranges of the sample with half to twice its counts, a little narrower and wider."""
    rng = np.random.default_rng(0)
    scans = [rng.poisson(counts * factor).astype(np.float32) for factor in (0.5, 0.7, 1.0, 1.4, 2.0)]
    scans += [ndimage.zoom(counts, (size, size), order=1) for size in (0.92, 1.08)]
    return ranges_of(appearance_of(scan, SPACING) for scan in scans)


def test_every_number_is_measured_and_counts_alone_change_the_level_and_little_else(counts):
    one = appearance_of(counts, SPACING)
    half = appearance_of(np.random.default_rng(1).binomial(counts.astype(int), 0.5).astype(np.float32), SPACING)
    assert set(one) == set(APPEARANCE)
    assert half["level"] == pytest.approx(one["level"] / 2, rel=0.03)
    for name in ("contrast", "tissue", "width_cm", "length_cm"):
        assert half[name] == pytest.approx(one[name], rel=0.06), name


def test_a_scan_like_those_is_not_told(counts, learnt):
    another = np.random.default_rng(2).poisson(counts * 0.8).astype(np.float32)
    assert unlike({"anterior": another}, SPACING, learnt, "case") == []
    assert unlike({"anterior": another}, SPACING, {}, "case") == []


SPOILED = {
    "counts per pixel": lambda image: np.random.default_rng(3).binomial(image.astype(int), 0.03),
    "noise": lambda image: ndimage.gaussian_filter(image, 2),
    "sharpness": lambda image: image + 3 * (image - ndimage.gaussian_filter(image, 1.5)),
    "brightest bone": lambda image: np.minimum(image, np.percentile(image, 97)),
    "soft tissue": lambda image: np.sqrt(image * image.max()),
    "length of the body": lambda image: image[: len(image) // 2],
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_was_done_to_a_scan_is_told(what, counts, learnt):
    [sentence] = unlike({"anterior": SPOILED[what](counts).astype(np.float32)}, SPACING, learnt, "case")
    assert what in sentence
    assert sentence.startswith("The anterior view of case looks like no scan that the model learnt from: ")


def test_a_body_at_the_wrong_pixel_size_is_told(counts, learnt):
    [sentence] = unlike({"posterior": counts}, SPACING * 1.6, learnt, "case")
    assert "of the body in cm" in sentence


def test_nothing_but_air_has_no_appearance_and_ranges_of_nothing_are_empty():
    assert appearance_of(np.zeros((100, 50), np.float32), SPACING) == {}
    assert appearance_of(np.ones((100, 50), np.float32), SPACING) == {}
    assert ranges_of([]) == {}
    assert ranges_of([{}]) == {}


def test_a_card_keeps_the_ranges(learnt):
    card = ModelCard("mine", NetworkConfig(), appearance=learnt)
    assert ModelCard.from_dict(card.to_dict()).appearance == learnt
    assert ModelCard.from_dict({"name": "old", "network": NetworkConfig().to_dict()}).appearance == {}
