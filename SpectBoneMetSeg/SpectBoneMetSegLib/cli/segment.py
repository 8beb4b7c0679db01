"""`spectbonemetseg segment`: scans in, one folder of results per scan out."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError

if TYPE_CHECKING:
    from ..pipeline import Options, Reader


class SegmentCommand:
    """Read one or more scans."""

    help = "Read scans and write every lesion found."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a file, or a folder of one study")
        self.add_reading_options(parser)
        parser.add_argument("--scene", metavar="FILE.mrb", help="also write a 3D Slicer scene (one INPUT only)")

    def add_reading_options(self, parser: argparse.ArgumentParser) -> None:
        """Declare how to read, for one scan or many."""
        parser.add_argument("--output", required=True, metavar="DIR", help="results go to DIR/<case>/")
        parser.add_argument("--model", metavar="NAME|PATH", help="a model's name or folder (see `models`)")
        parser.add_argument("--engine", choices=("auto", "tensorflow", "onnx"), default="auto")
        parser.add_argument("--device", choices=("auto", "gpu", "cpu"), default="auto")
        parser.add_argument("--region", choices=("thorax", "whole-body"), default="thorax")
        parser.add_argument(
            "--crop",
            metavar="R0,R1,C0,C1",
            help="region by hand: first row, end row, first column, end column (--crop=-5,... for a negative one)",
        )
        parser.add_argument("--views", metavar="anterior,posterior", help="the sides of the pictures in stored order")
        parser.add_argument(
            "--views-override", action="store_true", help="take --views also where the file says otherwise"
        )
        parser.add_argument("--pixel-size", type=float, metavar="MM", help="pixel edge where the file does not say")
        parser.add_argument("--threshold", type=float, metavar="P", help="probability of a lesion's edge, 0 to 1")
        parser.add_argument("--minimum-area", type=float, metavar="MM2", help="leave smaller areas out")
        parser.add_argument(
            "--read-anyway",
            action="store_true",
            help="read also what can hardly be a whole body in counts (too small, too few grey steps)",
        )
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Read all inputs; one that fails does not stop the others."""
        from .common import UsageError, print_json, silence_libraries

        silence_libraries()
        options = _options(args)
        for name in ("output", "model", "scene"):
            if getattr(args, name) == "":
                raise UsageError(f"--{name} is empty; give a value or leave it out.")
        output = Path(args.output)
        try:
            folders = case_folders(args.inputs, output)
            if args.scene is not None and (len(args.inputs) > 1 or not args.scene.lower().endswith(".mrb")):
                raise UserError("--scene takes one file name that ends in .mrb, with one INPUT.")
        except UserError as error:
            raise UsageError(str(error)) from error
        _make_writable(output)
        if args.scene:
            _check_scene(Path(args.scene))
        reader = _load(args)
        results = [_read_one(reader, options, path, folder, args.scene) for path, folder in folders]
        failures = [result for result in results if "failure" in result]
        _write_failures(output, failures)
        if args.json:
            print_json({"output": str(output), "studies": results, "failed": len(failures)})
        return 1 if failures else 0


class BatchCommand(SegmentCommand):
    """Read every study of a folder; what an earlier run has read is not read again."""

    help = "Read every study in a folder; a broken-off run goes on."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("folder", metavar="FOLDER", help="every file and every folder in it is one study")
        self.add_reading_options(parser)
        parser.add_argument("--again", action="store_true", help="also read what has been read before")

    def run(self, args: argparse.Namespace) -> int:
        """Find the studies, leave out those that are done, read the others."""
        from .common import UsageError, print_json

        try:
            studies = find_studies(Path(args.folder), Path(args.output))
            folders = case_folders([str(study) for study in studies], Path(args.output))
        except UserError as error:
            raise UsageError(str(error)) from error
        waiting = [path for path, folder in folders if args.again or not (folder / "receipt.json").is_file()]
        print(f"{len(studies)} studies, {len(studies) - len(waiting)} of them read before", file=sys.stderr)
        if not waiting:
            if args.json:
                print_json({"output": args.output, "studies": [], "failed": 0})
            return 0
        args.inputs, args.scene = [str(path) for path in waiting], None
        return super().run(args)


def find_studies(folder: Path, output: Path) -> list[Path]:
    """The studies in a folder, sorted: its subfolders, and its files that look like scans.

    Raises:
        UserError: no such folder, nothing in it, or the results would lie among the studies.
    """
    from ..loading import looks_like_scan

    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; give the folder that holds the studies.")
    if folder.resolve() == output.resolve():
        # The next run would take the results for studies.
        raise UserError(f"{folder} holds the studies; choose another --output for the results.")
    found = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
        and path.resolve() != output.resolve()
        and (path.is_dir() or (path.is_file() and looks_like_scan(path)))
    ]
    if not found:
        raise UserError(f"{folder} holds no study; give the folder that holds the studies.")
    return found


def case_folders(inputs: Sequence[str], output: Path) -> list[tuple[Path, Path]]:
    """(input, result folder) per study.

    Raises:
        UserError: two inputs would share a folder.
    """
    from ..loading import case_name

    folders: dict[Path, Path] = {}
    for text in inputs:
        if not text:
            raise UserError("An INPUT is empty; give a file, or the folder of one study.")
        path = Path(text)
        folder = output / case_name(path)
        if folder in folders:
            raise UserError(
                f"{folders[folder]} and {path} would both be written to {folder}; read them with separate --output."
            )
        folders[folder] = path
    return [(path, folder) for folder, path in folders.items()]


def _options(args: argparse.Namespace) -> Options:
    from ..loading import checked_views
    from ..pipeline import Options
    from .common import UsageError

    try:
        views = checked_views([word.strip() for word in args.views.split(",")]) if args.views is not None else None
    except UserError as error:
        raise UsageError(str(error)) from error
    try:
        crop = tuple(int(word) for word in args.crop.split(",")) if args.crop is not None else None
        return Options(
            region=args.region,
            crop=crop,  # type: ignore[arg-type]
            views=views,
            pixel_size_mm=args.pixel_size,
            views_override=args.views_override,
            read_anyway=args.read_anyway,
            threshold=args.threshold,
            minimum_area_mm2=args.minimum_area,
        )
    except ValueError as error:
        raise UsageError(f"--crop {args.crop} is not four whole numbers R0,R1,C0,C1.") from error
    except UserError as error:
        raise UsageError(str(error)) from error


def _load(args: argparse.Namespace) -> Reader:
    from ..pipeline import Reader
    from .common import UsageError

    try:
        return Reader(args.model, args.engine, args.device)
    except UserError as error:
        raise UsageError(str(error)) from error


def _make_writable(output: Path) -> None:
    """Fail before any work when the results could not be written."""
    import tempfile

    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}); choose another --output.") from error


def _check_scene(path: Path) -> None:
    """Fail before any work when no scene could be written."""
    from importlib.util import find_spec

    if find_spec("slicer") is None:
        raise UserError("--scene needs Slicer's MRML: pip install 'spectbonemetseg[slicer]'.")
    _make_writable(path.resolve().parent)


def _read_one(reader: Reader, options: Options, path: Path, folder: Path, scene: str | None) -> dict[str, Any]:
    try:
        reading = reader.read(path, options)
        reading.save(str(folder))
        if scene:
            from ..mrml.nodes import save_scene

            save_scene(reading, scene)
    except UserError as error:
        return _failed(path, folder, str(error))
    except Exception as error:
        # One odd study must not stop a batch of thousands; the type says where to look.
        return _failed(path, folder, f"It could not be read ({type(error).__name__}: {error}); please report it.")
    count = len(reading.lesions)
    print(f"{path}: {count} area{'' if count == 1 else 's'} of abnormal uptake -> {folder}", file=sys.stderr)
    warnings = [str(note) for note in reading.receipt["warnings"]]  # type: ignore[attr-defined]
    for note in warnings:
        print(f"  note: {note}", file=sys.stderr)
    return {
        "input": str(path),
        "folder": str(folder),
        "lesions": count,
        "crop_confidence": reading.crop.confidence,
        "device": reader.engine.device,
        "warnings": warnings,
    }


def _failed(path: Path, folder: Path, sentence: str) -> dict[str, Any]:
    """Tell a failure; the result of an earlier run is kept, and the sentence says so."""
    # Not Path.is_file: that raises where the name is too long for the file system.
    if os.path.isfile(folder / "receipt.json"):
        sentence += f" The result of an earlier run stays in {folder}."
    print(f"{path}: {sentence}", file=sys.stderr)
    return {"input": str(path), "failure": sentence}


def _write_failures(output: Path, failures: list[dict[str, Any]]) -> None:
    """failures.csv lists this run's failures; a run without any leaves none behind."""
    path = output / "failures.csv"
    part = path.with_name(".failures.csv.part")
    try:
        if not failures:
            path.unlink(missing_ok=True)
            return
        with part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(["input", "reason"])
            writer.writerows([result["input"], result["failure"]] for result in failures)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written ({error.strerror}); the failures are those above.") from error
