"""Outlines of the lesions of a view."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from SpectBoneMetSegLib.lesions.components import outline, outlines_of


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_every_piece_is_outlined_with_its_holes_filled(mask):
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    found = outlines_of(mask.astype(np.uint16) * 3).get(3, [])
    assert len(found) == count
    for number, drawn in enumerate(found, start=1):
        np.testing.assert_array_equal(drawn, outline(ndimage.binary_fill_holes(pieces == number)))
