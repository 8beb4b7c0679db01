"""Clicks and drags have the effect that a person expects."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.clicks.actions import Action, Stroke, action_of, lesions_after
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan

SHAPE, SPACING = (200, 100), (2.0, 2.0)
NAN = float("nan")
SCAN = WholeBodyScan("one", PlanarView(np.ones(SHAPE, np.float32), SPACING, "anterior"), None)


@pytest.fixture
def two():
    """Two squares side by side, 20 pixels of background between them."""
    ids = np.zeros(SHAPE, np.uint16)
    ids[50:60, 20:30], ids[50:60, 50:60] = 1, 2
    return ids


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((100, 50), (100, 50), Action("outline")),
        ((100, 50), (102, 50), Action("outline")),
        ((55, 25), (55, 25), Action("decide", (1,))),
        ((55, 31), (55, 31), Action("decide", (1,))),
        ((55, 25), (55, 55), Action("join", (1, 2))),
        ((55, 55), (55, 31), Action("join", (2, 1))),
        ((55, 25), (55, 38), Action("grow", (1,))),
        ((55, 31), (55, 38), Action("grow", (1,))),
        ((55, 40), (55, 57), Action("shrink", (2,))),
        ((45, 25), (65, 25), Action("cut", (1,))),
        ((45, 25), (900, 25), Action("cut", (1,))),
        ((55, 22), (55, 28), None),
        ((100, 10), (120, 10), None),
        ((-5, 10), (-5, 10), None),
    ],
)
def test_every_stroke_has_its_meaning(two, start, end, expected):
    assert action_of(two, Stroke(start, end, slack=2.0)) == expected


def done(ids, start, end):
    stroke = Stroke(start, end, slack=2.0)
    return lesions_after(ids, stroke, action_of(ids, stroke), SCAN, {})


def test_an_edge_is_pulled_to_where_the_mouse_is_released_and_pushed_in_to_there(two):
    wide = done(two, (55, 25), (55, 35))
    assert (wide[55, 15:36] == 1).all()
    assert wide[55, 36] == 0
    small = done(two, (55, 15), (55, 22))
    assert (small[55, :23] == 0).all()
    assert (small[55, 23:27] == 1).all()
    assert small[55, 27] == 0
    assert (wide[two == 2] == 2).all()


def test_a_drag_joins_two_and_one_across_cuts_them_again(two):
    joined = done(two, (55, 25), (55, 55))
    assert set(np.unique(joined)) == {0, 1}
    apart = done(joined, (30, 40), (80, 40))
    assert set(np.unique(apart)) == {0, 1, 2}


def test_what_cannot_be_done_is_reported(two):
    with pytest.raises(UserError, match="divides no lesion"):
        done(two, (47, 24), (53, 17))
    with pytest.raises(UserError, match="remove it instead"):
        done(two, (55, 15), (54, 24))


@pytest.mark.parametrize(("start", "end"), [((NAN, 5), (NAN, 5)), ((5, 5), (NAN, 50)), ((5, NAN), (50, 50))])
def test_a_stroke_without_a_position_is_no_action(start, end):
    assert action_of(np.zeros((60, 60), np.uint16), Stroke(start, end, 2.0)) is None
