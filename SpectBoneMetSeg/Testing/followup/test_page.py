"""The page of a comparison: the axes of its plots."""

import pytest
from SpectBoneMetSegLib.followup.page import _apart, _axis_end, _parts


@pytest.mark.parametrize(
    ("largest", "end"),
    [(0.0, 1.0), (9.0, 15.0), (8.0, 10.0), (102.0, 150.0), (1.6, 2.0), (0.02, 0.03), (870.0, 1500.0)],
)
def test_an_axis_ends_at_a_round_number_above_the_largest_value(largest, end):
    assert _axis_end(largest) == pytest.approx(end)
    assert _axis_end(largest) > largest


def test_the_axis_of_time_is_in_proportion_to_the_days():
    assert _parts(["20240101", "20240111", "20240131"]) == pytest.approx([0, 1 / 3, 1])
    assert _parts(["20240101", "", "20240131"]) == [0, 0.5, 1]
    assert _parts(["20240101", "20240101"]) == [0, 1]


def test_dates_that_would_overlap_are_left_out_and_the_last_one_stays():
    assert _apart([86, 90, 200, 328]) == [1, 2, 3]
    assert _apart([86, 87, 88]) == [2]
