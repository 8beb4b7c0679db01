"""The DCGAN: images to its scale and back, training that resumes bit for bit, samples that never validate."""

import json

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.budgets import patients_of
from SpectBoneMetSegTrainingLib.dataset.cases import GENERATED, Instance, cases_of, load_case
from SpectBoneMetSegTrainingLib.dataset.examples import Example
from SpectBoneMetSegTrainingLib.paper_sets import generator_training
from SpectBoneMetSegTrainingLib.paper_sets.dcgan import CHANNELS, DISCRIMINATOR_STEPS, Dcgan, GeneratorConfig
from SpectBoneMetSegTrainingLib.paper_sets.generator_images import image_of, sampled_example
from SpectBoneMetSegTrainingLib.paper_sets.generator_training import draw_samples, train_generator
from SpectBoneMetSegTrainingLib.paper_sets.recipes import RecipeRequest, make_recipe
from SpectBoneMetSegTrainingLib.training.run_folder import read_rows
from SpectBoneMetSegTrainingLib.training.setup.cases import training_cases
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

pytestmark = pytest.mark.usefixtures("eager")

TINY = GeneratorConfig(size=16, steps=4, batch=2, channels=4, latent=3, seed=5)


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 7)


@pytest.fixture(scope="module")
def d3(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes") / "D3"
    return folder, make_recipe(data, folder, RecipeRequest("D3", factor=2, generator=TINY))


def bar_example(side=64):
    """A hot bar in a uniform body, labelled in both views and twice as many counts in the posterior one."""
    mask = np.zeros((side, side), bool)
    mask[16:32, 24:48] = True
    front = np.where(mask, 400, 100).astype(np.float32)
    front[:, :8] = 0
    views = ("anterior", "posterior")
    lesion = Instance(1, dict.fromkeys(views, mask), dict.fromkeys(views, True), {})
    return Example({"anterior": front, "posterior": 2 * front}, (lesion,))


def some_images(count=5):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (count, 16, 16, len(CHANNELS))).astype(np.float32)


def test_an_image_shows_both_views_on_the_networks_scale_with_their_labels():
    pair = image_of(bar_example(), 16)
    assert pair.image.shape == (16, 16, 4)
    assert pair.levels[1] == pytest.approx(2 * pair.levels[0], rel=0.01)
    np.testing.assert_allclose(pair.image[..., 0], pair.image[..., 1], atol=0.01)
    bar, body = pair.image[5, 8, 0] + 1, pair.image[12, 8, 0] + 1
    assert bar == pytest.approx(2 * body, rel=0.02)
    assert (pair.image[4:8, 6:12, 2:] == 1).all()
    assert (pair.image[..., 2:] == 1).sum() == 2 * 4 * 6
    assert (pair.image[:, :2, :2] == -1).all()


def test_an_image_becomes_a_case_with_the_same_counts_and_lesions():
    example, pair = bar_example(), image_of(bar_example(), 32)
    back = sampled_example(pair.image, pair.levels, 64, np.random.default_rng(1))
    (lesion,) = back.lesions
    for view, counts in example.counts.items():
        assert back.counts[view].mean() == pytest.approx(counts.mean(), rel=0.03)
        both = lesion.masks[view] & example.lesions[0].masks[view]
        assert 2 * both.sum() / (lesion.masks[view].sum() + example.lesions[0].masks[view].sum()) > 0.95
        body = back.counts[view][40:60, 12:60]
        # Counted, not smooth: the variance is the mean.
        assert body.var() == pytest.approx(body.mean(), rel=0.25)


def test_one_view_or_an_odd_size_is_refused():
    with pytest.raises(UserError, match="both views"):
        image_of(Example({"anterior": np.ones((64, 64), np.float32)}, ()), 16)
    with pytest.raises(UserError, match="multiple of 32"):
        image_of(bar_example(48), 32)


def test_the_discriminator_steps_three_times_as_often():
    assert DISCRIMINATOR_STEPS == TINY.discriminator_steps == 3
    pair = Dcgan(TINY)
    pair.step(0, *generator_training._batch(some_images(), TINY, 0))
    judge, maker = (int(optimizer.iterations) for optimizer in pair._optimizers)
    assert (judge, maker) == (3, 1)


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights_log_and_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(generator_training, "CHECKPOINT_EVERY", 2)
    images = some_images()
    whole = train_generator(images, tmp_path / "whole", TINY)
    with monkeypatch.context() as patch:

        def breaks_off(images, config, step):
            if step == 3:
                raise KeyboardInterrupt
            return batch(images, config, step)

        batch = generator_training._batch
        patch.setattr(generator_training, "_batch", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            train_generator(images, tmp_path / "cut", TINY)
    resumed = train_generator(images, tmp_path / "cut", TINY)
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, resumed.arrays()[name], err_msg=name)
    logs = [read_rows(tmp_path / run / "log.csv") for run in ("whole", "cut")]
    assert [row["generator"] for row in logs[0]] == [row["generator"] for row in logs[1]]
    assert len(logs[0]) == 4
    sheets = [(tmp_path / run / "samples_00004.png").read_bytes() for run in ("whole", "cut")]
    assert sheets[0] == sheets[1]
    np.testing.assert_array_equal(draw_samples(whole, TINY, 3), draw_samples(resumed, TINY, 3))
    with pytest.raises(UserError, match="other options"):
        train_generator(images, tmp_path / "cut", GeneratorConfig(size=16, steps=5))


@pytest.mark.slow
def test_it_learns_where_the_hot_half_is(tmp_path):
    images = np.full((6, 16, 16, len(CHANNELS)), -0.8, np.float32)
    images[:, 8:] = 0.6
    config = GeneratorConfig(size=16, steps=150, batch=8, channels=8, latent=8, learning_rate=1e-3)
    samples = draw_samples(train_generator(images, tmp_path / "run", config), config, 16)
    assert samples[:, 11:].mean() > samples[:, :5].mean() + 0.7


def test_a_generator_needs_something_to_train_on(tmp_path):
    with pytest.raises(UserError, match="two labelled"):
        train_generator(some_images(1), tmp_path / "run", TINY)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_d3_is_d1_and_samples_that_train_and_never_validate(d3):
    folder, made = d3
    assert (made["train"], made["generated"]) == (14, 7)
    cases = training_cases(folder, TrainingConfig())
    samples = [case for case, patient in patients_of(folder).items() if patient == GENERATED]
    assert len(samples) == 7
    assert set(samples) < set(cases.labelled)
    assert load_case(folder, samples[0]).counts.keys() == {"anterior", "posterior"}
    trained = json.loads((folder / "generator" / "generator.json").read_text())["cases"]
    assert trained
    assert set(trained) == set(cases.labelled) - set(samples)
    assert not set(trained) & set(cases.validation)
    assert len(cases_of(folder, "train")) == 14


@pytest.mark.slow
def test_a_label_budget_does_not_exclude_patients_on_whom_a_generator_was_trained(d3):
    for config in (TrainingConfig(labels=3), TrainingConfig(labelled_cases=("case1",))):
        with pytest.raises(UserError, match="generated cases"):
            training_cases(d3[0], config)


@pytest.mark.slow
def test_the_command_makes_d4(data, tmp_path, capsys):
    command = ["augment", "--data", str(data), "--output", str(tmp_path / "D4"), "--recipe", "D4", "--factor", "2"]
    assert main([*command, "--generator-steps", "1", "--generator-size", "16", "--labels", "5", "--json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert (reported["train"], reported["unlabelled"], reported["generated"]) == (10 + 7, 4, 7)
    assert len(list((tmp_path / "D4" / "generator").glob("samples_*.png"))) == 1


@pytest.mark.parametrize("options", [["D2", "--generator-steps", "5"], ["D3", "--generator-size", "20"]])
def test_wrong_generator_options_are_refused_with_status_2(options, data, tmp_path, capsys):
    assert main(["augment", "--data", str(data), "--output", str(tmp_path / "out"), "--recipe", *options]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
