"""Counts to network inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib.model.config import BODY_LEVEL, SOFT_TISSUE_LEVEL, InputScaling, NetworkConfig
from SpectBoneMetSegLib.model.inputs import body_scale, network_inputs, normalise_counts


@pytest.fixture
def body() -> np.ndarray:
    """A round body of 20 counts with a spine of 60 in air of 0.2, Poisson noise."""
    rows, columns = np.mgrid[:128, :128]
    mean = np.where((rows - 64) ** 2 + (columns - 64) ** 2 < 50**2, 20.0, 0.2)
    mean[:, 60:68] *= 3
    return np.random.default_rng(0).poisson(mean).astype(np.float32)


def test_level_lies_between_soft_tissue_and_bone(body):
    assert 18 < body_scale(body) < 60


@settings(max_examples=20, deadline=None)
@given(factor=st.floats(1e-3, 1e3))
def test_level_follows_a_change_of_units_exactly(factor):
    image = np.random.default_rng(1).random((40, 30)).astype(np.float32)
    assert body_scale(image * np.float32(factor)) == pytest.approx(factor * body_scale(image), rel=1e-3)


@pytest.mark.parametrize("kept", [0.5, 0.1])
def test_level_of_a_shorter_acquisition_shrinks_with_its_counts(body, kept):
    thinned = np.random.default_rng(2).binomial(body.astype(int), kept)
    assert body_scale(thinned) == pytest.approx(kept * body_scale(body), rel=0.1)


def test_hot_bladder_hardly_moves_the_level(body):
    hot = body.copy()
    hot[100:112, 58:70] = 5000
    assert body_scale(hot) == pytest.approx(body_scale(body), rel=0.1)


def test_air_around_the_body_hardly_moves_the_level(body):
    assert body_scale(np.pad(body, 30)) == pytest.approx(body_scale(body), rel=0.1)


def test_a_few_counts_in_an_empty_field_have_a_level():
    speck = np.zeros((64, 64))
    speck[30, 30] = 9
    assert 0 < body_scale(speck) < 9
    assert body_scale(np.zeros((64, 64))) == 1
    assert body_scale(np.full((8, 8), -3.0)) == 1


def test_normalised_counts_are_square_roots_in_units_of_the_level():
    given_counts = [[-5.0, 0.0, 25.0, 100.0, 1e9]]
    np.testing.assert_allclose(normalise_counts(given_counts, 25.0), [[0, 0, 1, 2, BODY_LEVEL.maximum]])
    with pytest.raises(ValueError, match="positive"):
        normalise_counts(given_counts, 0)


def test_channels_have_the_requested_order_each_in_its_own_units(body):
    posterior = 4 * body[:, ::-1]
    stack = network_inputs(body, posterior, ("aggregate", "posterior", "anterior"), BODY_LEVEL)
    assert stack.shape == (128, 128, 3)
    assert stack.dtype == np.float32
    total = body + posterior
    np.testing.assert_array_equal(stack[..., 0], normalise_counts(total, body_scale(total)))
    np.testing.assert_allclose(stack[..., 1], stack[:, ::-1, 2], rtol=1e-5)


def test_missing_view_is_a_channel_of_zeros_and_the_aggregate_is_the_other_view(body):
    stack = network_inputs(None, body, ("anterior", "posterior", "aggregate"), BODY_LEVEL)
    assert not stack[..., 0].any()
    np.testing.assert_array_equal(stack[..., 1], stack[..., 2])
    np.testing.assert_array_equal(stack[..., 1], normalise_counts(body, body_scale(body)))


@pytest.fixture
def diseased(body) -> np.ndarray:
    """The same body with ribs, and all bone four times as hot."""
    rng, rows = np.random.default_rng(3), np.arange(128)[:, None]
    bone = np.broadcast_to((rows % 16 < 6) & (abs(rows - 64) < 45), body.shape) & (body > 5)
    return np.where(bone, rng.poisson(4 * np.maximum(body, 1)), body).astype(np.float32)


def test_diffuse_disease_lifts_the_level_of_soft_tissue_less_than_that_of_the_body(body, diseased):
    lifted = [body_scale(diseased, scaling) / body_scale(body, scaling) for scaling in (BODY_LEVEL, SOFT_TISSUE_LEVEL)]
    assert lifted[0] > 2
    assert lifted[1] < 1.3


def test_the_level_of_soft_tissue_does_not_depend_on_counts_air_or_units(body):
    level = body_scale(body, SOFT_TISSUE_LEVEL)
    assert body_scale(np.pad(body, 30), SOFT_TISSUE_LEVEL) == pytest.approx(level, rel=0.1)
    assert body_scale(body * 7, SOFT_TISSUE_LEVEL) == pytest.approx(7 * level, rel=1e-3)
    assert body_scale(np.zeros((64, 64)), SOFT_TISSUE_LEVEL) == 1


def test_hot_pixels_are_compressed_from_the_knee_on_and_stay_in_order():
    counts = np.array([[1.0, 16.0, 17.0, 100.0, 400.0, 1e12]])
    linear, soft = (normalise_counts(counts, 1.0, scaling)[0] for scaling in (BODY_LEVEL, SOFT_TISSUE_LEVEL))
    np.testing.assert_allclose(soft[:2], [1, 4])
    assert linear[3] == linear[4] == BODY_LEVEL.maximum
    assert (np.diff(soft) > 0).all()
    assert soft[-1] == SOFT_TISSUE_LEVEL.maximum
    # The bend has no step: just above the knee the input grows as the square root does.
    assert soft[2] == pytest.approx(17**0.5, abs=0.01)


def test_a_card_keeps_how_counts_become_inputs_and_one_without_it_means_the_level_of_the_body():
    network = NetworkConfig(scaling=SOFT_TISSUE_LEVEL)
    assert NetworkConfig.from_dict(network.to_dict()) == network
    old = {name: value for name, value in network.to_dict().items() if name != "scaling"}
    assert NetworkConfig.from_dict(old).scaling == BODY_LEVEL
    with pytest.raises(ValueError, match="unknown scaling"):
        NetworkConfig.from_dict({"scaling": {"gamma": 2}})
    with pytest.raises(ValueError, match="positive"):
        InputScaling(level_factor=0)


def test_no_view_and_unequal_views_are_refused(body):
    with pytest.raises(ValueError, match="one or two views"):
        network_inputs(None, None, ("anterior",), BODY_LEVEL)
    with pytest.raises(ValueError, match="one shape"):
        network_inputs(body, body[1:], ("anterior",), BODY_LEVEL)
