"""Helpers of all subcommands."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from ..common.errors import UserError
from ..common.safe_text import one_line


class Command(Protocol):
    """A subcommand; other packages add commands through the entry point group COMMAND_GROUP."""

    help: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command and return the exit status.

        Raises:
            UsageError: options are invalid or exclude each other; it is printed and becomes status 2.
            UserError: the command failed; it is printed and becomes status 1.
        """


class UsageError(UserError):
    """Wrong usage: exit status 2."""

    @classmethod
    def of(cls, error: UserError) -> UsageError:
        """Return the usage error for an error of the library."""
        return cls(str(error), *error.fields, command=error.command)


@contextmanager
def scheduler_errors() -> Iterator[None]:
    """Turn an error about the option --scheduler into a usage error."""
    try:
        yield
    except UserError as error:
        if "scheduler" in error.fields:
            raise UsageError.of(error) from error
        raise


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


def failure_line(source: str | os.PathLike[str], message: str) -> str:
    """Return the line that reports why an input failed; the input is named once, with its path."""
    path = os.fspath(source)
    name = os.path.basename(path)
    if message.startswith(f"{path} "):
        return message
    return path + message.removeprefix(name) if message.startswith(f"{name} ") else f"{path}: {message}"


def print_json(value: Any) -> None:
    """Print a machine-readable summary on stdout."""
    print(json.dumps(value, indent=1))


def print_error_json(message: str, error: UserError | None = None) -> None:
    """Print on stdout, as one line of JSON, why a command has ended: {"error": {"message", "fields", "command"}}."""
    values = error.to_dict() if error else {"fields": [], "command": ""}
    print(json.dumps({"error": {**values, "message": message}}), flush=True)


def print_failure(message: str, error: UserError | None = None, *, as_json: bool) -> None:
    """Print why a command has ended on stderr, and on stdout if JSON was requested.

    Args:
        message: one sentence.
        error: the error, for its fields and its command.
        as_json: whether JSON was requested.
    """
    print(f"spectbonemetseg: {one_line(message)}", file=sys.stderr)
    if as_json:
        print_error_json(message, error)


def print_line(text: str, *, file: TextIO | None = None) -> None:
    """Print a text as one line, whatever characters the names in it have; on stdout if no stream is given."""
    print(one_line(text), file=file, flush=True)


def silence_libraries() -> None:
    """Suppress TensorFlow's start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def show_status(message: str) -> None:
    """Print a status message on a terminal, for steps that take some seconds; log files get none."""
    if sys.stderr.isatty():
        print(message, file=sys.stderr, flush=True)
