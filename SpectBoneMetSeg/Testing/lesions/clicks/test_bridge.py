"""A bridge joins two lesions into one piece and touches no third one; where there is no room, it says so."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.clicks.actions import Stroke, action_of, lesions_after
from SpectBoneMetSegLib.lesions.clicks.change import join_lesions
from SpectBoneMetSegLib.lesions.components import EIGHT_CONNECTED, number_lesions
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan

SHAPE = (200, 140)
FIRST, SECOND = (105, 55), (105, 95)


def two_lesions(*others):
    """Return two squares 30 pixels apart; `others` are boxes (row, row, column, column) of lesions from 3 on."""
    ids = np.zeros(SHAPE, np.uint16)
    ids[100:110, 50:60], ids[100:110, 90:100] = 1, 2
    for number, (top, bottom, left, right) in enumerate(others, start=3):
        ids[top:bottom, left:right] = number
    return ids


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([(80, 125, 70, 80)], id="across the line"),
        pytest.param([(90, 103, 70, 74)], id="beside the line, with no pixel between"),
        pytest.param([(90, 104, 70, 74)], id="beside the line, touching it"),
        pytest.param([(107, 120, 70, 74), (80, 104, 70, 74)], id="on both sides of a narrow gap"),
        pytest.param([(0, 150, 70, 80)], id="from the edge of the scan"),
        pytest.param([(80, 125, 61, 64)], id="next to the first lesion"),
        pytest.param([(60, 150, 66, 68), (90, 200, 80, 82)], id="one after the other"),
    ],
)
def test_a_bridge_goes_round_other_lesions_and_leaves_a_pixel_free(others):
    ids = two_lesions(*others)
    for ends in ((FIRST, SECOND), (SECOND, FIRST)):
        joined = join_lesions(ids, *ends)
        own = ids[ends[0]]
        assert number_lesions(joined == own).max() == 1
        assert (joined[ids > 2] == ids[ids > 2]).all()
        made = (joined == own) & (ids == 0)
        assert not (ndimage.binary_dilation(made, EIGHT_CONNECTED) & (ids > 2)).any()
        assert set(np.unique(joined)) == set(np.unique(ids)) - {ids[ends[1]]}


def test_the_way_round_another_lesion_is_the_shorter_one():
    joined = join_lesions(two_lesions((60, 125, 70, 80)), FIRST, SECOND)
    rows, _ = np.nonzero(joined == 1)
    # The lesion ends at row 124: one pixel free, three of the bridge at most.
    assert rows.max() <= 128
    assert rows.min() == 100


def test_a_bridge_beside_which_there_is_room_is_straight_and_three_pixels_wide():
    ids = two_lesions((80, 98, 70, 74))
    alone = join_lesions(two_lesions(), FIRST, SECOND)
    np.testing.assert_array_equal(join_lesions(ids, FIRST, SECOND) == 1, alone == 1)
    assert (alone[:, 60:90].sum(0) == 3).all()


@pytest.mark.parametrize("others", [[(0, 200, 70, 72)], [(0, 104, 70, 72), (106, 200, 70, 72)]])
def test_two_lesions_without_room_for_a_bridge_stay_apart_and_the_remedy_is_named(others):
    ids = two_lesions(*others)
    before = ids.copy()
    with pytest.raises(UserError, match="leaves no room to join these two; join one of them with that lesion first"):
        join_lesions(ids, FIRST, SECOND)
    np.testing.assert_array_equal(ids, before)


def test_what_the_message_recommends_joins_the_two():
    ids = two_lesions((0, 200, 70, 72))
    joined = join_lesions(join_lesions(ids, FIRST, (105, 71)), FIRST, SECOND)
    assert number_lesions(joined > 0).max() == 1
    assert set(np.unique(joined)) == {0, 1}


def test_a_drag_from_one_lesion_over_another_to_a_third_goes_round_it():
    ids = two_lesions((80, 125, 70, 80))
    stroke = Stroke(FIRST, SECOND, slack=2.0)
    scan = WholeBodyScan("one", PlanarView(np.ones(SHAPE, np.float32), (2.0, 2.0), "anterior"), None)
    joined = lesions_after(ids, stroke, action_of(ids, stroke), scan, {})
    assert number_lesions(joined == 1).max() == 1


def test_the_way_round_takes_less_than_a_second_on_a_whole_body():
    ids = np.zeros((1024, 256), np.uint16)
    ids[500:510, 50:60], ids[500:510, 190:200], ids[100:900, 120:130] = 1, 2, 3
    started = time.process_time()
    join_lesions(ids, (505, 55), (505, 195))
    assert time.process_time() - started < 1.0
