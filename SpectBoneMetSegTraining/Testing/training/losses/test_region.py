"""Region losses, Eq. 6-8: worked examples, gradients, and the known defects."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.training.losses import region as losses
from SpectBoneMetSegTrainingLib.training.losses.region import RegionLossSettings

FLAT = (1, 2, 2, 1)


def tensor(values, shape=None):
    import tensorflow as tf

    array = np.asarray(values, np.float64)
    return tf.constant(array.reshape(shape) if shape else array)


def gradient(loss, probability):
    """(value, gradient) of a loss of the probability, in float64."""
    import tensorflow as tf

    p = tensor(probability)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = loss(p)
    return float(value), tape.gradient(value, p).numpy()


def square(size, side=12, count=1):
    """(count, side, side, 1) with a bright square of `size` pixels a side in the middle."""
    image = np.zeros((count, side, side, 1))
    first = (side - size) // 2
    image[:, first : first + size, first : first + size] = 1
    return image


@pytest.fixture
def example():
    """p, g, u, weight, body of two images with two outputs; the body is not everywhere, nor is the weight."""
    rng = np.random.default_rng(3)
    shape = (2, 5, 6, 2)
    body = np.ones((*shape[:3], 1))
    body[:, :, 0] = 0
    binary = [(rng.random(shape) < share).astype(float) for share in (0.4, 0.8)]
    return rng.uniform(0.1, 0.9, shape), rng.random(shape), *binary, body


def every_loss(example):
    """{name: loss of p} for both forms, both terms, with the length term as well."""
    _, g, u, weight, body = map(tensor, example)
    return {
        "published_unsupervised": lambda p: losses.published_unsupervised(p, g),
        "published_supervised": lambda p: losses.published_supervised(p, u, weight, 0.7),
        "corrected_unsupervised": lambda p: losses.corrected_unsupervised(p, g, body),
        "corrected_supervised": lambda p: losses.corrected_supervised(p, u, weight * body, 0.7),
        "sum": lambda p: losses.region_loss(p, g, u, weight, body, RegionLossSettings()),
        "convex": lambda p: losses.region_loss(p, g, u, weight, body, RegionLossSettings(combination="convex")),
        "published": lambda p: losses.region_loss(p, g, u, weight, body, RegionLossSettings("published")),
    }


def test_unsupervised_losses_of_four_pixels_by_hand():
    p, g = tensor([1, 0.5, 0, 0], FLAT), tensor([4, 2, 1, 1], FLAT)
    # Published: c1 = 5 / 2 and c2 = 3 / 3 by counts of non-zero pixels.
    inside, outside = 1.5**2 + 0.5 * 0.5**2, 0.5 * 1**2
    assert float(losses.published_unsupervised(p, g, 0.1)) == pytest.approx(inside + outside + 0.1 * 1.5)
    # Corrected: c1 = 5 / 1.5 and c2 = 3 / 2.5 by sums of probability; the mean of four pixels.
    inside = (4 - 5 / 1.5) ** 2 + 0.5 * (2 - 5 / 1.5) ** 2
    outside = 0.5 * (2 - 1.2) ** 2 + 2 * (1 - 1.2) ** 2
    value = float(losses.corrected_unsupervised(p, g, tensor(np.ones(FLAT)), 0.1))
    assert value == pytest.approx((inside + outside + 0.1 * 1.5) / 4, rel=1e-5)


def test_supervised_losses_of_four_pixels_by_hand():
    p, u = tensor([0.75, 0.5, 0.25, 1], FLAT), tensor([1, 0, 0, 1], FLAT)
    # Lesion pixels cost 1 - p, background pixels p.
    weight = tensor([1, 1, 1, 1], FLAT)
    assert float(losses.published_supervised(p, u, weight)) == pytest.approx(0.25 + 0.5 + 0.25 + 0)
    assert float(losses.corrected_supervised(p, u, weight)) == pytest.approx(1 / 4)
    ignored = tensor([1, 0, 1, 1], FLAT)
    assert float(losses.published_supervised(p, u, ignored)) == pytest.approx(0.5)
    assert float(losses.corrected_supervised(p, u, ignored)) == pytest.approx(0.5 / 3)


def test_length_terms_of_nine_pixels_by_hand():
    p = tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (1, 3, 3, 1))
    nothing, everywhere = tensor(np.zeros((1, 3, 3, 1))), tensor(np.ones((1, 3, 3, 1)))
    # The published slices leave one pixel: down from (1, 0) to (2, 0) and right from (0, 1) to (0, 2), both flat.
    assert float(losses.published_supervised(p, p, nothing, 1.0)) == pytest.approx(1e-4)
    # Forward differences: a step above and one left of the pixel, and a corner of both at the pixel itself.
    expected = (1 + 1 + np.sqrt(2)) / 9
    assert float(losses.corrected_supervised(p, p, everywhere, 1.0)) == pytest.approx(expected, abs=1e-4)
    assert float(losses.corrected_supervised(everywhere, everywhere, everywhere, 1.0)) == pytest.approx(0, abs=1e-12)


def test_both_forms_of_the_combination():
    two, three = tensor(2.0), tensor(3.0)
    assert float(losses.combine(two, three, "sum")) == pytest.approx(2 + 0.4 * 3)
    assert float(losses.combine(two, three, "convex")) == pytest.approx(0.6 * 2 + 0.4 * 3)


@pytest.mark.parametrize("combination", ["sum", "convex"])
@pytest.mark.parametrize("form", ["published", "corrected"])
def test_the_whole_loss_is_the_combination_of_its_two_terms(example, form, combination):
    arrays = p, g, u, weight, body = [tensor(array) for array in example]
    if form == "published":
        parts = losses.published_unsupervised(p, g), losses.published_supervised(p, u, weight)
    else:
        parts = losses.corrected_unsupervised(p, g, body), losses.corrected_supervised(p, u, weight * body)
    whole = losses.region_loss(*arrays, RegionLossSettings(form, combination))
    assert float(whole) == pytest.approx(float(losses.combine(*parts, combination, 0.4)), rel=1e-12)


def test_the_papers_constants_are_the_defaults():
    settings = RegionLossSettings()
    assert (settings.alpha, settings.area_weight, settings.length_weight) == (0.4, 0.004, 0)


@pytest.mark.parametrize("name", every_loss([np.ones(FLAT)] * 5))
def test_gradients_agree_with_central_differences(example, name):
    loss, p, step = every_loss(example)[name], example[0], 1e-5
    slope = gradient(loss, p)[1]
    for index in list(np.ndindex(p.shape))[::7]:
        up, down = p.copy(), p.copy()
        up[index] += step
        down[index] -= step
        numeric = (float(loss(tensor(up))) - float(loss(tensor(down)))) / (2 * step)
        assert slope[index] == pytest.approx(numeric, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", ["corrected_unsupervised", "corrected_supervised", "sum", "convex"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_corrected_losses_of_empty_full_and_constant_predictions_are_finite(example, name, value):
    shape = example[0].shape
    for body in (example[4], np.zeros_like(example[4])):
        for g in (example[1], np.zeros(shape), np.ones(shape)):
            for u in (np.zeros(shape), np.ones(shape)):
                loss = every_loss((example[0], g, u, example[3], body))[name]
                result, slope = gradient(loss, np.full(shape, value))
                assert np.isfinite(result)
                assert np.isfinite(slope).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_published_loss_of_an_empty_or_full_prediction_is_not_a_number(value):
    assert np.isnan(float(losses.published_unsupervised(tensor(np.full(FLAT, value)), tensor([4, 2, 1, 1], FLAT))))


def test_published_means_are_biased_and_corrected_ones_are_not():
    # A lesion of intensity 1 on 0, predicted with probability 0.5: all pixels inside are 1, so c1 must be 1.
    g = square(3)
    p = 0.5 * g
    c1, c2 = (float(np.squeeze(c)) for c in losses.region_means(tensor(p), tensor(g), tensor(np.ones_like(g))))
    assert c1 == pytest.approx(1, abs=1e-5)
    assert c2 == pytest.approx(4.5 / (144 - 4.5), abs=1e-6)
    # The published c1 is 4.5 / 9: half of the correct intensity counts as an error.
    inside = 9 * 0.5 * (1 - 0.5) ** 2
    outside = 9 * 0.5 * (1 - 4.5 / 144) ** 2 + 135 * (4.5 / 144) ** 2
    assert float(losses.published_unsupervised(tensor(p), tensor(g), 0.0)) == pytest.approx(inside + outside)


def test_a_clipped_probability_has_no_gradient_in_the_published_form():
    p = np.array([1.2, -0.3, 0.4, 0.6]).reshape(FLAT)
    slope = gradient(lambda p: losses.published_unsupervised(p, tensor([4, 2, 1, 1], FLAT)), p)[1].ravel()
    assert slope[0] == 0
    assert slope[1] == 0
    assert slope[2] != 0


@pytest.mark.parametrize("form", ["published", "corrected"])
@pytest.mark.parametrize(("size", "erased"), [(1, True), (2, True), (3, True), (4, False), (6, False)])
def test_a_length_term_of_weight_one_erases_lesions_up_to_three_pixels_wide(form, size, erased):
    u, weight = square(size, 16), tensor(np.ones((1, 16, 16, 1)))
    loss = losses.published_supervised if form == "published" else losses.corrected_supervised
    empty = float(loss(tensor(np.zeros_like(u)), tensor(u), weight, 1.0))
    perfect = float(loss(tensor(u), tensor(u), weight, 1.0))
    assert (empty < perfect) is erased
    assert float(loss(tensor(u), tensor(u), weight)) == 0


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize(("contrast", "erased"), [(0.05, True), (0.08, False)])
def test_the_area_term_erases_lesions_fainter_than_its_root_whatever_their_size(size, contrast, erased):
    u, body = square(size, 40), tensor(np.ones((1, 40, 40, 1)))
    g = tensor(0.3 + contrast * u)
    empty = float(losses.corrected_unsupervised(tensor(np.zeros_like(u)), g, body))
    perfect = float(losses.corrected_unsupervised(tensor(u), g, body))
    assert (empty < perfect) is erased


@pytest.mark.parametrize("area_weight", [0.004, 0.2])
def test_eq_7_is_only_an_intensity_threshold(area_weight):
    rng = np.random.default_rng(0)
    g = rng.random((1, 12, 12, 1))
    p = 0.2 + 0.6 * g  # bright pixels likelier inside, so that c1 > c2
    body = tensor(np.ones_like(g))
    c1, c2 = (float(np.squeeze(c)) for c in losses.region_means(tensor(p), tensor(g), body))
    # (g - c1)^2 + v < (g - c2)^2, solved for g.
    threshold = (c1 + c2) / 2 + area_weight / (2 * (c1 - c2))
    assert c1 > c2
    assert (g > threshold).any()
    slope = gradient(lambda p: losses.corrected_unsupervised(p, tensor(g), body, area_weight), p)[1]
    # Descent raises p exactly where g lies above the threshold, wherever in the image that is.
    np.testing.assert_array_equal(slope < 0, g > threshold)
    # And per pixel, for these c1 and c2, inside is the cheaper choice exactly there.
    np.testing.assert_array_equal((g - c1) ** 2 + area_weight < (g - c2) ** 2, g > threshold)


def test_eq_7_does_not_distinguish_a_hot_kidney_from_a_metastasis():
    g = np.zeros((1, 12, 12, 1))
    g[0, 2:4, 2:4] = g[0, 8:10, 8:10] = 1
    metastasis, body = np.zeros_like(g), tensor(np.ones_like(g))
    metastasis[0, 2:4, 2:4] = 1
    right, greedy = (float(losses.corrected_unsupervised(tensor(p), tensor(g), body)) for p in (metastasis, g))
    assert greedy < right


def test_the_corrected_loss_excludes_air_and_the_published_one_does_not(example):
    p, g, u, weight, body = example
    other = np.where(body == 0, 1 - p, p)
    for form, same in (("corrected", True), ("published", False)):
        settings = RegionLossSettings(form)
        one, two = (float(losses.region_loss(*map(tensor, (q, g, u, weight, body)), settings)) for q in (p, other))
        assert (one == pytest.approx(two, rel=1e-12)) is same


def test_an_unlabelled_image_has_a_gradient_without_its_label(example):
    p, g, u, weight, body = example
    weight = weight.copy()
    weight[1] = 0
    values = []
    for label in (u, np.concatenate([u[:1], 1 - u[1:]])):
        arrays = [tensor(array) for array in (p, g, label, weight, body)]
        values.append(gradient(lambda q, a=arrays: losses.region_loss(q, *a[1:], RegionLossSettings()), p))
    assert values[0][0] == values[1][0]
    assert (values[0][1][1][body[1, :, :, 0] == 1] != 0).all()
    # And the labelled image weighs the same with or without it.
    alone = losses.corrected_supervised(tensor(p[:1]), tensor(u[:1]), tensor(weight[:1]))
    assert float(losses.corrected_supervised(*map(tensor, (p, u, weight)))) == pytest.approx(float(alone), rel=1e-12)


def test_the_corrected_loss_of_a_repeated_image_is_that_of_the_image_and_the_published_one_doubles():
    g, p = square(4), 0.8 * square(4) + 0.1
    twice = [np.concatenate([array, array]) for array in (p, g)]
    body = tensor(np.ones_like(twice[0]))
    one = float(losses.corrected_unsupervised(tensor(p), tensor(g), body[:1]))
    assert float(losses.corrected_unsupervised(*map(tensor, twice), body)) == pytest.approx(one, rel=1e-12)
    one = float(losses.published_unsupervised(tensor(p), tensor(g)))
    assert float(losses.published_unsupervised(*map(tensor, twice))) == pytest.approx(2 * one, rel=1e-12)


def test_images_of_other_brightness_in_the_batch_disturb_only_the_published_means():
    p = np.concatenate([square(4), square(4)])
    g = np.concatenate([square(4), 0.4 * square(4) + 0.5])
    assert float(losses.published_unsupervised(tensor(p), tensor(g), 0.0)) > 1
    value = float(losses.corrected_unsupervised(tensor(p), tensor(g), tensor(np.ones_like(g)), 0.0))
    assert value == pytest.approx(0, abs=1e-9)


def test_images_are_scaled_one_by_one_and_a_constant_one_is_zero():
    front, back = np.zeros((2, 2, 2, 1)), np.zeros((2, 2, 2, 1))
    front[0, 0, 0], back[0, 0, 1], front[1], back[1, 1, 1] = 6, 3, 5, 5
    image = losses.unit_range(tensor(front + back)).numpy()
    np.testing.assert_allclose(image[0, ..., 0], [[1, 0.5], [0, 0]])
    np.testing.assert_allclose(image[1, ..., 0], [[0, 0], [0, 1]])
    assert not losses.unit_range(tensor(np.ones(FLAT))).numpy().any()
