"""The plain install: what needs more says so in one sentence, before any work."""

from __future__ import annotations

import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegTrainingLib.common import extras


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (["train", "--data", "D", "--output", "M"], "matplotlib"),
        (["evaluate", "--data", "D", "--baselines"], "scikit-image"),
        (["simulate", "--output", "D", "--benchmark", "B"], "matplotlib"),
        (["calibrate", "--scan", "A", "--output", "B"], "matplotlib"),
        (["experiment", "all", "--output", "O"], "matplotlib"),
        (["augment", "--recipe", "D3", "--data", "D", "--output", "O"], "matplotlib"),
    ],
)
def test_a_command_whose_packages_are_missing_names_them_and_the_extra(monkeypatch, capsys, command, missing):
    monkeypatch.setattr(extras, "is_there", lambda module: module not in ("matplotlib", "skimage"))
    assert main(command) == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert missing in said
    assert "pip install 'spectbonemetseg[train]'" in said
