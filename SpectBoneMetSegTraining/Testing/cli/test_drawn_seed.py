"""`simulate` without a seed draws one, says it, and goes on with it."""

from __future__ import annotations

import json

from SpectBoneMetSegTrainingLib.cli.simulate import _seed_for


def test_a_drawn_seed_is_said_and_that_of_a_broken_off_run_is_taken_up_in_silence(tmp_path, capsys):
    record = tmp_path / "simulation.json"
    seed = _seed_for(record)
    assert f"Drew --seed {seed};" in capsys.readouterr().err
    record.write_text(json.dumps({"seed": 7}))
    assert _seed_for(record) == 7
    assert capsys.readouterr().err == ""
