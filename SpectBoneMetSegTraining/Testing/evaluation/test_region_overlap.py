"""Dice of the skeletal regions, against a worked example."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS
from SpectBoneMetSegTrainingLib.evaluation.region_overlap import confusion, region_dice

RIBS, PELVIS, BLADDER = (1 + REGIONS.index(name) for name in ("ribs", "pelvis", "bladder"))


def test_regions_are_pooled_over_views_and_only_bones_make_the_mean():
    true = np.array([[RIBS, RIBS, 0, BLADDER], [0, 0, PELVIS, PELVIS]], np.uint8)
    predicted = np.array([[RIBS, 0, 0, 0], [0, RIBS, PELVIS, PELVIS]], np.uint8)
    dice = region_dice([confusion(true, predicted), confusion(*(np.full((2, 2), RIBS, np.uint8),) * 2)])
    # Ribs: 1 of 2 and 4 of 4 found, one too many; 2 * 5 / (6 + 6).
    assert dice == pytest.approx({"ribs": 0.8333, "pelvis": 1.0, "bladder": 0.0, "bones": 0.9167}, abs=1e-4)


def test_an_absent_region_has_no_dice():
    empty = np.zeros((2, 2), np.uint8)
    assert region_dice([confusion(empty, np.full((2, 2), RIBS, np.uint8))]) == {}
    assert region_dice([]) == {}
