"""The plain install: what needs more says so in one sentence, before any work."""

from __future__ import annotations

import argparse

import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.model import backend
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
    monkeypatch.setattr(extras, "is_installed", lambda module: module not in ("matplotlib", "skimage"))
    assert main(command) == 1
    printed = capsys.readouterr().err.strip()
    assert len(printed.splitlines()) == 1
    assert missing in printed
    assert "pip install 'spectbonemetseg[train]'" in printed


class Failing:
    """A command whose import of a package fails after its work has begun."""

    help = "Fail."

    def __init__(self, name: str) -> None:
        self.name = name

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """It has none."""

    def run(self, args: argparse.Namespace) -> int:
        raise ModuleNotFoundError(f"No module named {self.name!r}", name=self.name)


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        ("tensorflow", "pip install 'spectbonemetseg[train]'"),
        ("skimage.measure", "pip install 'spectbonemetseg[train]'"),
        ("vtkmodules.vtkCommonCore", "pip install 'spectbonemetseg[slicer]'"),
        ("somepackage", "pip install somepackage"),
    ],
)
def test_a_package_that_was_not_checked_before_is_named_with_its_extra_and_no_traceback(missing, remedy, capsys):
    assert main(["fail"], {"fail": lambda: Failing(missing)}) == 1
    printed = capsys.readouterr().err.strip()
    assert len(printed.splitlines()) == 1
    assert f"This needs {missing.partition('.')[0]}, which is not installed; {remedy}." in printed


def test_a_missing_module_of_our_own_is_a_fault_and_not_a_package_to_install():
    with pytest.raises(ModuleNotFoundError):
        main(["fail"], {"fail": lambda: Failing("SpectBoneMetSegLib.nowhere")})


def test_ranking_requires_a_backend_before_it_reads_the_data(monkeypatch, capsys):
    monkeypatch.setattr(backend, "active_backend", lambda: None)
    monkeypatch.setattr(backend, "usable", lambda name: False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert main(["rank", "--data", "nowhere"]) == 1
    printed = capsys.readouterr().err.strip()
    assert len(printed.splitlines()) == 1
    assert "needs TensorFlow" in printed
    assert "pip install 'spectbonemetseg[train]'" in printed
