"""`spectbonemetseg adapt`: the plan is printed and stored, held-out patients evaluate, the report has the result."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.store import find_model, load_network, verify
from SpectBoneMetSegTrainingLib.cli import AdaptCommand
from SpectBoneMetSegTrainingLib.cli import adapt as adapt_command
from SpectBoneMetSegTrainingLib.cli import gather as gather_command
from SpectBoneMetSegTrainingLib.training.adapting import folds, mixing
from SpectBoneMetSegTrainingLib.training.adapting import plan as plan_module
from SpectBoneMetSegTrainingLib.training.outcome.finish import train_and_finish
from SpectBoneMetSegTrainingLib.training.outcome.promotion import comparison_of
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

FURTHER = {"adapt": AdaptCommand}
NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=1, stem_channels=6)


@pytest.fixture(scope="module")
def parent(eager, discs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parent")
    config = TrainingConfig(steps=3, batch=4, patch=32, learning_rate=1e-2, network=NETWORK)
    train_and_finish(discs(folder / "d", ["train"] * 6), folder / "run", config, folder / "first")
    return folder / "first"


@pytest.fixture
def small(monkeypatch):
    shrink(monkeypatch)


def shrink(patch):
    """Let trainings take small patches."""
    patch.setattr(plan_module, "PATCH", 32)
    patch.setattr(plan_module, "BATCH", 4)


@pytest.fixture(scope="module")
def adapted(discs, parent, eager, tmp_path_factory):
    """(data, output, command, standard output, standard error) of an adaptation."""
    folder = tmp_path_factory.mktemp("adapted")
    data, output = discs(folder / "d", ["train"] * 6 + ["unlabelled"] * 2), folder / "mine"
    command = ["adapt", "--data", str(data), "--start", str(parent), "--output", str(output), "--json"]
    command += ["--steps", "4", "--folds", "2"]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        shrink(patch)
        assert main(command, FURTHER) == 0
    return SimpleNamespace(data=data, output=output, command=command, out=out.getvalue(), err=err.getvalue())


def test_a_model_is_adapted_cross_validated_and_reported(adapted, small, monkeypatch):
    summary = json.loads(adapted.out)
    assert summary["patients"] == 6, "every patient is predicted, by a model not trained on them"
    assert "2 short trainings" in adapted.err
    assert summary["steps"] == 4
    model = find_model(adapted.output)
    assert summary["share"] == model.card.training["share_of_trained_weights"] in mixing.SHARES
    verify(model)
    load_engine(model, "onnx", "cpu")
    assert model.card.parent.startswith("first 1, SHA-256 ")
    assert model.card.training["cases"] == 6
    assert model.card.training["unlabelled_cases"] == 2
    assert "cross-validation" in model.card.metrics["validation"]["what"]
    assert comparison_of(model).patients == 6
    page = (adapted.output.with_name("mine-adapt") / "result.html").read_text()
    assert summary["use_it"] == ("verdict good" in page)
    for words in ("Research use only", "What changed", "improved most", "worsened most", "95 % interval"):
        assert words in page
    # Repeated, it finds everything done, also the counts at all operating points, which take minutes.
    before = model.card.sha256
    monkeypatch.setattr(folds, "counts_at", None)
    assert main(adapted.command, FURTHER) == 0
    assert find_model(adapted.output).card.sha256 == before


def test_with_none_of_the_trained_weights_the_model_is_the_parent(discs, parent, small, tmp_path, monkeypatch):
    monkeypatch.setattr(mixing, "HALF", 0.0)
    data, output = discs(tmp_path / "d", ["train"] * 6), tmp_path / "mine"
    command = ["adapt", "--data", str(data), "--start", str(parent), "--output", str(output)]
    assert main([*command, "--steps", "4", "--folds", "1"], FURTHER) == 0
    for own, old in zip(*(load_network(find_model(path)).get_weights() for path in (output, parent)), strict=True):
        np.testing.assert_array_equal(own, old)


def test_a_flagged_case_is_predicted_but_chooses_nothing(discs, parent, small, tmp_path):
    data, output = discs(tmp_path / "d", ["train"] * 6), tmp_path / "mine"
    path = data / "instances" / "case0.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "flags": ["photopenic"]}))
    command = ["adapt", "--data", str(data), "--start", str(parent), "--output", str(output), "--steps", "2"]
    assert main([*command, "--folds", "2"], FURTHER) == 0
    assert comparison_of(find_model(output)).patients == 5


def test_too_few_patients_are_refused_with_what_helps(discs, parent, tmp_path, capsys):
    data = discs(tmp_path / "d", ["train"] * 3)
    command = ["adapt", "--data", str(data), "--start", str(parent), "--output", str(tmp_path / "mine")]
    assert main(command, FURTHER) == 1
    assert "3 labelled patients are too few" in capsys.readouterr().err
    assert main([*command[:1], *command[3:]], FURTHER) == 2


def times(step, spent=0.0, start=10.0):
    return lambda: plan_module.AdaptationTimes(spent, start, step, prediction=0.2, evaluation=1.0)


def test_the_plan_fits_the_time_and_gives_up_folds_before_steps(discs, tmp_path):
    data = discs(tmp_path / "d", ["train"] * 12)
    wide = plan_module.make_plan(data, 30, 5, times(0.5))
    assert (len(wide.groups), wide.runs) == (5, 6)
    assert 28 < wide.minutes <= 30 * (1 - plan_module.RESERVE)
    assert sorted(fold for group in wide.groups for fold in group) == [0, 1, 2, 3, 4]
    tight = plan_module.make_plan(data, 30, 5, times(8.0))
    assert len(tight.groups) < 5
    assert tight.steps >= plan_module.MINIMUM_STEPS
    assert tight.minutes <= 30
    alone = plan_module.make_plan(data, 5, 5, times(8.0))
    assert (len(alone.groups), alone.runs) == (1, 1)
    assert "there is no time for more" in alone.sentence


def test_whatever_is_not_a_step_leaves_less_time_for_steps(discs, tmp_path):
    data = discs(tmp_path / "d", ["train"] * 12)
    free = plan_module.make_plan(data, 30, 5, times(0.5, start=0.0))
    assert free.runs * free.steps * 0.5 + 12 * (4 * 0.2 + 7) <= 30 * 60
    for other in (times(0.5, spent=600.0, start=0.0), times(0.5, start=100.0)):
        plan = plan_module.make_plan(data, 30, 5, other)
        assert free.steps - plan.steps == pytest.approx(600 / 0.5 / 6, abs=4)
        assert 28 < plan.minutes <= 30


def test_a_region_that_is_not_known_is_refused(discs, parent, small, tmp_path, capsys):
    data = discs(tmp_path / "d", ["train"] * 6)
    command = ["adapt", "--data", str(data), "--start", str(parent), "--output", str(tmp_path / "mine")]
    assert main([*command, "--region", "whole-body"], FURTHER) == 2
    assert "covers the thorax only" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_the_reason_is_the_models_region_if_it_covers_no_more(adapted):
    assert "because first covers no more" in adapted.err
    assert "--region" not in adapted.err, "advice that leads to a refusal"


def test_a_run_started_on_other_patients_is_not_resumed(discs, adapted, small, tmp_path, capsys):
    grown = str(discs(tmp_path / "d", ["train"] * 8))
    command = [grown if argument == str(adapted.data) else argument for argument in adapted.command]
    assert main(command, FURTHER) == 1
    assert "has other labelled patients" in capsys.readouterr().err


def test_a_run_of_an_earlier_version_is_not_resumed(discs, parent, small, tmp_path, capsys):
    data, output = discs(tmp_path / "d", ["train"] * 6), tmp_path / "mine"
    plan = tmp_path / "mine-adapt" / "plan.json"
    plan.parent.mkdir()
    old = {"groups": [[0], [1]], "steps": 40, "look_every": 10, "minutes": 9.0, "patients": 6, "taught": ""}
    plan.write_text(json.dumps(old))
    command = ["adapt", "--data", str(data), "--start", str(parent), "--output", str(output)]
    assert main(command, FURTHER) == 1
    assert "started by an earlier version; remove that folder" in capsys.readouterr().err
    assert json.loads(plan.read_text()) == old


def test_scans_gathered_for_an_adaptation_are_named_by_their_files_also_when_it_is_resumed(tmp_path, monkeypatch):
    run, output, scan = tmp_path / "mine-adapt", tmp_path / "mine", tmp_path / "scans" / "ann.dcm"
    scan.parent.mkdir()
    scan.touch()

    def gather(labelled, unlabelled, data, seed):
        data.mkdir()
        data.with_name("data-private").mkdir(parents=True)
        (data.with_name("data-private") / "sources.json").write_text(json.dumps({"scan_1": [str(scan)]}))

    monkeypatch.setattr(gather_command, "gather_folders", gather)
    given = SimpleNamespace(labelled=[str(tmp_path / "scans")], unlabelled=None, data=None, seed=0)
    assert adapt_command._gather(given, run / "data", run, output, started=False) == {"scan_1": "ann.dcm"}
    assert adapt_command._gather(given, run / "data", run, output, started=True) == {"scan_1": "ann.dcm"}
    given = SimpleNamespace(labelled=None, unlabelled=None, data="set", seed=0)
    assert adapt_command._gather(given, run / "data", run, output, started=False) == {}


def test_a_run_is_not_resumed_with_changed_outlines(adapted, small, tmp_path, capsys):
    data = tmp_path / "d"
    shutil.copytree(adapted.data, data)
    shutil.copytree(adapted.output.with_name("mine-adapt"), tmp_path / "mine-adapt")
    swaps = {str(adapted.data): str(data), str(adapted.output): str(tmp_path / "mine")}
    command = [swaps.get(word, word) for word in adapted.command]
    first, second = sorted((data / "labelsTr").iterdir())[:2]
    shutil.copyfile(first, second)
    assert main(command, FURTHER) == 2
    assert "has other scans or outlines than when" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


def test_a_run_is_not_resumed_with_another_number_of_steps(adapted, small, capsys):
    assert main([*adapted.command, "--steps", "9"], FURTHER) == 2
    assert "was started with 4 steps for each training" in capsys.readouterr().err


def test_a_model_that_the_run_did_not_make_stays(adapted, discs, parent, small, tmp_path, capsys):
    shutil.copytree(adapted.output, tmp_path / "mine")
    data = discs(tmp_path / "d", ["train"] * 6)
    command = ["adapt", "--data", str(data), "--start", str(parent), "--output", str(tmp_path / "mine")]
    assert main([*command, "--steps", "4", "--folds", "1"], FURTHER) == 2
    assert "is a model already; choose another folder" in capsys.readouterr().err
    assert not (tmp_path / "mine-adapt").exists()
    assert find_model(str(tmp_path / "mine")).card.sha256 == find_model(str(adapted.output)).card.sha256


def test_the_reason_for_a_longer_plan_fits_what_was_asked_for(discs, tmp_path):
    assert "--steps sets the number of steps" in adapt_command._why_longer(4, 4)
    assert "fewer steps would have no effect" in adapt_command._why_longer(plan_module.MINIMUM_STEPS, None)
    assert "planned when the adaptation was started" in adapt_command._why_longer(300, None)
    data = discs(tmp_path / "d", ["train"] * 12)
    assert "one fold is requested" in plan_module.make_plan(data, 30, 1, times(0.5)).sentence


def test_steps_of_the_users_choice_explain_a_longer_plan(adapted, small, capsys):
    # The plan is the stored one; so short a time does not hold it.
    assert main([*adapted.command, "--minutes", "0.001"], FURTHER) == 0
    assert "--steps sets the number of steps" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["other files", "no name", "no folder", "no model"])
def test_an_output_or_a_model_of_no_use_is_refused_before_anything_is_gathered(fault, parent, tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").touch()
    output = {"other files": "taken", "no name": "a b", "no folder": "taken/notes.txt/mine"}.get(fault, "mine")
    start = str(tmp_path / "nowhere") if fault == "no model" else str(parent)
    command = ["adapt", "--labelled", str(tmp_path / "scans"), "--start", start, "--output", str(tmp_path / output)]
    before = sorted(tmp_path.rglob("*"))
    assert main(command, FURTHER) == (1 if fault == "no folder" else 2)
    assert sorted(tmp_path.rglob("*")) == before
    message = capsys.readouterr().err
    said = {
        "other files": "exists and is not a model",
        "no name": "not a valid model folder",
        "no folder": "cannot be written",
    }
    assert said.get(fault, "There is no model") in message
