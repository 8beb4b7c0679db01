"""`spectbonemetseg compare`: changes of the lesions between two or more scans of one patient."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .common import UsageError, print_json, print_line
from .reading_options import add_scan_options
from .segment import load, make_writable, prepare

__all__ = ["CompareCommand"]


class CompareCommand:
    """Match the lesions of several scans of one patient."""

    help = "Compare scans of one patient: new, grown, stable, smaller and gone lesions."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "inputs", nargs="+", metavar="INPUT", help="scans (files, folders), or result folders of `segment`"
        )
        add_scan_options(parser, "a new folder for the page, the table and the JSON")
        # Only the whole body has an index, and it does not depend on the position of a thorax box.
        parser.set_defaults(region="whole-body")

    def run(self, args: argparse.Namespace) -> int:
        """Read the scans without results, compare, and write the files."""
        from ..followup.compare import compare
        from ..followup.files import comparison_dict, save_comparison
        from ..followup.read_back import is_result, read_result

        options = prepare(args)
        if len(args.inputs) < 2:
            raise UsageError("A comparison needs two or more scans of a patient: give the earlier one, too.")
        output = Path(args.output)
        make_writable(output.parent)
        reader = None
        readings = []
        for text in args.inputs:
            path = Path(text)
            if is_result(path):
                readings.append(read_result(path))
                continue
            if reader is None:
                reader = load(args)
            readings.append(reader.read(path, options))
        comparison = compare(readings)
        save_comparison(comparison, output)
        values = comparison_dict(comparison)
        for warning in comparison.warnings:
            print_line(f"  note: {warning}", file=sys.stderr)
        if args.json:
            print_json({"output": str(output), **{name: values[name] for name in ("scans", "steps", "warnings")}})
        else:
            for step in values["steps"]:
                counted = ", ".join(f"{step[name]} {name}" for name in ("new", "grown", "stable", "smaller", "gone"))
                print_line(f"{step['from']} to {step['to']}: {counted} -> {output}")
        return 0
