"""Before a training: what is missing is reported in plain sentences, and a short trial estimates the time."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import MODELS_VARIABLE
from SpectBoneMetSegTrainingLib.dataset.files import read_json, write_json
from SpectBoneMetSegTrainingLib.jobs import preflight
from SpectBoneMetSegTrainingLib.jobs.folder import write_request
from SpectBoneMetSegTrainingLib.jobs.preflight import check_before, free_memory_mb, may_start
from SpectBoneMetSegTrainingLib.jobs.queue import JobSpec
from SpectBoneMetSegTrainingLib.jobs.trial import TrialResult, measure
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from SpectBoneMetSegTrainingLib.training.setup.presets import PAPER_NETWORK, preset

NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=1, stem_channels=6)
TINY = TrainingConfig(steps=100, batch=2, patch=32, network=NETWORK, validate_every=25)
TRIAL = TrialResult(10.0, 0.5, 2.0, 900.0, "CPU, 2 cores")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 5)


@pytest.fixture
def check(data, tmp_path, monkeypatch):
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))

    def run(config: TrainingConfig = TINY, model: str = "mine", where: Path = data, trial: TrialResult | None = None):
        return {
            finding.about: finding for finding in check_before(JobSpec(where, model, config), tmp_path / "jobs", trial)
        }

    return run


def test_few_patients_are_a_warning_and_do_not_forbid(check):
    found = check()
    assert found["labels"].level == found["validation"].level == "warning"
    assert "4 labelled scans of 4 patients with 4 lesions" in found["labels"].sentence
    assert "Validation patients: 1, too few" in found["validation"].sentence
    assert may_start(list(found.values()))
    assert "time" not in found


def test_a_folder_that_cannot_be_written_forbids_with_the_way_to_choose_another(data, tmp_path):
    place = Path("/proc/self/jobs")
    if not place.parent.is_dir():
        pytest.skip("a place that even root cannot write is known on Linux only")
    found = {one.about: one for one in check_before(JobSpec(data, "mine", TINY), place)}
    assert found["disk"].level == "refusal"
    assert f"cannot be written to {place}" in found["disk"].sentence
    assert "name another folder in SPECTBONEMETSEG_JOBS" in found["disk"].sentence


def test_enough_patients_are_fine(check, discs, tmp_path):
    found = check(where=discs(tmp_path / "many", ["train"] * 45))
    assert found["labels"].level == found["validation"].level == found["name"].level == "ok"


def test_labels_without_a_lesion_forbid(check, discs, tmp_path):
    data = discs(tmp_path / "healthy", ["train"] * 5)
    for path in (data / "instances").glob("*.json"):
        write_json(path, {**read_json(path), "lesions": []})
    found = check(where=data)
    assert found["labels"].level == "refusal"
    assert not may_start(list(found.values()))


def test_validation_without_a_lesion_is_a_warning(check, discs, tmp_path):
    data = discs(tmp_path / "healthy", ["train"] * 5)
    for case in read_json(data / "splits.json")["folds"][0]["val"]:
        path = data / "instances" / f"{case}.json"
        write_json(path, {**read_json(path), "lesions": []})
    found = check(where=data)
    assert found["validation"].level == "warning"
    assert "has a lesion" in found["validation"].sentence
    assert may_start(list(found.values()))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (replace(TINY, method="semi"), "no unlabelled case"),
        (replace(TINY, patch=33), "multiple of 2"),
        (replace(TINY, labels=50), "not 50"),
        (replace(TINY, start="no such model"), "no model"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason(check, config, words):
    found = check(config)
    assert list(found) == ["data"]
    assert found["data"].level == "refusal"
    assert words in found["data"].sentence


def test_a_folder_that_is_no_data_set_is_refused(check, tmp_path):
    assert "not a data set" in check(where=tmp_path)["data"].sentence


def test_a_name_in_use_and_a_job_in_the_queue_are_reported(check, tmp_path, data):
    folder = tmp_path / "jobs" / "earlier"
    write_json(folder / "job.json", {**JobSpec(data, "x", TINY).to_dict(), "python": "python"})
    write_request(folder, "run", 1)
    found = check(model="thorax")
    assert found["name"].level == found["queue"].level == "warning"


@pytest.mark.parametrize(("free", "level"), [(10**8, "refusal"), (10**9, "warning"), (10**11, "ok")])
def test_room_on_the_disk(check, monkeypatch, free, level):
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: Usage(10**12, 0, free))
    assert check()["disk"].level == level


@pytest.mark.parametrize(("free", "level"), [(500.0, "warning"), (1500.0, "warning"), (4000.0, "ok")])
def test_memory_is_compared_with_what_the_trial_took(check, monkeypatch, free, level):
    monkeypatch.setattr(preflight, "free_memory_mb", lambda: free)
    assert check(trial=TRIAL)["memory"].level == level


def test_free_memory_is_a_sensible_number():
    assert 10 < free_memory_mb() < 10**8


def test_the_time_includes_start_steps_validations_and_the_end(check):
    assert TRIAL.seconds(100, 25) == 10 + 50 + (4 + 6) * 2
    assert TRIAL.seconds(100, 0) == 10 + 50 + 6 * 2
    assert "about 80 s on CPU, 2 cores" in check(trial=TRIAL)["time"].sentence
    assert check(trial=replace(TRIAL, step_seconds=1000.0))["time"].level == "warning"


@pytest.mark.parametrize("pace", ["quick", "standard", "thorough"])
@pytest.mark.parametrize("approach", ["semi", "strong"])
@pytest.mark.parametrize("start", [None, "thorax"])
@pytest.mark.parametrize("unlabelled", [True, False])
def test_every_preset_can_be_trained(pace, approach, start, unlabelled):
    config = preset(pace, approach, start, unlabelled=unlabelled)
    config.check()
    assert (config.method == "supervised") == (not unlabelled)
    assert config.start == start
    assert config.steps // config.validate_every >= 5
    if start is None:
        assert (config.network == PAPER_NETWORK) == (approach == "semi")
    assert config.steps <= preset("thorough", approach, None, unlabelled=unlabelled).steps


@pytest.mark.slow
def test_a_trial_measures_steps_start_and_memory(data, tmp_path):
    result = measure(tmp_path, JobSpec(data, "mine", TINY))
    assert 0 < result.step_seconds < result.start_seconds
    assert result.memory_mb > 100


def test_a_trial_that_cannot_be_trained_says_why(tmp_path):
    with pytest.raises(UserError, match="not a data set"):
        measure(tmp_path, JobSpec(tmp_path, "mine", TINY))
