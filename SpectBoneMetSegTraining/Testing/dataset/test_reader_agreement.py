"""Eq. 2 and the 5 % rule, against numbers computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegTrainingLib.dataset.reader_agreement import (
    agree,
    area_difference,
    compare_readers,
    dice,
    differences,
    majority,
    summarise_agreement,
)

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
    found = agree(lambda _: drawn, np.random.default_rng(0))
    assert found.decided_by == "agreement"
    assert np.array_equal(found.mask, drawn[found.reader])


def test_readers_who_disagree_annotate_again_and_may_then_agree():
    rounds = [[block(50), block(100), block(100)], [block(100)] * 3]
    found = agree(lambda number: rounds[number], np.random.default_rng(0))
    assert (found.rounds, found.decided_by) == (2, "agreement")


def test_after_two_rounds_the_majority_of_the_pixels_decides():
    found = agree(lambda _: [block(50), block(80), block(100)], np.random.default_rng(0))
    assert (found.rounds, found.decided_by) == (2, "majority")
    assert (found.mask == block(80)).all()
    assert found.differences == (differences([block(50), block(80), block(100)]),) * 2
    assert found.reader is None


@given(st.lists(masks, min_size=3, max_size=3))
def test_a_majority_lies_between_what_all_and_what_any_marked(drawn):
    decided = majority(drawn)
    assert (decided <= np.any(drawn, 0)).all()
    assert (np.all(drawn, 0) <= decided).all()


@given(masks, masks)
def test_dice_and_area_difference_agree(one, two):
    difference = area_difference(one, two)
    assert dice(one, two) == pytest.approx(2 * (1 - difference) / (2 - difference))


def test_the_agreement_of_a_data_set_worked_out_by_hand():
    apart = [block(50), block(100), block(100)]
    alike = [block(96), block(98), block(100)]
    nothing = [block(0)] * 3
    rng = np.random.default_rng(0)
    images = [
        compare_readers(marks, exact, agree(lambda _, marks=marks: marks, rng))
        for marks, exact in ((apart, block(100)), (alike, block(98)), (nothing, block(0)), (nothing, block(5)))
    ]
    figures = summarise_agreement(images)
    assert (figures["images"], figures["images_with_marks"]) == (4, 2)
    assert figures["rejected_in_round_1"] == figures["decided_by_majority"] == 0.5
    close = (2 * 96 / 194 + 2 * 96 / 196 + 2 * 98 / 198) / 3
    assert figures["pair_dice"] == pytest.approx(((2 / 3 + 2 / 3 + 1) / 3 + close) / 2, abs=1e-3)
    assert figures["best_pair_dice"] == pytest.approx((1 + 2 * 98 / 198) / 2, abs=1e-3)
    assert figures["exact_dice"] == pytest.approx(
        ((2 / 3 + 2) / 3 + (2 * 96 / 194 + 1 + 2 * 98 / 198) / 3) / 2, abs=1e-3
    )


def test_readers_who_marked_nothing_agree_on_nothing():
    found = agree(lambda _: [block(0)] * 3, np.random.default_rng(0))
    figures = summarise_agreement([compare_readers([block(0)] * 3, block(0), found)])
    assert figures["images_with_marks"] == 0
    assert figures["pair_dice"] is None
