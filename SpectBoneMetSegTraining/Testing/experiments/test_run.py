"""Running experiments on a benchmark of discs: interrupted trainings, finished ones, the page of existing results."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.dataset.budgets import patients_of
from SpectBoneMetSegTrainingLib.dataset.cases import cases_of, load_case
from SpectBoneMetSegTrainingLib.dataset.files import write_json
from SpectBoneMetSegTrainingLib.experiments import runner
from SpectBoneMetSegTrainingLib.experiments.definitions import key_of
from SpectBoneMetSegTrainingLib.experiments.nnunet import client as nnunet
from SpectBoneMetSegTrainingLib.experiments.page.html import write_page
from SpectBoneMetSegTrainingLib.experiments.plan import ExperimentPlan
from SpectBoneMetSegTrainingLib.experiments.runner import Workspace, prepare, result_file, run
from SpectBoneMetSegTrainingLib.experiments.scales import SCALES
from SpectBoneMetSegTrainingLib.paper_sets.separate_views import write_separate_views
from SpectBoneMetSegTrainingLib.training.setup.cases import TrainingCases

pytestmark = pytest.mark.usefixtures("eager")

PATIENTS = 4
TINY = replace(
    SCALES["small"],
    network=NetworkConfig(channels=(5,), dilations=((1, 2),), recurrent_steps=1, stem_channels=4),
    unet_channels=(5,),
    **{"steps": 3, "unet_steps": 3, "batch": 2, "patch": 32, "validate_every": 2, "factor": 2.0},
)


@pytest.fixture(scope="module")
def benchmark(discs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    discs(folder / "train", ["train"] * PATIENTS)
    discs(folder / "development", ["test"] * 3)
    digests = {"train": "1", "development": "2", "sealed": "3"}
    about = {"name": "discs", "simulator_version": 3, "state": "complete", "sha256": digests}
    write_json(folder / "benchmark.json", about)
    write_json(folder / "train" / "d1.json", {"labelled": cases_of(folder / "train", "train")})
    return folder


@pytest.fixture(autouse=True)
def tiny_scale(monkeypatch):
    monkeypatch.setitem(SCALES, "small", TINY)


@pytest.fixture
def plan():
    return ExperimentPlan(TINY, PATIENTS)


@pytest.fixture(scope="module")
def finished(benchmark, tmp_path_factory):
    """An output folder with the one training of the paper's own setting."""
    output = tmp_path_factory.mktemp("output")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, "small", TINY)
        assert (
            run(
                ExperimentPlan(TINY, PATIENTS).experiments["table3"].rows[1].make(0),
                Workspace(benchmark, output, "small"),
            )
            == "done"
        )
    return output


def test_a_result_says_all_that_the_page_needs(finished, plan):
    training = plan.experiments["table3"].rows[1].make(0)
    result = json.loads(result_file(finished, key_of(training)).read_text())
    assert result["simulated"] is True
    assert (result["seed"], result["steps_done"]) == (0, 3)
    # One of the four patients has labels: 37 %. Every view of it and of its copy is a sample.
    assert result["trained_on"]["labelled_patients"] == 1
    assert result["trained_on"]["unlabelled_patients"] == 3
    assert result["trained_on"]["labelled_cases"] == 4
    views, union = result["figures"]["views"], result["figures"]["union"]
    assert (views["images"], union["images"], views["patients"]) == (6, 3, 3)
    assert views["dsc_low"] <= views["dsc"] <= views["dsc_high"]
    assert result["parameters"] > 100
    assert result["seconds_per_image"] > 0
    assert result_file(finished, key_of(training)).stat().st_size < 20_000


def test_a_finished_training_is_not_run_again(finished, benchmark, plan, monkeypatch):
    monkeypatch.setattr(runner, "data_set", lambda *_: pytest.fail("looked for data"))
    assert run(plan.experiments["fig9"].rows[0].make(0), Workspace(benchmark, finished, "small")) == "was done"


@pytest.mark.slow
def test_an_interrupted_training_continues_and_ends_like_an_uninterrupted_one(
    finished, benchmark, plan, tmp_path, monkeypatch
):
    from SpectBoneMetSegTrainingLib.training import trainer

    training = plan.experiments["table3"].rows[1].make(0)
    output = tmp_path / "output"
    shutil.copytree(finished / "data", output / "data")
    monkeypatch.setattr(trainer, "CHECKPOINT_EVERY", 1)

    def cut(step, *_):
        if step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_progress", lambda _: cut)
    with pytest.raises(KeyboardInterrupt):
        run(training, Workspace(benchmark, output, "small"))
    assert not result_file(output, key_of(training)).exists()
    monkeypatch.undo()
    monkeypatch.setitem(SCALES, "small", TINY)
    assert run(training, Workspace(benchmark, output, "small")) == "done"
    one, two = (json.loads(result_file(folder, key_of(training)).read_text()) for folder in (finished, output))
    assert two["steps_done"] == 3
    for name, value in one["figures"]["views"].items():
        assert two["figures"]["views"][name] == pytest.approx(value, abs=0.02), name


def test_the_page_of_a_part_says_what_is_missing_and_needs_no_other_file(finished):
    page = write_page(finished)
    html = page.read_text(encoding="utf-8")
    assert "All patients are simulated" in html
    assert "Research use only" in html
    assert "different data" in html
    assert "0.683" in html
    assert "not run" in html
    assert "not run yet" in html
    assert html.count("data:image/png;base64,") >= 4
    assert not re.findall(r"(?:src|href)=['\"](?!data:)", html)
    rows = (finished / "page" / "table3.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith(",seeds,DSC,")
    assert [line.split(",")[1] for line in rows[1:]] == ["not run", "1", "not run", "not run"]
    reported = (finished / "page" / "distance.md").read_text(encoding="utf-8")
    assert "Simulated patients" in reported
    assert reported.count("not run yet") > 10


def test_the_page_needs_an_experiment(tmp_path, capsys):
    assert main(["experiment", "page", "--output", str(tmp_path)]) == 1
    assert "holds no experiment" in capsys.readouterr().err


def test_another_benchmark_in_the_same_output_is_refused(finished, benchmark, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(benchmark, other)
    about = json.loads((other / "benchmark.json").read_text())
    write_json(other / "benchmark.json", {**about, "sha256": {**about["sha256"], "train": "9"}})
    with pytest.raises(UserError, match="other data"):
        prepare(Workspace(other, finished, "small"))


@pytest.mark.parametrize(
    ("arguments", "status", "reported"),
    [
        (["table3"], 2, "--data is needed"),
        (["table3", "--data", "BENCHMARK", "--seeds", "a"], 2, "whole numbers"),
        (["table3", "--data", "BENCHMARK", "--seeds", "1,1"], 2, "different numbers"),
        (["table3", "--data", "NOWHERE"], 1, "not a benchmark"),
        (["table6", "--data", "BENCHMARK", "--nnunet-python", "NOWHERE"], 1, "cannot import nnunetv2"),
    ],
)
def test_wrong_requests_are_reported_in_one_sentence(benchmark, tmp_path, arguments, status, reported, capsys):
    names = {"BENCHMARK": str(benchmark), "NOWHERE": str(tmp_path / "nowhere")}
    words = [names.get(word, word) for word in arguments]
    assert main(["experiment", *words, "--output", str(tmp_path / "output")]) == status
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert reported in lines[0]
    assert not (tmp_path / "output").exists()


def test_the_list_states_what_is_done(finished, benchmark, capsys):
    assert main(["experiment", "list", "--data", str(benchmark), "--output", str(finished), "--json"]) == 0
    states = json.loads(capsys.readouterr().out)
    assert sum(states.values()) == 1
    assert len(states) > 25


def test_one_training_that_fails_keeps_no_other_from_running(finished, benchmark, monkeypatch, capsys):
    def fail(training, *_):
        if training.data == "D3":
            raise UserError("no samples")
        return "done"

    monkeypatch.setattr(runner, "run", fail)
    command = ["experiment", "table3", "--data", str(benchmark), "--output", str(finished), "--json"]
    assert main(command) == 1
    states = list(json.loads(capsys.readouterr().out)["trainings"].values())
    assert states == ["done", "done", "failed: no samples", "done"]


def test_nnunet_without_an_interpreter_is_reported_and_stops_nothing(finished, benchmark, plan):
    peer = plan.experiments["table6"].rows[11].make(0)
    assert "name an interpreter that has nnunetv2" in run(peer, Workspace(benchmark, finished, "small"))
    assert not result_file(finished, key_of(peer)).exists()


def test_nnunets_raw_folder_holds_the_budget_and_slices_of_no_depth(benchmark, tmp_path):
    import SimpleITK as sitk  # noqa: N813

    cases = cases_of(benchmark / "train", "train")
    nnunet.write_raw(benchmark / "train", TrainingCases(cases[:2], cases[2:3], cases[3:]), tmp_path)
    raw = tmp_path / "raw" / nnunet.NAME
    assert sorted(path.name for path in (raw / "labelsTr").iterdir()) == [f"{case}.nii.gz" for case in cases[:3]]
    assert json.loads((raw / "dataset.json").read_text())["numTraining"] == 3
    split = json.loads((tmp_path / "preprocessed" / nnunet.NAME / "splits_final.json").read_text())
    assert split == [{"train": cases[:2], "val": cases[2:3]}]
    own, given = (
        sitk.ReadImage(str(folder / "imagesTr" / f"{cases[0]}_0001.nii.gz")) for folder in (benchmark / "train", raw)
    )
    assert given.GetSpacing() == pytest.approx((*own.GetSpacing()[:2], 999.0))
    assert np.array_equal(sitk.GetArrayFromImage(own), sitk.GetArrayFromImage(given))


def test_views_apart_are_the_same_images_of_the_same_patients(benchmark, tmp_path):
    train = benchmark / "train"
    write_separate_views(train, tmp_path / "apart", 0)
    case, *_ = cases_of(train, "train")
    names = cases_of(tmp_path / "apart", "train")
    assert len(names) == 2 * PATIENTS
    assert len(set(patients_of(tmp_path / "apart").values())) == PATIENTS
    whole = load_case(train, case)
    for view in ("anterior", "posterior"):
        alone = load_case(tmp_path / "apart", f"{case}_{view[:3]}")
        assert list(alone.counts) == ["anterior"]
        np.testing.assert_allclose(alone.counts["anterior"], whole.counts[view], atol=0.5)
        assert np.array_equal(alone.labels["anterior"], whole.labels[view])
