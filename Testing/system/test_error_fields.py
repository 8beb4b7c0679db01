"""Errors of the libraries are independent of the front end: they name fields, each an option of the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from SpectBoneMetSegLib.cli.common import UsageError, format_error
from SpectBoneMetSegLib.cli.main import _parser, main
from SpectBoneMetSegLib.common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("SpectBoneMetSeg/SpectBoneMetSegLib", "SpectBoneMetSegTraining/SpectBoneMetSegTrainingLib")


def errors() -> Iterator[tuple[str, ast.Call]]:
    """(where, the call) of every UserError that the libraries below the command line make."""
    for library in LIBRARIES:
        for path in sorted((ROOT / library).rglob("*.py")):
            if "cli" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UserError":
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def texts(node: ast.AST) -> str:
    return "".join(str(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant))


def fields(call: ast.Call) -> list[str]:
    return [str(part.value) for part in call.args[1:] if isinstance(part, ast.Constant)]


@pytest.fixture(scope="module")
def commands():
    """The flags by field of every command."""
    [chosen] = [action for action in _parser({})._actions if action.dest == "command"]
    return {name: parser.get_default("flags") for name, parser in chosen.choices.items()}


def test_no_error_of_the_libraries_names_options_or_commands_in_its_sentence():
    found = list(errors())
    assert len(found) > 100
    printed = [where for where, call in found if re.search(r"--[a-z]|spectbonemetseg [a-z]", texts(call.args[0]))]
    assert not printed


def test_every_field_that_an_error_names_is_an_option_of_a_command(commands):
    known = {field for flags in commands.values() for field in flags}
    named = [(where, field) for where, call in errors() for field in fields(call)]
    assert len(named) > 20
    assert not [entry for entry in named if entry[1] not in known]


def test_the_command_line_names_the_options_that_it_has(commands):
    error = UserError("It is wrong; choose another.", "pixel_size", "run_folder", command="models")
    assert (
        format_error(error, commands["segment"])
        == "It is wrong; choose another (--pixel-size, `spectbonemetseg models`)."
    )
    assert format_error(error, commands["train"]) == "It is wrong; choose another (--run, `spectbonemetseg models`)."
    assert format_error(UserError("It is wrong."), commands["train"]) == "It is wrong."


def test_an_error_of_usage_keeps_the_fields_and_ends_with_2(monkeypatch, capsys):
    def refuse(*_: object) -> None:
        raise UsageError.of(UserError("No such model; choose another.", "export_onnx", command="models"))

    monkeypatch.setattr("SpectBoneMetSegLib.model.store.list_models", refuse)
    assert main(["models"]) == 2
    reported = capsys.readouterr().err
    assert reported == "spectbonemetseg: No such model; choose another (--export-onnx, `spectbonemetseg models`).\n"
