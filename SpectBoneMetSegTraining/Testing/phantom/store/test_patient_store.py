"""A store made by the command, interrupted and resumed; scans drawn from it during training."""

import json

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.phantom.store.crops import FOLDER, PatientStore
from SpectBoneMetSegTrainingLib.training.sampling.batches import BatchSource
from SpectBoneMetSegTrainingLib.training.setup.cases import TrainingCases
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores") / "store"
    assert main(["simulate", "--store", "--patients", "2", "--seed", "6", "--jobs", "1", "--output", str(folder)]) == 0
    return folder


def never(case):
    raise AssertionError(f"{case} was loaded")


def source(folder, **options):
    config = TrainingConfig(batch=4, patch=128, store=str(folder), **options)
    return BatchSource(never, TrainingCases(["a"], [], []), config, [], PatientStore(folder))


@pytest.mark.slow
def test_an_interrupted_store_continues_with_what_is_missing(folder, capsys):
    files = sorted((folder / FOLDER).iterdir())
    assert [path.name for path in files] == ["sim0006_00000.npz", "sim0006_00001.npz"]
    before = files[0].stat().st_mtime_ns
    whole = files[1].read_bytes()
    files[1].unlink()
    assert main(["simulate", "--store", "--patients", "2", "--seed", "6", "--jobs", "1", "--output", str(folder)]) == 0
    assert files[0].stat().st_mtime_ns == before
    assert files[1].read_bytes() == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--patients", "3", "--seed", "6"], "made with other options"),
        (["--patients", "2", "--unlabelled", "4"], "leave out --unlabelled"),
        (["--benchmark", "hospital-4"], "leave out --benchmark"),
        ([], "needs --patients"),
    ],
)
def test_what_a_store_cannot_be_is_refused(folder, options, message, capsys):
    assert main(["simulate", "--store", "--output", str(folder), *options]) != 0
    assert message in capsys.readouterr().err
    assert json.loads((folder / "store.json").read_text())["patients"] == 2


def test_a_folder_without_patients_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no stored patients"):
        PatientStore(tmp_path)


def test_every_labelled_patch_can_come_from_the_store_and_a_step_gives_the_same_ones_again(folder):
    made, again = source(folder, store_share=1.0).make(3), source(folder, store_share=1.0).make(3)
    assert set(made) == set(again)
    for name in made:
        np.testing.assert_array_equal(made[name], again[name])
    assert made["inputs"].shape == (4, 128, 128, 2)
    assert (made["labelled"] == 1).all()
    other = source(folder, store_share=1.0).make(4)
    assert not np.array_equal(made["inputs"], other["inputs"])


@pytest.mark.slow
def test_a_drawn_scan_serves_several_steps_and_a_resumed_training_sees_the_same_ones(folder, monkeypatch):
    drawn, draw = [], PatientStore.draw
    monkeypatch.setattr(PatientStore, "draw", lambda self, rng: drawn.append(1) or draw(self, rng))
    steps = source(folder, store_share=1.0)
    unbroken = [steps.make(step)["inputs"] for step in range(32)]
    # Two scans per step of four patches, each used for four steps; more at both ends, where some are used once.
    assert 16 <= len(drawn) <= 24
    resumed = source(folder, store_share=1.0)
    for step in (27, 31):
        np.testing.assert_array_equal(resumed.make(step)["inputs"], unbroken[step])


def test_a_share_of_the_labelled_patches_comes_from_the_data_set(folder):
    half = source(folder, store_share=0.5)
    with pytest.raises(AssertionError, match="a was loaded"):
        [half.make(step) for step in range(20)]


@pytest.mark.parametrize("share", [0.0, 1.5, -0.1])
def test_a_share_without_sense_is_refused(share):
    with pytest.raises(UserError, match="must be above 0") as caught:
        TrainingConfig(store="x", store_share=share).check()
    assert caught.value.fields == ("store_share",)


def test_a_draw_is_the_thorax_or_the_whole_body_of_the_same_scan(folder):
    thorax = PatientStore(folder).draw(np.random.default_rng(1))
    whole = PatientStore(folder, "whole-body").draw(np.random.default_rng(1))
    assert thorax.case == whole.case
    for view, counts in thorax.counts.items():
        assert counts.shape == (256, 256)
        assert whole.counts[view].shape[0] > 900
        assert whole.counts[view].sum() > counts.sum()
