"""The page of a comparison: the axes of its plots."""

import pytest
from SpectBoneMetSegLib.followup.page import _axis_end


@pytest.mark.parametrize(
    ("largest", "end"),
    [(0.0, 1.0), (9.0, 15.0), (8.0, 10.0), (102.0, 150.0), (1.6, 2.0), (0.02, 0.03), (870.0, 1500.0)],
)
def test_an_axis_ends_at_a_round_number_above_the_largest_value(largest, end):
    assert _axis_end(largest) == pytest.approx(end)
    assert _axis_end(largest) > largest
