"""JSON text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.jsonable import json_text

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN, st.integers(0, 4))
def test_json_text_holds_the_value_whatever_the_depth(value, depth):
    assert json.loads(json_text(value, depth)) == value


def test_json_text_has_an_entry_per_line_down_to_its_depth():
    value = {"lesions": [{"id": 1, "bones": ["sacrum"]}, {"id": np.int64(2), "bones": []}], "none": {}}
    assert json_text(value).splitlines() == [
        "{",
        '  "lesions": [',
        '    {"id": 1, "bones": ["sacrum"]},',
        '    {"id": 2, "bones": []}',
        "  ],",
        '  "none": {}',
        "}",
    ]
    assert json_text([float("nan"), "ü"], 0) == '[null, "ü"]'
    with pytest.raises(TypeError):
        json_text({"a": object()})
