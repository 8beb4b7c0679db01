"""What a run's folder says when it does not fit or is damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.training import run_folder
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig


def test_a_checkpoint_cut_short_is_refused_in_one_sentence(tmp_path):
    run_folder.save_checkpoint(tmp_path, {"seconds": np.array(3.0), "v0": np.arange(500.0)})
    assert run_folder.training_seconds(tmp_path) == 3.0
    path = tmp_path / run_folder.CHECKPOINT
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        for read in (run_folder.load_checkpoint, run_folder.training_seconds):
            with pytest.raises(UserError, match=r"checkpoint\.npz is damaged"):
                read(tmp_path)


def test_other_options_of_a_run_are_named_with_the_way_to_learn_for_longer(tmp_path):
    held = {"data": str(tmp_path.resolve()), **TrainingConfig(steps=100).to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(held))
    with pytest.raises(UserError, match=r"other options \(steps 100 instead of 200\).*--start"):
        run_folder.prepare(tmp_path, TrainingConfig(steps=200), tmp_path)


def test_a_run_of_a_program_that_knew_fewer_options_goes_on(tmp_path):
    config = TrainingConfig(steps=200)
    run_folder.prepare(tmp_path, config, tmp_path)
    settings = tmp_path / "config.json"
    held = json.loads(settings.read_text())
    del held["store"], held["network"]["scaling"]
    settings.write_text(json.dumps(held))
    run_folder.prepare(tmp_path, config, tmp_path)
    with pytest.raises(UserError, match="steps 200 instead of 300"):
        run_folder.prepare(tmp_path, TrainingConfig(steps=300), tmp_path)
