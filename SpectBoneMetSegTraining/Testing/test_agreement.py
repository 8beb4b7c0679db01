"""Eq. 2 and the 5 % rule, against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegTrainingLib.agreement import agree, area_difference, differences, majority

masks = hnp.arrays(bool, (6, 7))


def block(columns):
    mask = np.zeros((4, 100), bool)
    mask[:, :columns] = True
    return mask


def test_the_area_difference_is_one_minus_overlap_over_union():
    assert area_difference(block(95), block(100)) == pytest.approx(0.05)
    assert area_difference(block(50), block(100)) == pytest.approx(0.5)
    assert area_difference(block(10), ~block(10)) == 1.0


def test_two_empty_outlines_do_not_differ():
    assert area_difference(block(0), block(0)) == 0.0


@given(masks, masks)
def test_the_area_difference_is_symmetric_and_between_0_and_1(one, two):
    assert area_difference(one, two) == area_difference(two, one)
    assert 0.0 <= area_difference(one, two) <= 1.0
    assert area_difference(one, one) == 0.0


def test_readers_within_five_per_cent_agree_and_one_of_them_is_taken():
    drawn = [block(96), block(98), block(100)]
    taken = {agree(lambda _: drawn, np.random.default_rng(seed)).mask.sum() for seed in range(20)}
    assert taken == {96 * 4, 98 * 4, 400}
    assert agree(lambda _: drawn, np.random.default_rng(0)).decided_by == "agreement"


def test_readers_who_disagree_annotate_again_and_may_then_agree():
    rounds = [[block(50), block(100), block(100)], [block(100)] * 3]
    found = agree(lambda number: rounds[number], np.random.default_rng(0))
    assert (found.rounds, found.decided_by) == (2, "agreement")


def test_after_two_rounds_the_majority_of_the_pixels_decides():
    found = agree(lambda _: [block(50), block(80), block(100)], np.random.default_rng(0))
    assert (found.rounds, found.decided_by) == (2, "majority")
    assert (found.mask == block(80)).all()
    assert found.differences == differences([block(50), block(80), block(100)])


@given(st.lists(masks, min_size=3, max_size=3))
def test_a_majority_lies_between_what_all_and_what_any_marked(drawn):
    decided = majority(drawn)
    assert (decided <= np.any(drawn, 0)).all()
    assert (np.all(drawn, 0) <= decided).all()
