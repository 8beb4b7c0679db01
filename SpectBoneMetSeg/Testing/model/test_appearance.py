"""A scan unlike the training set gets a warning; one like it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.model.appearance import (
    APPEARANCE,
    LEAST_VIEWS,
    AppearanceProfile,
    appearance_profile,
    appearance_warnings,
    measure_appearance,
)
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"
SPACING = 2.26


@pytest.fixture(scope="module")
def counts():
    """The sample's anterior view, simulated."""
    return read_scan(SAMPLE).anterior.counts.astype(np.float32)


@pytest.fixture(scope="module")
def profile(counts):
    """Ranges of the sample with half to twice its counts, a little narrower and wider."""
    rng = np.random.default_rng(0)
    scans = [rng.poisson(counts * factor).astype(np.float32) for factor in (0.5, 0.7, 1.0, 1.4, 2.0)]
    scans += [ndimage.zoom(counts, (size, size), order=1) for size in (0.92, 1.08)]
    return appearance_profile(measure_appearance(scan, SPACING) for scan in scans)


def test_every_number_is_measured_and_counts_alone_change_the_level_and_little_else(counts):
    one = measure_appearance(counts, SPACING)
    half = measure_appearance(np.random.default_rng(1).binomial(counts.astype(int), 0.5).astype(np.float32), SPACING)
    assert set(one) == set(APPEARANCE)
    assert half["level"] == pytest.approx(one["level"] / 2, rel=0.03)
    for name in ("contrast", "tissue", "width_cm", "length_cm"):
        assert half[name] == pytest.approx(one[name], rel=0.06), name


def test_a_scan_like_the_training_scans_gets_no_warning(counts, profile):
    another = np.random.default_rng(2).poisson(counts * 0.8).astype(np.float32)
    assert appearance_warnings({"anterior": another}, SPACING, profile, "case") == []
    assert appearance_warnings({"anterior": another}, SPACING, AppearanceProfile(), "case") == []


SPOILED = {
    "counts per pixel": lambda image: np.random.default_rng(3).binomial(image.astype(int), 0.03),
    "noise": lambda image: ndimage.gaussian_filter(image, 2),
    "sharpness": lambda image: image + 3 * (image - ndimage.gaussian_filter(image, 1.5)),
    "brightest to median bone": lambda image: np.minimum(image, np.percentile(image, 97)),
    "soft tissue": lambda image: np.sqrt(image * image.max()),
    "highest count": lambda image: np.minimum(image, np.percentile(image, 99)),
    "length of the body": lambda image: image[: len(image) // 2],
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_was_done_to_a_scan_is_reported(what, counts, profile):
    [message] = appearance_warnings({"anterior": SPOILED[what](counts).astype(np.float32)}, SPACING, profile, "case")
    assert what in message
    assert message.startswith("The anterior view of case is unlike the scans that the model was trained on: ")


def test_a_body_at_the_wrong_pixel_size_is_reported(counts, profile):
    [message] = appearance_warnings({"posterior": counts}, SPACING * 1.6, profile, "case")
    assert "of the body in cm" in message


def test_nothing_but_air_has_no_appearance_and_ranges_of_nothing_are_empty():
    assert measure_appearance(np.zeros((100, 50), np.float32), SPACING) == {}
    assert measure_appearance(np.ones((100, 50), np.float32), SPACING) == {}
    assert appearance_profile([]) == AppearanceProfile()
    assert appearance_profile([{}]) == AppearanceProfile()


def views_with(slope, count=LEAST_VIEWS + 10, seed=4):
    """Appearances of which all figures are alike but soft tissue, which follows the contrast."""
    rng = np.random.default_rng(seed)
    scans = []
    for _ in range(count):
        contrast = np.exp(rng.uniform(-1, 1))
        scan = {name: float(np.exp(rng.normal(0, 0.1))) for name in APPEARANCE}
        scans.append(
            {**scan, "contrast": float(contrast), "tissue": float(contrast**slope * np.exp(rng.normal(0, 0.05)))}
        )
    return scans


def test_usual_values_in_an_unusual_combination_are_reported(counts):
    own = measure_appearance(counts, SPACING)
    scans = [{name: own[name] * one[name] for name in APPEARANCE} for one in views_with(-1.0)]
    assert appearance_warnings({"anterior": counts}, SPACING, appearance_profile(scans), "case") == []
    odd = {**own, "contrast": own["contrast"] * 2, "tissue": own["tissue"] * 2}
    shifted = [{name: scan[name] * own[name] / odd[name] for name in APPEARANCE} for scan in scans]
    [message] = appearance_warnings({"anterior": counts}, SPACING, appearance_profile(shifted), "case")
    assert "is an unusual combination" in message
    assert "ratio of brightest to median bone" in message
    assert "ratio of soft tissue to bone" in message
    few = appearance_profile(shifted[: LEAST_VIEWS - 1])
    assert few.mean == ()
    assert appearance_warnings({"anterior": counts}, SPACING, few, "case") == []


def test_appearances_of_two_groups_hold_both():
    first, second = views_with(-1.0), views_with(1.0, 80, 5)
    both, together = (
        appearance_profile(first).merged_with(appearance_profile(second)),
        appearance_profile([*first, *second]),
    )
    assert both.views == together.views
    assert both.mean == pytest.approx(together.mean)
    assert np.array(both.covariance) == pytest.approx(np.array(together.covariance), rel=0.05, abs=2e-3)
    for name, (low, high) in both.ranges.items():
        assert low <= min(scan[name] for scan in (*first, *second))
        assert high >= max(scan[name] for scan in (*first, *second))
    assert AppearanceProfile().merged_with(together) == AppearanceProfile()


def test_a_card_keeps_the_training_scans(profile):
    for one in (profile, appearance_profile(views_with(1.0))):
        card = ModelCard("mine", NetworkConfig(), appearance=one)
        assert ModelCard.from_dict(json.loads(json.dumps(card.to_dict()))).appearance == one
    assert ModelCard.from_dict({"name": "old", "network": NetworkConfig().to_dict()}).appearance == AppearanceProfile()


def test_a_card_with_ranges_alone_opens():
    ranges = {"level": [4.0, 150.0], "noise": [0.01, 9.0]}
    card = ModelCard.from_dict({"name": "old", "network": NetworkConfig().to_dict(), "appearance": ranges})
    assert card.appearance == AppearanceProfile({"level": (4.0, 150.0), "noise": (0.01, 9.0)})
