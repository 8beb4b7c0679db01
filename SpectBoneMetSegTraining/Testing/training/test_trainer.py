"""Training: invalid options are refused, one process per run folder, the result is a usable model."""

from __future__ import annotations

import json
import shutil

import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import exclusive_access
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import find_model, verify
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.training import run_folder
from SpectBoneMetSegTrainingLib.training.trainer import TrainingConfig, train

NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=2, stem_channels=6)


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 5)


def config(**changes) -> TrainingConfig:
    settings = {"steps": 6, "batch": 4, "patch": 32, "seed": 3, "network": NETWORK, **changes}
    return TrainingConfig(**settings)


def test_another_training_in_the_same_run_folder_is_refused(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"data": "elsewhere"}))
    with pytest.raises(UserError, match="other options"):
        train(data, tmp_path / "run", config())


@pytest.mark.slow
def test_two_processes_do_not_train_in_one_run_folder(data, tmp_path):
    with exclusive_access(tmp_path / "run"), pytest.raises(UserError, match="Another process"):
        train(data, tmp_path / "run", config(steps=1))
    assert not (tmp_path / "run" / "log.csv").exists()
    train(data, tmp_path / "run", config(steps=1))
    assert (tmp_path / "run" / "checkpoint.npz").exists()


def test_a_patch_that_the_pooling_does_not_divide_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="multiple of 2"):
        train(data, tmp_path / "run", config(patch=33))
    assert not (tmp_path / "run").exists()


def test_the_train_command_writes_a_model_that_reads_scans(data, tmp_path, capsys):
    output = tmp_path / "tiny"
    command = ["train", "--data", str(data), "--output", str(output), "--steps", "3", "--batch", "2", "--patch", "32"]
    assert main([*command, "--channels", "8", "--recurrent-steps", "1", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["validation"]["cases"] == 1
    model = find_model(output)
    verify(model)
    assert model.card.training["cases"] == 4
    assert "Made-up discs" in model.card.training["data"]
    shutil.rmtree(tmp_path / "tiny-run")
    arguments = ["evaluate", "--data", str(data), "--model", str(output), "--split", "train", "--baselines"]
    (tmp_path / "file").write_text("in the way")
    assert main([*arguments, "--report", str(tmp_path / "file")]) == 2
    assert "choose another --report" in capsys.readouterr().err
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 0
    printed = capsys.readouterr().out
    assert "Otsu" in printed
    assert "DSC, pooled" in printed
    assert len(read_json(tmp_path / "report" / "scores.json")["cases"]) == 5
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["dsc_low"] <= report["dsc"] <= report["dsc_high"]


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--channels", "a,b"], ["--channels", "2"]])
def test_wrong_training_options_are_refused_with_status_2(data, tmp_path, arguments, capsys):
    assert main(["train", "--data", str(data), "--output", str(tmp_path / "m"), *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "m").exists()


def test_a_folder_that_is_no_data_set_is_refused(tmp_path, capsys):
    assert main(["train", "--data", str(tmp_path), "--output", str(tmp_path / "m")]) == 1
    assert "not a data set" in capsys.readouterr().err


def test_a_reader_network_trains_the_skeletons_regions_with_the_lesions(data, tmp_path):
    network = NetworkConfig(architecture="reader", channels=(5, 6), dilations=((1, 1), (1, 1)), regions=True)
    model = train(data, tmp_path / "run", config(steps=2, network=network, method="strong", labels=3))
    assert [output.shape[-1] for output in model.outputs] == [2, 2 * len(REGIONS)]
    rows = run_folder.read_rows(tmp_path / "run" / run_folder.LOG)
    parts = [rows[1][name] for name in ("supervised", "consistency", "regions")]
    assert rows[1]["loss"] == pytest.approx(sum(parts), rel=1e-4)
    assert rows[1]["step_seconds"] >= rows[1]["waiting_seconds"] >= 0
