"""`spectbonemetseg jobs`: lists, watches and controls jobs that others started, and uses their models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.model.store import MODELS_VARIABLE
from SpectBoneMetSegTrainingLib.cli import jobs as jobs_command
from SpectBoneMetSegTrainingLib.jobs.folder import write_request
from SpectBoneMetSegTrainingLib.jobs.process import end_process
from SpectBoneMetSegTrainingLib.jobs.queue import JobSpec, list_jobs, read_job, start_job
from SpectBoneMetSegTrainingLib.training.outcome.promotion import COMPARISON, ParentComparison
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    store = tmp_path / "jobs"
    monkeypatch.setattr(jobs_command, "POLL_SECONDS", 0.02)
    yield store
    for one in list_jobs(store):
        if one.spec is not None:
            # A process that is only just coming up holds nothing yet by which it could be ended.
            write_request(one.folder, "stop", one.status.attempt)
        end_process(one.folder)


def start(jobs: Path, counting: str, steps: int = 10, model: str = "tiny") -> Path:
    return start_job(JobSpec(Path("nowhere"), model, TrainingConfig(steps=steps)), jobs, counting)


@pytest.mark.parametrize("action", ["watch", "pause", "stop", "resume", "delete", "use"])
def test_without_a_job_nothing_is_done_and_the_way_to_its_name_is_shown(jobs, action, capsys):
    assert main(["jobs", action, "--folder", str(jobs)]) == 1
    assert "`spectbonemetseg jobs list`" in capsys.readouterr().err


@pytest.fixture
def labelled(discs, tmp_path):
    return discs(tmp_path / "set", ["train"] * 6)


def test_a_training_sent_to_the_background_is_a_job_like_any_other(jobs, counting, labelled, monkeypatch, capsys):
    monkeypatch.setenv("SPECTBONEMETSEG_JOBS", str(jobs))
    monkeypatch.setattr("sys.executable", counting)
    request = ["train", "--data", str(labelled), "--output", "mine", "--background", "--steps", "7", "--json"]
    assert main(request) == 0
    reported = capsys.readouterr()
    assert "labelled scans" in reported.err
    assert "jobs watch" in reported.err
    [job] = list_jobs()
    assert json.loads(reported.out) == {"job": job.folder.name, "folder": str(job.folder)}
    assert job.spec is not None
    assert job.spec.config.steps == 7
    assert main(["jobs", "watch", "mine"]) == 0
    assert "step 7 of 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "reported"),
    [
        (["--output", "a/mine"], 2, "without a folder"),
        (["--output", "my model"], 2, "letters, digits"),
        (["--output", "mine", "--run", "elsewhere"], 2, "leave out --run"),
        (["--output", "mine", "--unlabelled", "scans"], 2, "gather"),
        (["--output", "mine", "--data", "set", "--labelled", "scans"], 2, "gather"),
        (["--output", "mine", "--data", "nowhere"], 1, "nowhere"),
    ],
)
def test_what_cannot_run_in_the_background_is_reported_before_a_job_is_made(
    options, status, reported, jobs, labelled, monkeypatch, capsys
):
    monkeypatch.setenv("SPECTBONEMETSEG_JOBS", str(jobs))
    data = [] if {"--data", "--unlabelled"} & set(options) else ["--data", str(labelled)]
    assert main(["train", "--background", *data, *options]) == status
    printed = capsys.readouterr().err
    assert reported in printed
    assert len(printed.strip().splitlines()) == 1
    assert not jobs.exists()


def test_watching_ends_with_the_job_and_reports_its_outcome(jobs, counting, capsys):
    folder = start(jobs, counting)
    assert main(["jobs", "watch", "tiny", "--folder", str(jobs)]) == 0
    reported = capsys.readouterr()
    assert "step 10 of 10" in reported.err
    assert reported.out.startswith(f"{folder.name}  finished\n    step 10 of 10")


def test_the_list_of_jobs_fits_a_terminal(jobs, counting, capsys):
    folders = [start(jobs, counting, model="a-model-with-a-rather-long-name"), start(jobs, counting, model="b")]
    assert main(["jobs", "watch", "b", "--folder", str(jobs)]) == 0
    capsys.readouterr()
    assert main(["jobs", "list", "--folder", str(jobs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [folder.name for folder in folders]
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)


def test_a_job_is_stopped_resumed_paused_and_deleted_by_its_name(jobs, counting, capsys):
    first = start(jobs, counting, steps=100_000, model="long")
    second = start(jobs, counting, steps=100_000, model="next")
    assert main(["jobs", "stop", first.name, "--folder", str(jobs), "--json"]) == 0
    states = {one["id"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert states[first.name] == "stopped"
    assert main(["jobs", "resume", "long", "--folder", str(jobs)]) == 0
    assert read_job(first).status.state == "queued"
    assert main(["jobs", "pause", "long", "--folder", str(jobs)]) == 0
    assert main(["jobs", "watch", "long", "--folder", str(jobs)]) == 1
    assert main(["jobs", "delete", "long", "--folder", str(jobs)]) == 0
    assert [one.folder for one in list_jobs(jobs)] == [second]


def test_what_cannot_be_done_is_one_sentence_and_status_1(jobs, counting, capsys):
    start(jobs, counting, steps=1)
    assert main(["jobs", "watch", "tiny", "--folder", str(jobs)]) == 0
    capsys.readouterr()
    for action in ("pause", "stop", "resume"):
        assert main(["jobs", action, "tiny", "--folder", str(jobs)]) == 1
    assert main(["jobs", "stop", "nobody", "--folder", str(jobs)]) == 1
    assert main(["jobs", "stop", "--folder", str(jobs)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 5


def test_the_model_of_a_job_is_installed_unless_it_is_worse(jobs, counting, bare_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    folder = start(jobs, counting, steps=3)
    assert main(["jobs", "use", "tiny", "--folder", str(jobs)]) == 1
    assert "has no model to use" in capsys.readouterr().err
    main(["jobs", "watch", "tiny", "--folder", str(jobs)])
    worse = ParentComparison("thorax 1", "", 20, 20, 0.5, 0.6, -0.1, -0.2, -0.05, "worse", "")
    bare_model(folder / "model" / "tiny", {COMPARISON: worse.to_dict()})
    assert main(["jobs", "use", "tiny", "--folder", str(jobs)]) == 1
    refused = capsys.readouterr().err
    assert "worse than thorax 1" in refused
    assert "A worse model is installed only on request (--even-if-worse)." in refused
    assert main(["jobs", "use", "tiny", "--folder", str(jobs), "--even-if-worse", "--name", "mine"]) == 0
    assert (tmp_path / "models" / "mine" / "card.json").exists()


def test_an_empty_list_of_jobs_says_so(tmp_path, capsys):
    assert main(["jobs", "list", "--folder", str(tmp_path / "none")]) == 0
    reported = capsys.readouterr()
    assert reported.out == ""
    assert "There are no training jobs" in reported.err


def test_a_file_in_place_of_the_folder_of_jobs_is_named(tmp_path, capsys):
    (tmp_path / "jobs").write_text("")
    assert main(["jobs", "list", "--folder", str(tmp_path / "jobs")]) == 2
    assert f"{tmp_path / 'jobs'} is a file" in capsys.readouterr().err
