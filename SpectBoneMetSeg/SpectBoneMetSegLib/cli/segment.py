"""`spectbonemetseg segment`: read scans, and write one result folder per scan."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batch.cases import Case, cases_of_inputs, holds_another_scan
from ..batch.tables import failures_outside, write_failures
from ..common.dates import duration
from ..common.errors import UserError, reason_of
from ..common.packages import is_installed
from .common import UsageError, failure_line, format_error, print_json, print_line, show_status, silence_libraries
from .reading_options import add_reading_options, options_of, outputs_of

if TYPE_CHECKING:
    from ..export.outputs import Outputs
    from ..loading.options import Options
    from ..pipeline import Reader

__all__ = ["SegmentCommand", "failure_text", "load", "make_writable", "prepare", "read_cases"]

#: Age after which incomplete results are removed (s); newer ones may belong to another run in the same folder.
LEFTOVER_SECONDS = 3600.0


class SegmentCommand:
    """Read one or more scans."""

    help = "Read scans and write the lesions found."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a file, or a folder of one study")
        add_reading_options(parser)
        parser.add_argument("--scene", metavar="FILE.mrb", help="also write a 3D Slicer scene (one scan only)")

    def run(self, args: argparse.Namespace) -> int:
        """Read all inputs; a failure does not stop the others."""
        from ..model.store import find_model

        options, outputs = prepare(args), outputs_of(args)
        output = Path(args.output)
        try:
            cases = cases_of_inputs(args.inputs, output)
            # An unknown model is reported before a folder is created.
            find_model(args.model)
            if args.scene is not None and (len(cases) > 1 or not args.scene.lower().endswith(".mrb")):
                raise UserError("--scene takes one file name that ends in .mrb, with one INPUT of one scan.")
        except UserError as error:
            raise UsageError.of(error) from error
        make_writable(output)
        if args.scene:
            _check_scene(Path(args.scene))
        results = read_cases(load(args), cases, options, args.flags, scene=args.scene, quiet=args.json, outputs=outputs)
        failures = [result for result in results if "failure" in result]
        # A run over an archive may have written to the same folder: its failures remain true.
        write_failures(output, [*failures, *failures_outside(output, *map(Path, args.inputs))])
        if args.json:
            print_json({"output": str(output), "studies": results, "failed": len(failures)})
        return 1 if failures else 0


def prepare(args: argparse.Namespace) -> Options:
    """Return the options of a run, checked before any work.

    Raises:
        UsageError: an option is empty or invalid.
    """
    silence_libraries()
    options = options_of(args)
    for name in ("output", "model", "scene"):
        if getattr(args, name, None) == "":
            raise UsageError(f"--{name} is empty; give a value or leave it out.")
    return options


def load(args: argparse.Namespace) -> Reader:
    """Load the model.

    Raises:
        UsageError: no such model or engine.
    """
    show_status("Loading the model.")
    try:
        from ..pipeline import Reader

        return Reader(args.model, args.engine, args.device)
    except UserError as error:
        raise UsageError.of(error) from error


def make_writable(output: Path) -> None:
    """Create the folder of results, and remove incomplete results of an interrupted run.

    Raises:
        UserError: the folder cannot be written.
    """
    import tempfile

    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(f"{output} cannot be written ({reason_of(error)}); choose another --output.") from error
    for left in output.glob(".????????????.unfinished"):
        if time.time() - left.stat().st_mtime > LEFTOVER_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _check_scene(path: Path) -> None:
    """Fail before any work if no scene can be written."""
    if not is_installed("slicer"):
        raise UserError("--scene needs Slicer's MRML: pip install 'spectbonemetseg[slicer]'.")
    make_writable(path.resolve().parent)


def read_cases(
    reader: Reader,
    cases: Sequence[Case],
    options: Options,
    flags: Mapping[str, str],
    *,
    scene: str | None = None,
    quiet: bool = False,
    outputs: Outputs | None = None,
) -> list[dict[str, Any]]:
    """Read all cases; print each result on stdout (on stderr if `quiet`) and the progress on stderr.

    Returns:
        The entries of `--json`, one per case; that of a failed case has the key "failure".
    """
    results: list[dict[str, Any]] = []
    started = time.monotonic()
    for number, case in enumerate(cases, start=1):
        before = f"[{number} of {len(cases)}] " if len(cases) > 1 else ""
        results.append(_read_one(reader, options, case, flags, scene, before, outputs, quiet=quiet))
        left = (time.monotonic() - started) / number * (len(cases) - number)
        if left > 10 and number % 10 == 0:
            print(f"{number} of {len(cases)} done, about {duration(left)} left", file=sys.stderr)
    return results


def _read_one(
    reader: Reader,
    options: Options,
    case: Case,
    flags: Mapping[str, str],
    scene: str | None,
    before: str,
    outputs: Outputs | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    from ..batch.work import Settings, failure_result, load_case, write_result
    from ..export.outputs import Outputs

    written = False
    try:
        loaded = load_case(case, options)
        reading = reader.read_scan(loaded.scan, options, loaded.clock)
        if scene:
            from ..mrml.scene_file import check_scene, save_scene

            # Before the results are written: a refused scene leaves everything as it was.
            check_scene(reading, scene)
        result = write_result(case, reading, Settings(options=options, outputs=outputs or Outputs()))
        written = True
        if scene:
            save_scene(reading, scene)
    except Exception as error:  # noqa: BLE001 - a scan that fails must not end the others
        result = failure_text(case, failure_result(case, error), flags, written=written)
        print_line(before + failure_line(case.input, result["failure"]), file=sys.stderr)
        return result
    print_line(
        f"{before}{case.input}: {result['headline']} -> {case.folder}",
        file=sys.stderr if quiet else sys.stdout,
    )
    for note in result["warnings"]:
        print_line(f"  note: {note}", file=sys.stderr)
    return result


def failure_text(
    case: Case, result: Mapping[str, Any], flags: Mapping[str, str], *, written: bool = False
) -> dict[str, Any]:
    """Return a failure as an entry of `--json`; the message mentions a result of the case that exists nevertheless.

    Args:
        case: the case that failed.
        result: its result, with "error" or "stop".
        flags: {field of an error: option}.
        written: this run has written the result folder before it failed.
    """
    message = format_error(UserError.from_dict(result["error"]), flags) if "error" in result else result["stop"]
    if written:
        message += f" The other results are in {case.folder}."
    # Not Path.is_file, which raises an error for a name that is too long for the file system.
    elif os.path.isfile(case.folder / "receipt.json") and not holds_another_scan(case):
        message += f" The result of an earlier run stays in {case.folder}."
    return {"input": str(case.input), "failure": message}
