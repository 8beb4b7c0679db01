"""The options that `segment` and `batch` share, and their conversion to the pipeline's options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..common.errors import UserError
from .common import UsageError

if TYPE_CHECKING:
    from ..export.outputs import Outputs
    from ..loading.options import Options

__all__ = ["add_reading_options", "add_scan_options", "options_of", "outputs_of"]


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of reading and of the outputs."""
    add_scan_options(parser, "results go to DIR/<case>/")
    parser.add_argument("--dicom", action="store_true", help="also write DICOM objects for the scan's own study")
    parser.add_argument("--report", action="store_true", help="also write a report as HTML and PDF")
    parser.add_argument("--de-identify", action="store_true", help="remove the patient's identity from these outputs")
    parser.add_argument("--name-patient", action="store_true", help="name the patient in the report")


def add_scan_options(parser: argparse.ArgumentParser, output: str) -> None:
    """Declare the options of reading.

    Args:
        parser: parser of the command.
        output: help text of the option --output.
    """
    parser.add_argument("--output", required=True, metavar="DIR", help=output)
    parser.add_argument("--model", metavar="NAME|PATH", help="a model's name or folder (see `models`)")
    parser.add_argument(
        "--engine",
        choices=("auto", "onnx", "tensorflow"),
        default="auto",
        help="inference engine (default: %(default)s)",
    )
    parser.add_argument(
        "--device", choices=("auto", "gpu", "cpu"), default="auto", help="device of the engine (default: %(default)s)"
    )
    parser.add_argument(
        "--region",
        choices=("thorax", "whole-body"),
        default="thorax",
        help="part of the body to read (default: %(default)s)",
    )
    parser.add_argument(
        "--crop",
        metavar="R0,R1,C0,C1",
        help="region to read: first row, end row, first column, end column (--crop=-5,... for a negative value)",
    )
    parser.add_argument("--views", metavar="anterior,posterior", help="views of the images, in stored order")
    parser.add_argument("--views-override", action="store_true", help="use --views even if the file names other views")
    parser.add_argument("--pixel-size", type=float, metavar="MM", help="pixel size, if the file does not contain it")
    parser.add_argument("--threshold", type=float, metavar="P", help="probability at a lesion's edge, 0 to 1")
    parser.add_argument("--minimum-area", type=float, metavar="MM2", help="minimum area of a lesion")
    parser.add_argument(
        "--read-anyway",
        action="store_true",
        help="also read images unlikely to show counts of a whole body (too small, too few grey levels)",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")


def options_of(args: argparse.Namespace) -> Options:
    """Return the pipeline's options.

    Raises:
        UsageError: a value is invalid.
    """
    from ..loading import parse_views
    from ..loading.options import Options

    if args.views_override and args.views is None:
        raise UsageError("--views-override needs --views: name the views in stored order.")
    try:
        views = parse_views([name.strip() for name in args.views.split(",")]) if args.views is not None else None
        crop = tuple(int(value) for value in args.crop.split(",")) if args.crop is not None else None
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
        raise UsageError.of(error) from error


def outputs_of(args: argparse.Namespace) -> Outputs:
    """Return the outputs in addition to the result files.

    Raises:
        UsageError: packages for them are missing, or the options contradict each other.
    """
    from ..export.outputs import Outputs, check_packages

    outputs = Outputs(args.dicom, args.report, args.de_identify, args.name_patient)
    if outputs.de_identify and not (outputs.dicom or outputs.report):
        raise UsageError("--de-identify applies to DICOM objects and the report: add --dicom or --report.")
    if outputs.name_patient and not outputs.report:
        raise UsageError("--name-patient applies to the report: add --report.")
    try:
        check_packages(outputs)
    except UserError as error:
        raise UsageError.of(error) from error
    return outputs
