"""What the doctor reports of a working machine, and of one with faults."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.model.store import MODELS_VARIABLE, shipped_models_folder
from SpectBoneMetSegLib.upkeep import doctor
from SpectBoneMetSegLib.upkeep.doctor import examine


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch, tmp_path):
    """It takes long to start, and the engines' own tests compare it with ONNX Runtime."""
    real = doctor.is_installed
    monkeypatch.setattr(doctor, "is_installed", lambda package: package != "tensorflow" and real(package))
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))


def found(tmp_path):
    return {each.what: each for each in examine(tmp_path)}


def test_a_working_machine_passes_every_check(tmp_path, capsys):
    assert main(["doctor", "--output", str(tmp_path), "--json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert reported["healthy"]
    states = {each["what"]: each["state"] for each in reported["findings"]}
    assert states["engine onnx"] == states["model whole-body"] == states["folder for results"] == "good"
    assert states["engine tensorflow"] == "note"


def test_every_bad_finding_has_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: "")
    monkeypatch.setattr(doctor, "LEAST_DISK_GB", 1e9)
    monkeypatch.setattr(doctor, "LEAST_MEMORY_GB", 1e9)
    bad = [each for each in examine(tmp_path) if each.state == "bad"]
    assert {"disk", "memory", "package numpy"} <= {each.what for each in bad}
    assert all(each.remedy for each in bad)


def test_a_damaged_model_and_a_broken_card_are_found(tmp_path, capsys):
    for name in ("damaged", "cardless"):
        shutil.copytree(shipped_models_folder() / "thorax", tmp_path / "models" / name)
    (tmp_path / "models" / "damaged" / "model.onnx").write_bytes(b"nothing")
    (tmp_path / "models" / "cardless" / "card.json").write_text("{")
    assert main(["doctor", "--output", str(tmp_path)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BAD")]
    assert [line.split(":")[0] for line in lines] == ["BAD  model damaged", "BAD  model cardless"]


def test_an_engine_that_fails_when_tried_is_reported(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no such instruction\nand more")

    monkeypatch.setattr(doctor, "load_engine", fail)
    engine = found(tmp_path)["engine onnx"]
    assert (engine.state, engine.found) == ("bad", "no such instruction")


def test_a_file_in_place_of_the_folder_is_reported(tmp_path):
    (tmp_path / "file").touch()
    results = found(tmp_path / "file")["folder for results"]
    assert (results.state, "cannot be written" in results.found) == ("bad", True)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert found(tmp_path / "locked")["folder for results"].state == "bad"
