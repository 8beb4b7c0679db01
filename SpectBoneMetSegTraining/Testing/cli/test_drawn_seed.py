"""`simulate` without a seed draws one, prints it, and continues with it."""

from __future__ import annotations

import json

from SpectBoneMetSegTrainingLib.cli.simulate import _seed_for


def test_a_drawn_seed_is_printed_and_that_of_an_interrupted_run_is_reused_without_a_message(tmp_path, capsys):
    record = tmp_path / "simulation.json"
    seed = _seed_for(record)
    assert f"Using --seed {seed}, drawn at random;" in capsys.readouterr().err
    record.write_text(json.dumps({"seed": 7}))
    assert _seed_for(record) == 7
    assert capsys.readouterr().err == ""
