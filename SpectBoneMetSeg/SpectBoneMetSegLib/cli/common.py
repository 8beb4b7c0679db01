"""What every subcommand uses."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from ..common.errors import UserError


class Command(Protocol):
    """A subcommand; other packages add theirs through the entry point group COMMAND_GROUP."""

    help: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work; returns the exit status. UserError becomes one sentence and status 1."""


class UsageError(UserError):
    """Wrong usage: exit status 2."""

    @classmethod
    def of(cls, error: UserError) -> UsageError:
        """An error of the library that wrong usage brought about."""
        return cls(str(error), *error.fields, command=error.command)


def flags_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """The options of a command by the fields that errors name, such as "pixel_size": "--pixel-size"."""
    return {action.dest: action.option_strings[0] for action in parser._actions if action.option_strings}


def format_error(error: UserError, flags: Mapping[str, str]) -> str:
    """An error as the command line says it, with the options and the command that help.

    Args:
        error: of the library or of a command.
        flags: of the command that runs, from `flags_of`; what it has no option for is left out.
    """
    command = [f"`spectbonemetseg {error.command}`"] if error.command else []
    return error.with_hints([*(flags[field] for field in error.fields if field in flags), *command])


def print_json(value: Any) -> None:
    """A machine-readable summary on stdout."""
    print(json.dumps(value, indent=1))


def silence_libraries() -> None:
    """Keep TensorFlow's start-up chatter away from the progress lines."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def show_status(sentence: str) -> None:
    """A word to whoever watches a terminal in which nothing would move for a while; files of messages need none."""
    if sys.stderr.isatty():
        print(sentence, file=sys.stderr, flush=True)
