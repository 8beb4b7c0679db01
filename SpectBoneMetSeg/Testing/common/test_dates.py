import re
from pathlib import Path

import pytest
from SpectBoneMetSegLib.common.dates import duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (29.6, "30 s"), (99, "99 s"), (100, "2 min"), (600, "10 min"), (9000, "2.5 h")]
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


def test_durations_are_formatted_in_one_place():
    root = Path(__file__).parents[3]
    paths = [
        path for name in ("SpectBoneMetSeg", "SpectBoneMetSegTraining") for path in root.glob(f"{name}/{name}*/**/*.py")
    ]
    assert [path.name for path in paths if re.search(r"/ ?3600\b", path.read_text(encoding="utf-8"))] == ["dates.py"]
