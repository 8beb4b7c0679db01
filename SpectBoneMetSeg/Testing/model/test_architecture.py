"""The network: shapes, equations, switches, gradients."""

import os
import subprocess
import sys

import numpy as np
import pytest
from SpectBoneMetSegLib.model.architecture import PRIOR_PROBABILITY, build_network
from SpectBoneMetSegLib.model.config import NetworkConfig, pooling_divisor
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS

TINY = {
    "channels": (6, 7),
    "dilations": ((1, 2), (1, 1)),
    "recurrent_steps": 2,
    "stem_channels": 3,
    "stem_stride": 2,
}
SWITCHES = [
    {},
    {"tied": True},
    {"skip_connections": False},
    {"stem_stride": 1},
    {"blocks": "plain", "inception": False},
    {"blocks": "plain"},
    {"inception": False, "stem_stride": 1, "skip_connections": False},
    {"inputs": ("aggregate",), "outputs": ("union",), "recurrent_steps": 1},
    {"inputs": ("anterior", "posterior", "aggregate"), "recurrent_steps": 3, "tied": True},
    {"architecture": "unet"},
    {"architecture": "reader"},
]


@pytest.fixture(autouse=True, scope="module")
def quiet_tensorflow() -> None:
    from SpectBoneMetSegLib.model.engines import import_tensorflow

    import_tensorflow()


@pytest.fixture(autouse=True)
def same_weights():
    """Every run draws the same first weights, so that a failure can be seen again."""
    import keras

    keras.utils.set_random_seed(1)


def tiny(**changes) -> NetworkConfig:
    return NetworkConfig(**{**TINY, **changes})


def parameters(**changes) -> int:
    return build_network(tiny(**changes)).count_params()


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_switch_gives_probabilities_of_the_input_size(switches):
    config = tiny(**switches)
    side = pooling_divisor(config)
    network = build_network(config)
    image = np.random.default_rng(0).random((2, 3 * side, side, len(config.inputs)), dtype=np.float32)

    probability = network(image, training=True).numpy()

    assert probability.shape == (2, 3 * side, side, len(config.outputs))
    assert probability.dtype == np.float32
    assert 0 <= probability.min() < probability.max() <= 1


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_gradient_reaches_every_trainable_weight(switches):
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    config = tiny(**switches)
    network = build_network(config)
    side = 4 * pooling_divisor(config)
    image = tf.random.normal((2, side, side, len(config.inputs)))
    with tf.GradientTape() as tape:
        probability = network(image, training=True)
        loss = tf.reduce_mean((probability - tf.random.uniform(probability.shape)) ** 2)
    gradients = tape.gradient(loss, network.trainable_variables)

    dead = [
        weight.path
        for weight, gradient in zip(network.trainable_variables, gradients, strict=True)
        if gradient is None or not np.any(gradient.numpy()) or not np.all(np.isfinite(gradient.numpy()))
    ]
    assert dead == []


def test_whole_body_size_passes_through():
    config = tiny(channels=(5,), dilations=((1, 1),), recurrent_steps=1)
    assert build_network(config)(np.zeros((1, 1024, 256, 2), np.float32)).shape == (1, 1024, 256, 2)


def test_each_stage_and_the_stem_halve_the_grid():
    assert pooling_divisor(tiny()) == 8
    assert pooling_divisor(tiny(stem_stride=1)) == 4
    network = build_network(tiny(), 32, 64)
    grids = [network.get_layer(f"step2_stage{n}_inception_norm").output.shape[1:3] for n in (1, 2)]
    assert grids == [(8, 16), (4, 8)]


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="multiples of 8"):
        build_network(tiny(), 30, 32)


def test_inception_block_concatenates_to_the_stage_channels():
    network = build_network(tiny(), 32, 32)
    assert network.get_layer("step1_stage1_inception_norm").output.shape[-1] == 6
    assert network.get_layer("step1_stage2_inception_norm").output.shape[-1] == 7


@pytest.mark.slow
def test_untied_parameters_grow_with_the_steps_and_tied_ones_only_by_batchnorm():
    untied = [parameters(recurrent_steps=steps) for steps in (2, 3, 4)]
    tied = [parameters(recurrent_steps=steps, tied=True) for steps in (2, 3, 4)]
    assert untied[1] - untied[0] == untied[2] - untied[1] > 1000
    # Per step: four numbers a channel after the stem, the blocks' convolutions and the inception blocks.
    assert tied[1] - tied[0] == tied[2] - tied[1] == 4 * (3 + 3 * 6 + 3 * 7)


def test_later_steps_hear_the_earlier_ones():
    """Without W_R x(t-1) the last step would not depend on the first one's weights."""
    network = build_network(tiny())
    image = np.random.default_rng(0).random((1, 32, 32, 2), dtype=np.float32)
    before = network(image).numpy()
    kernel = network.get_layer("step1_stage1_conv1").kernel
    kernel.assign(kernel.numpy() * 3)
    assert not np.array_equal(network(image).numpy(), before)


def test_untrained_network_starts_near_the_prior_probability():
    network = build_network(tiny(), 32, 32)
    assert network.get_layer("probability").bias.numpy() == pytest.approx(
        np.log(PRIOR_PROBABILITY / (1 - PRIOR_PROBABILITY))
    )


def test_upsampling_is_keras_bilinear_and_survives_cloning():
    import keras
    from SpectBoneMetSegLib.model.layers import BilinearUpsampling

    image = np.random.default_rng(0).random((1, 5, 3, 2), dtype=np.float32)
    ours = BilinearUpsampling.from_config(BilinearUpsampling(4).get_config())
    expected = keras.layers.UpSampling2D(4, interpolation="bilinear")(image)
    np.testing.assert_allclose(ours(image), expected, rtol=1e-6)


def test_config_survives_json():
    import json

    config = tiny(tied=True, inputs=("aggregate",), outputs=("union",))
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    "bad",
    [
        {"inputs": ()},
        {"inputs": ("anterior", "anterior")},
        {"outputs": ("aggregate",)},
        {"channels": (4, 8)},
        {"dilations": ((1, 2),)},
        {"dilations": ((1, 0), (1, 1))},
        {"recurrent_steps": 0},
        {"stem_stride": 3},
        {"blocks": "dense"},
    ],
    ids=str,
)
def test_impossible_configs_are_refused(bad):
    with pytest.raises(ValueError):
        tiny(**bad)


def test_settings_of_a_newer_program_are_refused():
    with pytest.raises(ValueError, match="attention"):
        NetworkConfig.from_dict({"attention": True})


def test_importing_the_libraries_does_not_import_tensorflow():
    code = (
        "import sys, SpectBoneMetSegLib.model.architecture, SpectBoneMetSegLib.model.store,"
        "SpectBoneMetSegLib.model.engines,"
        "SpectBoneMetSegLib.model.inputs, SpectBoneMetSegLib.common.memory;"
        "sys.exit(str([n for n in ('tensorflow', 'keras', 'onnxruntime', 'scipy') if n in sys.modules] or ''))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stderr.strip() == ""


def test_a_network_with_regions_predicts_them_at_half_the_size():
    network = build_network(tiny(architecture="reader", regions=True))
    probability, regions = network(np.zeros((1, 8, 12, 2), np.float32))
    assert probability.shape == (1, 8, 12, 2)
    assert regions.shape == (1, 4, 6, 2 * len(REGIONS))
    assert float(np.max(regions)) <= 1


@pytest.mark.parametrize("changes", [{}, {"architecture": "unet"}, {"architecture": "reader", "outputs": ("union",)}])
def test_regions_belong_to_the_reader_and_to_views(changes):
    with pytest.raises(ValueError, match="regions need"):
        tiny(**{**changes, "regions": True})
