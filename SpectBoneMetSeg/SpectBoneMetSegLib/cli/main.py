"""`spectbonemetseg`: the shell's way in. Exit status 0 all read, 1 some failed, 2 wrong usage."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from .. import __version__
from ..common.errors import UserError
from ..common.notice import RESEARCH_USE

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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names that the terminal's encoding does not know must not stop a batch.
            stream.reconfigure(errors="backslashreplace")
    args = _parser().parse_args(argv)
    try:
        with _terminate_as_interrupt():
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
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        print(
            "spectbonemetseg: There is not enough memory for this; close other programs, or ask for less (a smaller "
            "--patch or --batch in a training).",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        # A disk that fills up in the middle of a training, say: nothing half-written takes the place of what was there.
        place = f"{error.filename}: " if error.filename else ""
        why = error.strerror or error
        print(f"spectbonemetseg: {place}{why}; check the space on the disk and your rights.", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, which batch queues send, clean up like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _parser() -> argparse.ArgumentParser:
    from .segment import BatchCommand, SegmentCommand

    parser = argparse.ArgumentParser(
        prog="spectbonemetseg",
        description=f"Segment abnormal uptake in planar whole-body bone scans. {RESEARCH_USE}.",
    )
    parser.add_argument("--version", action="version", version=f"SpectBoneMetSeg {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    found: dict[str, Callable[[], Command]] = {
        "segment": SegmentCommand,
        "batch": BatchCommand,
        "models": ModelsCommand,
        **_plugged_in(),
    }
    for name, make in found.items():
        command = make()
        part = commands.add_parser(name, help=command.help, description=f"{command.help} {RESEARCH_USE}.")
        command.add_arguments(part)
        part.set_defaults(run=command.run)
    return parser


def _plugged_in() -> dict[str, Callable[[], Command]]:
    from importlib.metadata import entry_points

    found = {}
    for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name):
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            # A package that is half removed must not take the other commands with it.
            print(f"spectbonemetseg: the command {point.name} cannot be loaded ({error}).", file=sys.stderr)
    return found


def print_json(value: Any) -> None:
    """A machine-readable summary on stdout."""
    print(json.dumps(value, indent=1))


class ModelsCommand:
    """List the models there are, install one from a folder or file, or write one as a file."""

    help = "List the models, install one, or pass one on as a file."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--install", metavar="FOLDER", help="copy a model folder into your own model store")
        parser.add_argument("--export", nargs=2, metavar=("NAME|PATH", "FILE"), help="write a model as one file")
        parser.add_argument(
            "--import", dest="import_file", metavar="FILE", help="check such a file and install the model in it"
        )
        parser.add_argument("--replace", action="store_true", help="with --import: also over a model of the same name")
        parser.add_argument("--export-onnx", metavar="NAME|PATH", help="add model.onnx to a model, for --engine onnx")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """List, install or export."""
        from ..model.archive import export_model, import_model
        from ..model.store import export_onnx, find_model, install_model, list_models

        if args.install:
            model = install_model(Path(args.install))
            print(f"Installed {model.card.name}.", file=sys.stderr)
        if args.import_file:
            model = import_model(Path(args.import_file), args.replace)
            print(f"Installed {model.card.name}.", file=sys.stderr)
        if args.export:
            print(f"Wrote {export_model(find_model(args.export[0]), Path(args.export[1]))}.", file=sys.stderr)
        if args.export_onnx:
            silence_libraries()
            model = export_onnx(find_model(args.export_onnx))
            print(f"Wrote {model.onnx}.", file=sys.stderr)
        models = list_models()
        if args.json:
            print_json([{"path": str(model.path), **model.card.to_dict()} for model in models])
            return 0
        for model in models:
            print(f"{model.path.name}\t{model.card.version}\t{model.card.description}")
        return 0


def silence_libraries() -> None:
    """Keep TensorFlow's start-up chatter away from the progress lines."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


if __name__ == "__main__":
    sys.exit(main())
