"""An interruption while a library is loaded is reported like any other."""

from __future__ import annotations

import pytest
from SpectBoneMetSegLib.cli.main import main


class Loading:
    """A command that is stopped in the middle of an import of a library in C."""

    help = "Load."
    cause: BaseException = KeyboardInterrupt()

    def add_arguments(self, parser):
        """None."""

    def run(self, _args):
        raise ImportError("initialization failed") from self.cause


def test_an_import_that_was_stopped_is_a_stop(capsys):
    assert main(["load"], {"load": Loading}) == 130
    assert capsys.readouterr().err == "spectbonemetseg: stopped.\n"


def test_an_import_that_fails_by_itself_is_not_hidden(monkeypatch):
    monkeypatch.setattr(Loading, "cause", ValueError("odd"))
    with pytest.raises(ImportError):
        main(["load"], {"load": Loading})
