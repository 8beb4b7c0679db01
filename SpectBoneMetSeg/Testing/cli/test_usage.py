"""Wrong usage is answered with the usage of the command that was called."""

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
