"""`spectbonemetseg`: the command line. Exit status 0: all scans were read; 1: some failed; 2: wrong usage."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

from .._version import __version__
from ..common.errors import UserError, reason_of
from ..common.files import DISK_FULL
from ..common.notice import RESEARCH_USE
from ..common.processes import silence_header_warnings
from ..common.safe_text import one_line
from .common import Command, UsageError, flags_of, format_error, print_error_json, print_failure
from .models import ModelsCommand

COMMAND_GROUP = "spectbonemetseg.commands"

#: The extra that installs a package, by the package's import name.
EXTRAS = {
    **dict.fromkeys(("tensorflow", "keras", "onnx", "matplotlib", "skimage", "psutil"), "train"),
    **dict.fromkeys(("slicer", "vtk", "vtkmodules"), "slicer"),
    **dict.fromkeys(("highdicom", "jinja2", "reportlab", "dicomanonymizer"), "results"),
    "argcomplete": "completion",
    **dict.fromkeys(("dask", "distributed"), "cluster"),
    "pynetdicom": "archive",
}


def main(argv: Sequence[str] | None = None, further: Mapping[str, Callable[[], Command]] | None = None) -> int:
    """Run one command and return the exit status.

    Args:
        argv: arguments; None takes those of the process.
        further: more commands by name, where no installed package declares them.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names that the terminal cannot encode must not stop a batch.
            stream.reconfigure(errors="backslashreplace")
    silence_header_warnings()
    arguments = sys.argv[1:] if argv is None else argv
    parser = _parser(further or {}, arguments)
    if "_ARGCOMPLETE" in os.environ:
        _complete(parser)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        # Not by `parse_args`, which prints the usage of the program and not that of the command.
        args.refuse(f"unrecognized arguments: {' '.join(unknown)}")
    as_json = getattr(args, "json", False)
    try:
        with _terminate_as_interrupt():
            return int(args.run(args))
    except UserError as error:
        print_failure(format_error(error, args.flags), error, as_json=as_json)
        return 2 if isinstance(error, UsageError) else 1
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package.startswith("SpectBoneMetSeg"):
            # Not a missing package but a fault of this program, which is not hidden.
            raise
        wanted = f"'spectbonemetseg[{EXTRAS[package]}]'" if package in EXTRAS else package
        print_failure(f"This needs {package}, which is not installed; pip install {wanted}.", as_json=as_json)
        return 1
    except KeyboardInterrupt:
        return _stopped(as_json=as_json)
    except ImportError as error:
        if _was_interrupted(error):
            return _stopped(as_json=as_json)
        raise
    except BrokenPipeError:
        # The reader of our output has ended (`| head`): there is nowhere to print a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        print_failure(
            "There is not enough memory for this; close other programs, or ask for less (a smaller --patch or --batch "
            "in a training).",
            as_json=as_json,
        )
        return 1
    except OSError as error:
        # For example a disk that fills up during a training; incomplete files never replace earlier ones.
        # Errors while writing have no file name.
        name = error.filename or (getattr(args, "output", None) if error.errno in DISK_FULL else None)
        prefix = f"{name}: " if name else ""
        reason = reason_of(error)
        print_failure(f"{prefix}{reason}; check the free disk space and write permission.", as_json=as_json)
        return 1


class _Parser(argparse.ArgumentParser):
    """A parser that also prints wrong usage as JSON.

    Attributes:
        as_json: whether JSON was requested.
    """

    as_json = False

    def error(self, message: str) -> NoReturn:
        if self.as_json:
            print_error_json(message)
        super().error(one_line(message))


def _stopped(*, as_json: bool) -> int:
    print_failure("stopped.", as_json=as_json)
    return 130


def _was_interrupted(error: BaseException | None) -> bool:
    """Return whether the user interrupted an import: libraries in C raise an ImportError then."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _complete(parser: argparse.ArgumentParser) -> None:
    """Print the completions that the shell requested, and exit; only if argcomplete is installed."""
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Handle SIGTERM, which batch queues send, and SIGHUP of a closed terminal like Ctrl-C.

    A signal that is ignored, as SIGHUP under nohup, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handled = [each for each in signals if signal.getsignal(each) is not signal.SIG_IGN]
    earlier = {each: signal.signal(each, stop) for each in handled}
    try:
        yield
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)


def _parser(further: Mapping[str, Callable[[], Command]], arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser; plugins are loaded only if the first argument is no built-in command, to start sooner."""
    from .batch import BatchCommand
    from .compare import CompareCommand
    from .doctor import DoctorCommand
    from .segment import SegmentCommand
    from .serve import ServeCommand
    from .verify import VerifyCommand

    parser = _Parser(
        prog="spectbonemetseg",
        description=f"Segment abnormal uptake in planar whole-body bone scans. {RESEARCH_USE}.",
    )
    parser.add_argument("--version", action="version", version=f"SpectBoneMetSeg {__version__}")
    parser.as_json = "--json" in arguments
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    found: dict[str, Callable[[], Command]] = {
        "segment": SegmentCommand,
        "batch": BatchCommand,
        "serve": ServeCommand,
        "compare": CompareCommand,
        "models": ModelsCommand,
        "verify": VerifyCommand,
        "doctor": DoctorCommand,
        **further,
    }
    if not arguments or arguments[0] not in found:
        found |= _plugins()
    for name, make in found.items():
        command = make()
        subparser = commands.add_parser(name, help=command.help, description=f"{command.help} {RESEARCH_USE}.")
        subparser.as_json = parser.as_json
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run, flags=flags_of(subparser), refuse=subparser.error)
    return parser


def _plugins() -> dict[str, Callable[[], Command]]:
    from importlib.metadata import entry_points

    found = {}
    for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name):
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            # A partly removed package must not disable the other commands.
            print(f"spectbonemetseg: the command {point.name} cannot be loaded ({error}).", file=sys.stderr)
    return found


if __name__ == "__main__":
    sys.exit(main())
