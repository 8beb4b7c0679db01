"""`spectbonemetseg import`: the sets by name, the terms to confirm first, a summary for scripts."""

from __future__ import annotations

import json

import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegTrainingLib.cli import ImportCommand
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import SETS
from support import open_sets

FURTHER = {"import": ImportCommand}


def test_the_list_names_every_set_with_its_licence_and_what_it_requires(capsys):
    assert main(["import", "--list"], FURTHER) == 0
    text = capsys.readouterr().out
    for each in SETS.values():
        assert f"{each.name}: " in text
        assert each.licence in text
    assert text.count("--accept-terms") == sum(bool(each.terms) for each in SETS.values())
    assert main(["import", "--list", "--json"], FURTHER) == 0
    assert {each["set"] for each in json.loads(capsys.readouterr().out)} == set(SETS)


def test_a_set_is_imported_once_its_terms_are_settled(tmp_path, capsys):
    folder = open_sets.write_bs80k(tmp_path / "set", (1, 2, 1654))
    command = ["import", "bs80k", str(folder), "--output", str(tmp_path / "d"), "--json"]
    assert main(command, FURTHER) == 2
    assert "(--accept-terms)" in capsys.readouterr().err
    assert main([*command, "--accept-terms"], FURTHER) == 0
    reported = capsys.readouterr()
    summary = json.loads(reported.out)
    assert sum(summary["cases"].values()) == 2
    assert list(summary["left_out"]) == ["1654"]
    assert "licence: none stated" in reported.err


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["nothing", "."], "no public set 'nothing'"),
        (["bs80k"], "--list names the sets"),
        (["bs80k", ".", "--pixel-size", "99"], "not a pixel size in mm"),
    ],
)
def test_what_makes_no_sense_is_reported(words, printed, tmp_path, capsys):
    assert main(["import", *words, "--output", str(tmp_path / "d")], FURTHER) == 2
    assert printed in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_labelled_set_without_a_labelled_patient_ends_with_another_status(tmp_path, capsys):
    folder = open_sets.write_iics(tmp_path / "set", ill=2, well=0)
    assert main(["import", "iics-una", str(folder), "--output", str(tmp_path / "d"), "--json"], FURTHER) == 1
    reported = capsys.readouterr()
    assert json.loads(reported.out)["unlabelled"].startswith("No patient is labelled")
    assert "No patient is labelled: the set outlines no lesions" in reported.err
