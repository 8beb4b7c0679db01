"""Sides of the skeleton's regions from the midline alone."""

import numpy as np
import pytest
from SpectBoneMetSegLib.scan.region_sides import midline, region_map, region_maps
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS, REGIONS, RIGHT_OFFSET

ROWS, COLUMNS = 200, 80


def body(bend=0.0):
    """Class map of a spine along a bent line with ribs and arms at both sides, and legs below it."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    axis = 40 + bend * np.sin(rows / 60)
    classes = np.zeros((ROWS, COLUMNS), np.uint8)
    from_axis = columns - axis
    classes[(rows < 120) & (abs(from_axis) < 20) & (rows % 6 < 3)] = 1 + REGIONS.index("ribs")
    classes[(rows < 120) & (abs(abs(from_axis) - 30) < 3)] = 1 + REGIONS.index("humerus")
    classes[(rows >= 120) & (abs(abs(columns - axis[120, 0]) - 12) < 5)] = 1 + REGIONS.index("femur")
    classes[(rows < 120) & (abs(from_axis) < 3)] = 1 + REGIONS.index("thoracic spine")
    return classes, axis


def probabilities_of(classes):
    return (classes[..., None] == np.arange(1, len(REGIONS) + 1)).astype(np.float32)


@pytest.mark.parametrize("bend", [0.0, 6.0])
def test_the_midline_follows_the_spine_and_continues_straight_below_it(bend):
    classes, axis = body(bend)
    found = midline(classes, 2.8)
    assert np.abs(found - axis[:, 0])[10:110].max() < 2.5
    assert np.abs(found[130:] - found[129]).max() < 3


@pytest.mark.parametrize("bend", [0.0, 6.0])
def test_paired_regions_left_of_the_image_are_the_patients_right(bend):
    classes, axis = body(bend)
    numbers = region_map(probabilities_of(classes), 2.8)
    columns = np.arange(COLUMNS)[None, :]
    for name in ("ribs", "humerus", "femur"):
        own = classes == 1 + REGIONS.index(name)
        far = abs(columns - axis) > 4
        right = own & far & (columns < axis)
        assert (numbers[right] == BONE_REGIONS[name] + RIGHT_OFFSET).mean() > 0.98
        assert (numbers[own & far & (columns > axis)] == BONE_REGIONS[name]).mean() > 0.98
    spine = classes == 1 + REGIONS.index("thoracic spine")
    assert (numbers[spine] == BONE_REGIONS["thoracic spine"]).all()


def test_what_is_doubtful_is_no_region():
    classes, _ = body()
    assert not region_map(0.4 * probabilities_of(classes), 2.8).any()


def test_without_a_spine_the_middle_of_what_is_there_divides():
    classes = np.zeros((50, 60), np.uint8)
    classes[:, [10, 11, 48, 49]] = 1 + REGIONS.index("femur")
    numbers = region_map(probabilities_of(classes), 2.8)
    assert set(np.unique(numbers[:, :30])) == {0, 60}
    assert set(np.unique(numbers[:, 30:])) == {0, 10}
    assert not region_map(np.zeros((5, 5, len(REGIONS)), np.float32), 2.8).any()


def test_views_are_distinguished_and_brought_to_full_resolution():
    classes, _ = body()
    nothing = np.zeros((*classes.shape, len(REGIONS)), np.float32)
    found = region_maps(np.concatenate([nothing, probabilities_of(classes)], -1), ("anterior", "posterior"), 1.4)
    assert not found["anterior"].any()
    assert found["posterior"].shape == (2 * ROWS, 2 * COLUMNS)
    np.testing.assert_array_equal(found["posterior"][::2, ::2], region_map(probabilities_of(classes), 2.8))
