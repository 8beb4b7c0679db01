"""The acceptance run for the application, whole, in the test host."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))

pytest_plugins = ["slicerhost.fixtures"]

pytestmark = pytest.mark.slow


def test_every_step_of_the_acceptance_run_passes(host, panel, training_panel, tmp_path, monkeypatch):
    path = Path(__file__).resolve().parents[1] / "acceptance.py"
    spec = importlib.util.spec_from_file_location("acceptance", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    training_panel()
    run = module.Acceptance(tmp_path)
    run.run()
    assert [name for name, passed in run.results if not passed] == [], (tmp_path / "log.txt").read_text()
    assert len(run.results) == 11
    assert "Slicer 5.12" in (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert (tmp_path / "03-apply.png").is_file()
