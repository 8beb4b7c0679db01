"""Outlines in boxes follow the published rule, and boxes are read as stored."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.gathering.open_data.boxes import NamedBox, mask_in_box, masks_of_boxes, read_boxes
from SpectBoneMetSegTrainingLib.gathering.open_data.folds import published_bs80k
from support import open_sets


def blob(size=24, radius=5.0):
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    return (20 + 100 * (np.hypot(y, x) < radius)).astype(np.float32)


def test_a_clear_spot_is_cut_out_by_otsus_threshold():
    mask = mask_in_box(blob())
    assert (mask == (blob() > 60)).mean() > 0.98


def test_a_spot_that_fills_its_box_is_cut_at_the_75th_percentile():
    y, x = np.mgrid[:12, :12] - 5.5
    mask = mask_in_box((200 - 4 * np.hypot(y, x)).astype(np.float32))
    assert 0.15 < mask.mean() < 0.4
    assert mask[5:7, 5:7].all()


def test_an_even_box_gets_an_ellipse():
    mask = mask_in_box(np.full((10, 10), 7.0, np.float32))
    assert mask.any()


def test_a_pixel_in_two_boxes_goes_to_the_nearer_centre():
    grey = np.full((40, 40), 10.0, np.float32)
    grey[10:30, 10:30] = 100
    first, second = masks_of_boxes(grey, [NamedBox((5, 25), (5, 25), "a"), NamedBox((15, 35), (15, 35), "b")])
    assert not (first & second).any()


def test_boxes_are_half_open_and_those_of_no_area_or_beyond_the_picture_are_reported(tmp_path):
    path = tmp_path / "1.xml"
    path.write_text(
        open_sets.box_xml(("Abnormal", 3, 5, 13, 25), ("normal", 1, 1, 2, 2), ("Odd", 250, 1000, 300, 1030))
    )
    boxes, notes = read_boxes(path, (1024, 256))
    assert boxes == [NamedBox((5, 25), (3, 13), "abnormal"), NamedBox((1000, 1024), (250, 256), "odd")]
    assert len(notes) == 2
    path.write_text("<annotation><object>")
    with pytest.raises(UserError, match="damaged"):
        read_boxes(path, (1024, 256))


def test_the_published_split_has_its_sizes():
    # 2,925 of the numbers 1..3253: which ones is not ours to hold, how many fall on each side is published.
    ids = [str(number) for number in range(1, 2926)]
    sides = list(published_bs80k(ids, ids).values())
    assert [sides.count(side) for side in ("train", "validation", "test")] == [2340, 292, 293]
