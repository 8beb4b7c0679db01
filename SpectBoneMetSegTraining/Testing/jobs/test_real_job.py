"""Jobs that really train."""

from __future__ import annotations

import json

import pytest
from SpectBoneMetSegLib.model.store import read_model, verify
from SpectBoneMetSegTrainingLib.jobs.queue import (
    JobWatch,
    read_job,
    start_job,
)
from SpectBoneMetSegTrainingLib.training.outcome.promotion import comparison_of, promote
from SpectBoneMetSegTrainingLib.training.preview import load_preview
from support.job_runs import spec, until


@pytest.mark.slow
def test_a_real_job_ends_with_a_model_that_is_compared_and_can_be_used(data, jobs, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTBONEMETSEG_MODELS", str(tmp_path / "models"))
    folder = start_job(spec(data, steps=6, description="Made-up."), jobs)
    update = JobWatch(folder)
    status = until(folder, "finished")
    reported = update.poll()
    assert len(reported.loss) == 6
    assert reported.validation[:, 0].tolist() == [3, 6]
    assert (status.step, status.steps) == (6, 6)
    assert status.memory_mb > 100
    assert "CPU" in status.device or "GPU" in status.device
    assert reported.picture.stat().st_size > 5000
    preview = load_preview(folder)
    assert preview.step == 6
    assert preview.probabilities["anterior"].shape == preview.counts["anterior"].shape == (64, 64)
    model = read_model(read_job(folder).model)
    verify(model)
    card = model.card
    assert card.training["data_summary"]["labelled"] == {"patients": 8, "scans": 8}
    assert len(card.training["curves"]["loss"]) == 6
    assert "case" not in json.dumps(
        {**card.training["data_summary"], **card.metrics["comparison with parent"]}
    ).replace('"cases"', "")
    comparison = comparison_of(model)
    assert comparison.parent.startswith("whole-body")
    assert comparison.patients == 2
    assert promote(model.path, "mine", even_if_worse=True).path == tmp_path / "models" / "mine"
