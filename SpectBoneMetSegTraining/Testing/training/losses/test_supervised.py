"""Supervised segmentation loss: worked examples, excluded pixels, gradients."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.training.losses.supervised import (
    FALSE_NEGATIVE_WEIGHT,
    FALSE_POSITIVE_WEIGHT,
    segmentation_loss,
)

SHAPE = (2, 4, 4, 2)


def loss(probability, label, weight=None):
    arrays = (probability, label, np.ones(np.shape(label)) if weight is None else weight)
    return float(segmentation_loss(*(np.asarray(array, np.float32) for array in arrays)))


def gradient(probability, label, weight):
    import tensorflow as tf

    p = tf.constant(probability, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = segmentation_loss(p, tf.constant(label, tf.float32), tf.constant(weight, tf.float32))
    return tape.gradient(value, p).numpy()


@pytest.fixture
def example():
    rng = np.random.default_rng(5)
    label = (rng.random(SHAPE) < 0.3).astype(np.float32)
    weight = (rng.random(SHAPE) < 0.8).astype(np.float32)
    return rng.uniform(0.1, 0.9, SHAPE).astype(np.float32), label, weight


def test_a_worked_example():
    # One channel of two pixels with probability 0.5: a lesion and a background pixel.
    cross_entropy = (3 * np.log(2) + np.log(2)) / 2
    tversky = (0.5 + 1) / (0.5 + FALSE_POSITIVE_WEIGHT * 0.5 + FALSE_NEGATIVE_WEIGHT * 0.5 + 1)
    value = loss(np.full((1, 1, 2, 1), 0.5), np.array([1, 0]).reshape(1, 1, 2, 1))
    assert value == pytest.approx(cross_entropy + 1 - tversky, rel=1e-5)


def test_a_perfect_prediction_has_almost_no_loss_and_its_opposite_a_large_one(example):
    _, label, _ = example
    assert loss(label, label) < 1e-4
    assert loss(1 - label, label) > 10


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_empty_and_full_labels_give_finite_losses_and_gradients(value, probability):
    label = np.full(SHAPE, value)
    assert np.isfinite(loss(np.full(SHAPE, probability), label))
    assert np.isfinite(gradient(np.full(SHAPE, probability), label, np.ones(SHAPE))).all()


def test_pixels_of_weight_zero_have_neither_loss_nor_gradient(example):
    p, label, weight = example
    other = np.where(weight == 0, 0.99 - 0.5 * p, p)
    assert loss(other, label, weight) == pytest.approx(loss(p, label, weight), rel=1e-6)
    slope = gradient(p, label, weight)
    assert not slope[weight == 0].any()
    assert (slope[weight == 1] != 0).all()


def test_without_any_weight_the_loss_is_zero(example):
    p, label, _ = example
    assert loss(p, label, np.zeros(SHAPE)) == pytest.approx(0, abs=1e-6)
    assert not gradient(p, label, np.zeros(SHAPE)).any()


def test_the_gradient_points_towards_the_label(example):
    p, label, _ = example
    slope = gradient(p, label, np.ones(SHAPE))
    assert (slope[label == 1] < 0).all()
    assert (slope[label == 0] > 0).all()


def test_the_gradient_agrees_with_finite_differences():
    rng = np.random.default_rng(8)
    shape = (1, 2, 2, 2)
    p = rng.uniform(0.2, 0.8, shape).astype(np.float32)
    label = (rng.random(shape) < 0.5).astype(np.float32)
    weight = np.ones(shape, np.float32)
    slope, step = gradient(p, label, weight), 2e-3
    for index in np.ndindex(shape):
        up, down = p.copy(), p.copy()
        up[index] += step
        down[index] -= step
        assert slope[index] == pytest.approx((loss(up, label) - loss(down, label)) / (2 * step), rel=0.02, abs=1e-3)


def test_missing_a_lesion_costs_more_than_a_false_alarm_of_its_size():
    label, prediction = np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 1))
    label[0, 1:3, 1:3], prediction[0, 1:3, 1:3] = 1, 1
    assert loss(np.zeros_like(label), label) > loss(prediction, np.zeros_like(label))


def test_images_share_one_overlap_but_channels_do_not():
    # A missed lesion costs less with a found one in the batch; an empty channel adds nothing.
    label = np.zeros((2, 8, 8, 1))
    label[:, 2:6, 2:6] = 1
    half = label.copy()
    half[1] = 0
    alone = loss(half[1:], label[1:])
    assert loss(half, label) < alone
    with_empty = np.concatenate([label, np.zeros_like(label)], -1)
    assert loss(with_empty, with_empty) < 1e-4
