"""`spectbonemetseg tune`: other thresholds and a confidence, the same weights, a card that says so."""

import json
import shutil

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.store import find_model, verify
from SpectBoneMetSegTrainingLib.dataset.cases import finish_dataset
from SpectBoneMetSegTrainingLib.training.outcome.finish import train_and_finish
from SpectBoneMetSegTrainingLib.training.outcome.training_scans import TRAINING_SCANS
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=1, stem_channels=6)


@pytest.fixture(scope="module")
def trained(eager, discs, tmp_path_factory):
    """(a model of a few steps, other patients than it was trained on)."""
    folder = tmp_path_factory.mktemp("tune")
    model = folder / "parent"
    config = TrainingConfig(steps=3, batch=4, patch=32, learning_rate=1e-2, network=NETWORK)
    train_and_finish(discs(folder / "learn", ["train"] * 6), folder / "run", config, model)
    other = discs(folder / "other", ["test"] * 2 + ["train"] * 8)
    return model, other


def test_a_tuned_model_has_the_same_weights_and_says_where_its_thresholds_come_from(trained, tmp_path, capsys):
    model, other = trained
    output = tmp_path / "mine"
    assert main(["tune", "--data", str(other), "--model", str(model), "--output", str(output), "--json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    before, after = find_model(model), find_model(output)
    verify(after)
    assert after.card.sha256 == before.card.sha256
    assert after.card.onnx_sha256 == before.card.onnx_sha256
    with np.load(before.weights) as one, np.load(after.weights) as two:
        assert all(np.array_equal(one[name], two[name]) for name in one.files)
    assert (reported["threshold"], reported["cases"]) == (after.card.threshold, 8)
    assert after.card.name == "mine"
    assert after.card.parent.startswith("parent 1, SHA-256 ")
    assert after.card.metrics["validation"] == before.card.metrics["validation"]
    assert "chosen on these patients" in after.card.metrics["tuned"]["what"]
    chosen, *earlier = after.card.training[TRAINING_SCANS]
    assert (chosen["taught"], len(chosen["validated"].split())) == ("", 8)
    assert earlier == before.card.training[TRAINING_SCANS]


def test_a_tuned_model_replaces_its_own_and_no_other(trained, tmp_path, capsys):
    model, other = trained
    mine = tmp_path / "mine"
    shutil.copytree(model, mine)
    assert main(["tune", "--data", str(other), "--model", str(model), "--output", str(mine)]) == 2
    assert "is a model already; choose another folder" in capsys.readouterr().err
    assert find_model(mine).card == find_model(model).card
    for source, output in ((mine, mine), (model, tmp_path / "twice"), (model, tmp_path / "twice")):
        assert main(["tune", "--data", str(other), "--model", str(source), "--output", str(output)]) == 0


def test_half_as_large_a_model_answers_nearly_the_same(trained, tmp_path):
    model, other = trained
    output = tmp_path / "half"
    assert main(["tune", "--data", str(other), "--model", str(model), "--output", str(output), "--half"]) == 0
    before, after = find_model(model), find_model(output)
    verify(after)
    with np.load(after.weights) as weights:
        assert {weights[name].dtype for name in weights.files} == {np.dtype(np.float16)}
    inputs = np.random.default_rng(0).random((32, 32, 2), np.float32)
    answers = [load_engine(folder, "onnx", "cpu").predict(inputs) for folder in (before, after)]
    assert after.weights.stat().st_size < before.weights.stat().st_size
    np.testing.assert_allclose(answers[0], answers[1], atol=5e-3)
    kept = load_engine(after, "tensorflow", "cpu").predict(inputs)
    np.testing.assert_allclose(kept, answers[1], atol=1e-4)


@pytest.mark.parametrize("region", [[], ["--region", "thorax"]])
def test_a_model_of_the_whole_body_is_measured_on_a_set_of_thoraxes_in_these(trained, region, capsys):
    assert main(["evaluate", "--data", str(trained[1]), "--model", "whole-body", "--json", *region]) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == 2


def test_a_model_of_the_whole_body_is_tuned_to_a_set_of_thoraxes(trained, tmp_path, capsys):
    output = tmp_path / "mine"
    assert main(["tune", "--data", str(trained[1]), "--model", "whole-body", "--output", str(output)]) == 0
    assert find_model(output).card.parent.startswith("whole-body 2, ")


def test_test_patients_and_sets_without_lesions_choose_nothing(trained, discs, tmp_path, capsys):
    only_test = discs(tmp_path / "only", ["test"] * 2)
    command = ["tune", "--model", str(trained[0]), "--output", str(tmp_path / "no")]
    assert main([*command, "--data", str(only_test)]) != 0
    assert "holds no labelled case" in capsys.readouterr().err
    assert main([*command, "--data", str(tmp_path)]) != 0
    assert "is not a data set" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_the_licence_of_the_data_is_in_the_cards_of_models_trained_or_tuned_on_it(trained, discs, tmp_path):
    public = discs(tmp_path / "public", ["train"] * 6)
    source = {"name": "Some set", "licence": "CC BY-NC 4.0", "citation": "A. Uthor", "home": "doi:10"}
    finish_dataset(public, "Public", 1, "Made-up discs.", {"sources": [source]})
    config = TrainingConfig(steps=3, batch=2, patch=32, network=NETWORK)
    train_and_finish(public, tmp_path / "run", config, tmp_path / "child")
    command = [
        "tune",
        "--data",
        str(trained[1]),
        "--model",
        str(tmp_path / "child"),
        "--output",
        str(tmp_path / "tuned"),
    ]
    assert main(command) == 0
    for name in ("child", "tuned"):
        card = find_model(tmp_path / name).card
        assert card.training["sources"] == [source]
        assert card.licence == "Apache-2.0; trained on Some set: CC BY-NC 4.0"
    assert "sources" not in find_model(trained[0]).card.training
