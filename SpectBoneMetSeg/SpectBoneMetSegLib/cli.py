"""`spectbonemetseg`: the shell's way in. Exit status 0 all read, 1 some failed, 2 wrong usage."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from . import __version__
from .errors import UserError

RESEARCH_USE = "Research use only - not for diagnosis or treatment."
COMMAND_GROUP = "spectbonemetseg.commands"


class Command(Protocol):
    """A subcommand; other packages add theirs through the entry point group COMMAND_GROUP."""

    help: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work; returns the exit status. UserError becomes one sentence and status 1."""


class UsageError(UserError):
    """Wrong usage: exit status 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except UsageError as error:
        print(f"spectbonemetseg: {error}", file=sys.stderr)
        return 2
    except UserError as error:
        print(f"spectbonemetseg: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("spectbonemetseg: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    from .segment_command import SegmentCommand

    parser = argparse.ArgumentParser(
        prog="spectbonemetseg",
        description=f"Segment abnormal uptake in planar whole-body bone scans. {RESEARCH_USE}",
    )
    parser.add_argument("--version", action="version", version=f"SpectBoneMetSeg {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    found: dict[str, Callable[[], Command]] = {"segment": SegmentCommand, "models": ModelsCommand, **_plugged_in()}
    for name, make in found.items():
        command = make()
        part = commands.add_parser(name, help=command.help, description=f"{command.help} {RESEARCH_USE}")
        command.add_arguments(part)
        part.set_defaults(run=command.run)
    return parser


def _plugged_in() -> dict[str, Callable[[], Command]]:
    from importlib.metadata import entry_points

    return {
        point.name: point.load() for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name)
    }


def print_json(value: Any) -> None:
    """A machine-readable summary on stdout."""
    print(json.dumps(value, indent=1))


class ModelsCommand:
    """List the models there are, or install one from a folder."""

    help = "List the models, or install one."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--install", metavar="FOLDER", help="copy a model folder into your own model store")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """List or install."""
        from .models import install_model, list_models

        if args.install:
            model = install_model(Path(args.install))
            print(f"Installed {model.card.name}.", file=sys.stderr)
        models = list_models()
        if args.json:
            print_json([{"path": str(model.path), **model.card.to_dict()} for model in models])
            return 0
        for model in models:
            print(f"{model.card.name}\t{model.card.version}\t{model.card.description}")
        return 0


def silence_libraries() -> None:
    """Keep TensorFlow's start-up chatter away from the progress lines."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


if __name__ == "__main__":
    sys.exit(main())
