"""One click outlines a missed lesion or removes a false one; drags, joins and cuts do what they say."""

from __future__ import annotations

import time

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.clicks.change import (
    add_lesion,
    cut_lesion,
    join_lesions,
    remove_lesion,
    resize_lesion,
)
from SpectBoneMetSegLib.lesions.clicks.growth import grow_from
from SpectBoneMetSegLib.lesions.clicks.positions import lesion_near
from SpectBoneMetSegLib.lesions.components import number_lesions
from SpectBoneMetSegLib.lesions.edits import update_edits
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror

SHAPE, SPACING = (400, 160), (2.26, 2.26)
NOTHING = np.zeros(SHAPE, np.uint16)


def spot(row, column, radius, height):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return height / (1 + np.exp((np.hypot(y - row, x - column) - radius) / 0.9))


def scan(*spots, background=20.0, behind=()):
    """A body of even counts with hot discs; those of `behind` in the posterior view, anterior frame."""
    rng = np.random.default_rng(1)
    front = PlanarView(
        rng.poisson(background + sum((spot(*one) for one in spots), 0 * spot(0, 0, 1, 1))), SPACING, "anterior"
    )
    back = rng.poisson(background + sum((spot(*one) for one in behind), 0 * spot(0, 0, 1, 1)))
    return WholeBodyScan("one", front, mirror(PlanarView(back, SPACING, "anterior")))


def dice(one, two):
    return 2 * (one & two).sum() / (one.sum() + two.sum())


@pytest.mark.parametrize(("radius", "height"), [(3.5, 60), (6, 40), (10, 120), (14, 30)])
def test_a_click_outlines_the_spot_at_half_height_over_its_surroundings(radius, height):
    study = scan((200, 80, radius, height))
    found = add_lesion(NOTHING, study, {}, (201, 81.4), "anterior") > 0
    assert dice(found, spot(200, 80, radius, 1.0) > 0.5) > 0.8


def test_a_click_takes_less_than_150_ms():
    study = scan((200, 80, 12, 60), behind=((200, 80, 12, 60),))
    maps = {name: np.zeros(SHAPE, np.float32) for name in ("anterior", "posterior")}
    add_lesion(NOTHING, study, maps, (200, 80))
    times = []
    for _ in range(5):
        started = time.process_time()
        add_lesion(NOTHING, study, maps, (200, 80))
        times.append(time.process_time() - started)
    assert min(times) < 0.15


def test_a_separate_neighbour_is_not_merged_and_one_without_a_valley_between_is():
    study = scan((200, 70, 6, 80), (200, 86, 6, 80))
    found = add_lesion(NOTHING, study, {}, (200, 70), "anterior") > 0
    assert found[200, 70]
    assert not found[200, 86]
    close = scan((200, 74, 6, 80), (200, 82, 6, 80))
    found = add_lesion(NOTHING, close, {}, (200, 74), "anterior") > 0
    assert found[200, 82]


def test_lesions_that_are_there_keep_their_pixels():
    study = scan((200, 80, 10, 60))
    before = NOTHING.copy()
    before[200:212, 70:90] = 4
    after = add_lesion(before, study, {}, (196, 80), "anterior")
    assert (after[before == 4] == 4).all()
    assert after[194, 80] == 5
    with pytest.raises(UserError, match="already"):
        add_lesion(before, study, {}, (205, 80))


def test_only_views_that_show_the_spot_lend_their_outline():
    study = scan((200, 80, 8, 60))
    alone = add_lesion(NOTHING, study, {}, (200, 80), "anterior")
    both = add_lesion(NOTHING, study, {}, (200, 80))
    np.testing.assert_array_equal(alone, both)


def test_where_the_network_is_sure_the_outline_is_wider():
    study = scan((200, 80, 8, 60))
    sure = np.where(spot(200, 80, 12, 1.0) > 0.5, 1.0, 0.0).astype(np.float32)
    areas = [
        grow_from(study.anterior, maps, (200, 80), NOTHING > 0).sum() for maps in (np.zeros_like(sure), None, sure)
    ]
    assert areas == sorted(areas)
    assert areas[0] < areas[2]


def test_a_click_on_an_even_background_marks_a_small_disc_and_nothing_else():
    found = add_lesion(NOTHING, scan(), {}, (100, 80), "anterior") > 0
    assert 0 < found.sum() * SPACING[0] ** 2 < 6000
    assert found[90:111, 70:91].any()


@pytest.mark.parametrize("position", [(float("nan"), 80), (200, float("inf")), (-1, 80), (200, 160)])
def test_a_position_outside_the_scan_is_refused_with_a_sentence(position):
    ids = NOTHING.copy()
    ids[50:60, 50:60] = 1
    for action in (
        lambda: add_lesion(ids, scan(), {}, position),
        lambda: remove_lesion(ids, position),
        lambda: resize_lesion(ids, position, 5.0, SPACING),
        lambda: join_lesions(ids, (55, 55), position),
        lambda: cut_lesion(ids, (55, 55), position),
    ):
        with pytest.raises(UserError, match=r"The position .* lies outside the scan; give a row and a column"):
            action()
    assert lesion_near(ids, position, 3) == 0


def test_a_click_at_the_edge_of_a_spot_lies_in_its_outline():
    study = scan((200, 80, 6, 60))
    for column in range(80, 88):
        found = add_lesion(NOTHING, study, {}, (200, column), "anterior") > 0
        assert found[200, column]
        assert found[200, 80], "the spot is outlined, not the surroundings of the click alone"


def test_a_click_next_to_a_hotter_lesion_outlines_the_spot_that_was_clicked():
    # The upper spot, outlined already, is much hotter: its slope outshines the lower one.
    study = scan((190, 80, 4, 300), (200, 80, 4, 60))
    ids = NOTHING.copy()
    ids[spot(190, 80, 4, 1.0) > 0.5] = 1
    for row in (198, 199, 200, 202):
        found = add_lesion(ids, study, {}, (row, 80), "anterior") == 2
        assert found[row, 80]
        assert found[200, 80]


def test_a_click_on_or_next_to_a_lesion_removes_it():
    ids = NOTHING.copy()
    ids[50:60, 50:60], ids[100:110, 50:60] = 1, 2
    assert set(np.unique(remove_lesion(ids, (55, 55)))) == {0, 2}
    assert set(np.unique(remove_lesion(ids, (112, 55)))) == {0, 1}
    with pytest.raises(UserError, match="no lesion"):
        remove_lesion(ids, (80, 55))
    with pytest.raises(UserError, match="outside"):
        remove_lesion(ids, (-3, 5))


def test_a_drag_grows_and_shrinks_and_leaves_a_gap_to_others():
    ids = NOTHING.copy()
    ids[50:60, 50:60], ids[50:60, 64:70] = 1, 2
    grown = resize_lesion(ids, (55, 55), 5 * 2.26, SPACING)
    assert (grown == 1).sum() > (ids == 1).sum()
    assert (grown[ids == 2] == 2).all()
    assert not (grown[50:60, 63] == 1).any()
    small = resize_lesion(ids, (55, 55), -2 * 2.26, SPACING)
    assert (small == 1).sum() == 36
    with pytest.raises(UserError, match="remove it instead"):
        resize_lesion(ids, (55, 55), -50, SPACING)


def test_two_lesions_are_joined_and_one_is_cut():
    ids = NOTHING.copy()
    ids[50:60, 50:60], ids[50:60, 70:80] = 1, 2
    joined = join_lesions(ids, (55, 55), (55, 75))
    assert set(np.unique(joined)) == {0, 1}
    assert number_lesions(joined > 0).max() == 1
    apart = cut_lesion(joined, (40, 65), (70, 65))
    assert number_lesions(apart > 0).max() == 2
    assert len(np.unique(apart)) == 3
    with pytest.raises(UserError, match="divides no lesion"):
        cut_lesion(ids, (10, 10), (20, 20))
    with pytest.raises(UserError, match="one lesion"):
        join_lesions(joined, (55, 55), (55, 75))


def test_a_clicked_lesion_is_an_edit_like_a_stroke_of_the_brush():
    study = scan((200, 80, 8, 60))
    maps = {name: np.zeros(SHAPE, np.float32) for name in study.views}
    after = add_lesion(NOTHING, study, maps, (200, 80))
    edits = update_edits(maps, study.frame, (NOTHING > 0).astype(np.uint8), after, 0.5, None)
    np.testing.assert_array_equal(edits.mask, after > 0)


def test_what_is_clicked_in_one_view_lies_in_it_and_in_those_where_the_model_sees_it():
    study = scan(behind=((200, 80, 8, 60),))
    maps = {name: np.zeros(SHAPE, np.float32) for name in study.views}
    after = add_lesion(NOTHING, study, maps, (200, 80), "posterior")
    shown = np.zeros(SHAPE, np.uint8)
    clicked = {"posterior": after > 0}
    edits = update_edits(maps, study.frame, shown, after, 0.5, None, clicked)
    np.testing.assert_array_equal(edits.views["posterior"], after > 0)
    assert not edits.views["anterior"].any()
    # Not enough for a lesion of its own, but there.
    maps["anterior"][199:202, 79:82] = 0.7
    edits = update_edits(maps, study.frame, shown, after, 0.5, None, clicked)
    assert edits.views["anterior"][200, 80]
    np.testing.assert_array_equal(edits.views["posterior"], after > 0)
    # Drawn larger later, it stays where it was pointed at.
    wide = resize_lesion(after, (200, 80), 5.0, SPACING)
    maps["anterior"][:] = 0
    again = update_edits(maps, study.frame, (after > 0).astype(np.uint8), wide, 0.5, edits, clicked)
    np.testing.assert_array_equal(again.views["posterior"], wide > 0)
    assert not again.views["anterior"].any()


def test_a_lesion_outlined_next_to_another_leaves_a_pixel_free_and_lack_of_room_is_reported():
    study = scan((200, 80, 8, 60))
    ids = NOTHING.copy()
    ids[190:210, 86:100] = 1
    after = add_lesion(ids, study, {}, (200, 80), "anterior")
    assert (after == 2).any()
    assert number_lesions(after > 0).max() == 2
    ids[:] = 1
    ids[200, 80] = 0
    with pytest.raises(UserError, match="too near"):
        add_lesion(ids, study, {}, (200, 80), "anterior")


@pytest.mark.parametrize("end", [(30, 38), (22, 38), (38, 30), (38, 38), (35, 22)])
def test_a_cut_takes_no_more_than_a_line(end):
    rows, columns = np.mgrid[:60, :60]
    ids = ((rows - 30) ** 2 + (columns - 30) ** 2 <= 64).astype(np.uint16)
    start = (60 - end[0], 60 - end[1])
    parted = cut_lesion(ids, start, end)
    assert set(np.unique(parted)) == {0, 1, 2}
    assert number_lesions(parted > 0).max() == 2, "they would be one again"
    # A diagonal line without diagonal steps has a corner more for each of them.
    assert (ids > 0).sum() - (parted > 0).sum() <= 2 * 17
