"""Helpers of all subcommands."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from ..common.errors import UserError


class Command(Protocol):
    """A subcommand; other packages add commands through the entry point group COMMAND_GROUP."""

    help: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command and return the exit status; a UserError is printed and becomes status 1."""


class UsageError(UserError):
    """Wrong usage: exit status 2."""

    @classmethod
    def of(cls, error: UserError) -> UsageError:
        """Return the usage error for an error of the library."""
        return cls(str(error), *error.fields, command=error.command)


def flags_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return a command's options by the fields that errors name, such as "pixel_size": "--pixel-size"."""
    return {action.dest: action.option_strings[0] for action in parser._actions if action.option_strings}


def format_error(error: UserError, flags: Mapping[str, str]) -> str:
    """Format an error for the command line, with the options and the command that help.

    Args:
        error: error of the library or of a command.
        flags: options of the running command, from `flags_of`; fields without an option are left out.
    """
    command = [f"`spectbonemetseg {error.command}`"] if error.command else []
    return error.with_hints([*(flags[field] for field in error.fields if field in flags), *command])


def print_json(value: Any) -> None:
    """Print a machine-readable summary on stdout."""
    print(json.dumps(value, indent=1))


def silence_libraries() -> None:
    """Suppress TensorFlow's start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def show_status(message: str) -> None:
    """Print a status message on a terminal, for steps that take some seconds; log files get none."""
    if sys.stderr.isatty():
        print(message, file=sys.stderr, flush=True)
