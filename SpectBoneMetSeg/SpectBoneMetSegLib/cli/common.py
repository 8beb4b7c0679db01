"""What every subcommand uses."""

from __future__ import annotations

import argparse
import json
import os
import sys
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


def print_json(value: Any) -> None:
    """A machine-readable summary on stdout."""
    print(json.dumps(value, indent=1))


def silence_libraries() -> None:
    """Keep TensorFlow's start-up chatter away from the progress lines."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def say_while_waiting(sentence: str) -> None:
    """A word to whoever watches a terminal in which nothing would move for a while; files of messages need none."""
    if sys.stderr.isatty():
        print(sentence, file=sys.stderr, flush=True)
