"""Run folder of a training: mismatching or damaged files, older versions, a full disk."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.training import run_folder
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig


def test_a_truncated_checkpoint_is_refused_with_one_message(tmp_path):
    run_folder.save_checkpoint(tmp_path, {"seconds": np.array(3.0), "v0": np.arange(500.0)})
    assert run_folder.training_seconds(tmp_path) == 3.0
    path = tmp_path / run_folder.CHECKPOINT
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        for read in (run_folder.load_checkpoint, run_folder.training_seconds):
            with pytest.raises(UserError, match=r"checkpoint\.npz is damaged"):
                read(tmp_path)


def test_other_options_of_a_run_are_named_with_the_way_to_train_longer(tmp_path):
    held = {"data": str(tmp_path.resolve()), **TrainingConfig(steps=100).to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(held))
    with pytest.raises(
        UserError, match=r"other options \(steps 100 instead of 200\).* starts from its model"
    ) as caught:
        run_folder.prepare(tmp_path, TrainingConfig(steps=200), tmp_path)
    assert caught.value.fields == ("run_folder", "start")


def test_a_run_of_a_version_with_fewer_options_resumes(tmp_path):
    config = TrainingConfig(steps=200)
    run_folder.prepare(tmp_path, config, tmp_path)
    settings = tmp_path / "config.json"
    held = json.loads(settings.read_text())
    del held["store"], held["network"]["scaling"]
    settings.write_text(json.dumps(held))
    run_folder.prepare(tmp_path, config, tmp_path)
    with pytest.raises(UserError, match="steps 200 instead of 300"):
        run_folder.prepare(tmp_path, TrainingConfig(steps=300), tmp_path)


def test_a_run_whose_data_set_has_changed_is_not_resumed(tmp_path):
    config = TrainingConfig(steps=200)
    run_folder.prepare(tmp_path, config, tmp_path, "ab")
    run_folder.prepare(tmp_path, config, tmp_path, "ab")
    with pytest.raises(UserError, match="has other scans, folds or outlines than when") as caught:
        run_folder.prepare(tmp_path, config, tmp_path, "cd")
    assert caught.value.fields == ("run_folder", "data")
    # Versions without the digest could not notice.
    settings = tmp_path / "config.json"
    held = json.loads(settings.read_text())
    del held["outlines_sha256"]
    settings.write_text(json.dumps(held))
    run_folder.prepare(tmp_path, config, tmp_path, "cd")


def test_a_run_whose_parent_model_has_moved_resumes_and_one_with_other_weights_does_not(tmp_path):
    run_folder.prepare(tmp_path, TrainingConfig(start="/version 1/whole-body", start_sha256="ab"), tmp_path)
    run_folder.prepare(tmp_path, TrainingConfig(start="/version 2/whole-body", start_sha256="ab"), tmp_path)
    with pytest.raises(UserError, match="start_sha256 ab instead of cd"):
        run_folder.prepare(tmp_path, TrainingConfig(start="/version 1/whole-body", start_sha256="cd"), tmp_path)


def test_a_run_of_another_backend_is_named_with_the_way_to_resume(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"data": str(tmp_path.resolve()), **TrainingConfig().to_dict()}))
    (tmp_path / "environment.json").write_text(json.dumps({"backend": "torch"}))
    with pytest.raises(UserError, match="was started with PyTorch; set KERAS_BACKEND=torch"):
        run_folder.prepare(tmp_path, TrainingConfig(), tmp_path)


def test_the_log_of_an_older_versions_run_gets_the_newer_columns(tmp_path):
    for step in range(3):
        run_folder.append_row(tmp_path / run_folder.LOG, ("step", "loss"), (step, 0.5))
    run_folder.cut_logs(tmp_path, 2, ("step_seconds",))
    run_folder.append_row(tmp_path / run_folder.LOG, ("step", "loss", "step_seconds"), (2, 0.4, 1.5))
    rows = run_folder.read_rows(tmp_path / run_folder.LOG)
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert rows[-1]["step_seconds"] == 1.5
    assert np.isnan(rows[0]["step_seconds"])


def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_half_written(tmp_path, monkeypatch):
    run_folder.save_checkpoint(tmp_path, {"seconds": np.array(3.0)})

    def full(file, **_arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_folder.np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        run_folder.save_checkpoint(tmp_path, {"seconds": np.array(4.0)})
    assert [path.name for path in tmp_path.iterdir()] == [run_folder.CHECKPOINT]
    assert run_folder.training_seconds(tmp_path) == 3
