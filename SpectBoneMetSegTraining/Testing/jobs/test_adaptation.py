"""A job that adapts a model: its trainings count as one, its time is reported, its verdict and its page are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.store import read_model, save_model
from SpectBoneMetSegTrainingLib.jobs.child import END_SHARE, Reporter
from SpectBoneMetSegTrainingLib.jobs.folder import JobSpec, read_status
from SpectBoneMetSegTrainingLib.jobs.queue import read_job, start_job
from SpectBoneMetSegTrainingLib.training.adapting.plan import AdaptationPlan
from SpectBoneMetSegTrainingLib.training.outcome.promotion import comparison_of
from support.job_runs import NETWORK, spec, until


def test_a_job_of_an_earlier_version_is_a_plain_training():
    values = spec().to_dict()
    del values["minutes"]
    assert JobSpec.from_dict(values) == spec()
    adapting = replace(spec(), minutes=30.0)
    assert JobSpec.from_dict(adapting.to_dict()) == adapting


def test_the_steps_of_all_trainings_count_and_the_planned_time_is_shown_until_it_is_measured(tmp_path, monkeypatch):
    folder = tmp_path / "job"
    folder.mkdir()
    reporter = Reporter(folder, 1, replace(spec(), minutes=10.0))
    monkeypatch.setattr(reporter, "_request", lambda: "run")
    plan = AdaptationPlan(((0,), (1,)), steps=40, minutes=10.0, patients=12, region_reason="The whole body is trained.")
    of_training = reporter.planned(plan)
    reported = read_status(folder)
    assert (reported.steps, reported.seconds_left) == (120, 600.0)
    assert reported.message.startswith("2 short trainings")
    assert reported.message.endswith("The whole body is trained.")
    of_training(0, 3)(1, 40, 0.5, None)
    assert reporter.status.seconds_left == 600.0
    of_training(1, 3)(40, 40, 0.5, None)
    assert (reporter.status.step, reporter.status.steps) == (80, 120)
    assert reporter.status.seconds_left >= END_SHARE * 600
    # The last one is shorter: so are all of them together.
    of_training(2, 3)(20, 20, 0.5, None)
    assert (reporter.status.step, reporter.status.steps) == (100, 100)
    assert reporter.status.message == reported.message


@pytest.mark.slow
def test_an_adaptation_ends_with_a_model_a_verdict_and_a_page(data, jobs, tmp_path):
    limits = {"threshold": 0.5, "seed_threshold": 0.5, "minimum_area_mm2": 0.0}
    parent = save_model(build_network(NETWORK), NETWORK, limits, tmp_path / "parent").path
    wanted = spec(data)
    wanted = replace(wanted, minutes=0.1, config=replace(wanted.config, start=str(parent)))
    folder = start_job(wanted, jobs)
    status = until(folder, "finished", "failed", seconds=1800)
    assert status.state == "finished", status.message
    job = read_job(folder)
    assert "patients" in status.message
    assert job.page.read_text(encoding="utf-8").count("Scans that improved most") == 1
    assert comparison_of(read_model(job.model)).parent
    assert status.step == status.steps
