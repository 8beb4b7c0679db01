"""Cutting boxes out of images and putting them back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.scan.boxes import cut, paste

INTERVALS = st.tuples(st.integers(-12, 20), st.integers(0, 15)).map(lambda pair: (pair[0], pair[0] + pair[1]))
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def numbered(shape, dtype=np.int64):
    return np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)


def test_a_box_inside_is_a_slice():
    image = numbered((6, 7))
    assert np.array_equal(cut(image, (1, 4), (2, 7)), image[1:4, 2:7])


def test_a_box_that_reaches_outside_is_padded_with_zeros_on_the_right_side():
    image = numbered((2, 3))
    assert cut(image, (-1, 2), (1, 5)).tolist() == [[0, 0, 0, 0], [2, 3, 0, 0], [5, 6, 0, 0]]


@pytest.mark.parametrize(
    ("rows", "columns"), [((9, 12), (0, 3)), ((-5, -2), (0, 3)), ((0, 2), (3, 8)), ((0, 2), (-4, 0))]
)
def test_a_box_next_to_the_image_is_empty(rows, columns):
    box = cut(numbered((2, 3)), rows, columns)
    assert box.shape == (rows[1] - rows[0], columns[1] - columns[0])
    assert not box.any()


@given(SHAPES, INTERVALS, INTERVALS)
def test_every_pixel_of_a_box_is_the_image_there_or_zero(shape, rows, columns):
    image = numbered(shape)
    box = cut(image, rows, columns)
    assert box.shape == (rows[1] - rows[0], columns[1] - columns[0])
    for i in range(box.shape[0]):
        for j in range(box.shape[1]):
            row, column = rows[0] + i, columns[0] + j
            inside = 0 <= row < shape[0] and 0 <= column < shape[1]
            assert box[i, j] == (image[row, column] if inside else 0)


@given(SHAPES, INTERVALS, INTERVALS)
def test_pasting_a_cut_box_gives_the_image_inside_and_zero_outside(shape, rows, columns):
    image = numbered(shape)
    back = paste(cut(image, rows, columns), rows, columns, shape)
    inside = np.zeros(shape, bool)
    inside[max(rows[0], 0) : max(rows[1], 0), max(columns[0], 0) : max(columns[1], 0)] = True
    assert np.array_equal(back, np.where(inside, image, 0))


def test_layers_and_type_are_kept():
    layers = numbered((3, 4, 5), np.uint16)
    box = cut(layers, (1, 6), (-2, 3))
    assert box.shape == (3, 5, 5)
    assert box.dtype == np.uint16
    back = paste(box, (1, 6), (-2, 3), (4, 5))
    assert back.dtype == np.uint16
    assert np.array_equal(back[:, 1:, :3], layers[:, 1:, :3])
    assert not back[:, 0].any()


def test_the_box_is_a_copy():
    image = numbered((3, 3))
    cut(image, (0, 3), (0, 3))[:] = 0
    assert image.sum() == 45
