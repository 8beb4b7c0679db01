"""Wrong usage is answered with the usage of the command that was called."""

import json

import pytest
from SpectBoneMetSegLib.cli.main import main


@pytest.mark.parametrize("command", ["doctor", "gather"])
def test_an_unknown_argument_shows_the_usage_of_its_command(command, capsys):
    needed = ["--output", "data"] if command == "gather" else []
    with pytest.raises(SystemExit) as ended:
        main([command, *needed, "folder"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"usage: spectbonemetseg {command} ")
    assert error.endswith(f"spectbonemetseg {command}: error: unrecognized arguments: folder\n")


def test_a_model_is_not_installed_and_removed_by_one_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["models", "--install", "mine", "--remove", "mine"])
    assert ended.value.code == 2
    assert "--remove: not allowed with argument --install" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment", "x.dcm", "--output", "out", "--json", "--model", "missing"],
        ["segment", "--json", "--output", "out"],
        ["segment", "x", "--output", "out", "--json", "--threshold", "much"],
        ["batch", "missing", "--output", "out", "--json"],
        ["compare", "missing.dcm", "--output", "out", "--json"],
        ["serve", "--output", "out", "--json", "--port", "0"],
        ["models", "--json", "--remove", "missing"],
        ["verify", "missing", "--json"],
        ["doctor", "--json", "--unknown"],
        ["train", "--json", "--data", "missing", "--output", "out"],
        ["gather", "--json", "--labelled", "missing", "--output", "out"],
        ["evaluate", "--json"],
        ["simulate", "--json", "--output", "out", "--patients", "-1"],
        ["jobs", "--json", "watch", "missing"],
    ],
    ids=" ".join,
)
def test_with_json_a_script_also_gets_the_error_of_a_command_that_stops(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    printed = capsys.readouterr()
    assert status in (1, 2)
    (line,) = printed.out.splitlines()
    error = json.loads(line)["error"]
    assert error.keys() == {"message", "fields", "command"}
    assert error["message"] in printed.err


def test_without_json_an_error_prints_nothing_on_stdout(tmp_path, capsys):
    assert main(["batch", str(tmp_path / "missing"), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().out == ""


def test_a_name_with_control_characters_is_printed_on_one_line(tmp_path, capsys):
    broken = tmp_path / "a\nb\x1b[31m.dcm"
    broken.write_bytes(b"no scan")
    assert main(["segment", str(broken), "--output", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 1
    assert r"a\nb\x1b[31m.dcm" in printed[0]
