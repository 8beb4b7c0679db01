import pytest
from SpectBoneMetSegLib.common.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (29.6, "30 s"), (99, "99 s"), (100, "2 min"), (600, "10 min"), (9000, "2.5 h")]
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text
