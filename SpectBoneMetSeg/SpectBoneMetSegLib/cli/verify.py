"""`spectbonemetseg verify`: reproduce the results of a receipt."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from .common import print_json, print_line, show_status, silence_libraries

__all__ = ["VerifyCommand"]


class VerifyCommand:
    """Read the scan of a receipt again, and report whether its results are reproduced."""

    help = "Read the scan of a receipt again and report whether its results are reproduced."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("receipt", metavar="RECEIPT", help="a receipt.json, or its folder")
        parser.add_argument(
            "--model", metavar="NAME|PATH", help="model to use, if the name in the receipt is now that of another model"
        )
        parser.add_argument("--engine", choices=("auto", "onnx", "tensorflow"), help="default: that of the receipt")
        parser.add_argument("--files", metavar="FOLDER", help="folder of the scan's files, if they have moved")
        parser.add_argument("--json", action="store_true", help="machine-readable verdict on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Print the differences; return 0 if the results are reproduced, else 1."""
        silence_libraries()
        from ..upkeep.verify import verify_receipt

        show_status("Reading the scan again.")
        files = None if args.files is None else Path(args.files)
        verdict = verify_receipt(Path(args.receipt), args.model, files, args.engine)
        if args.json:
            print_json(asdict(verdict))
            return 0 if verdict.holds else 1
        for each in verdict.differences:
            print_line(each.message, file=sys.stderr)
        for name, fact in verdict.facts.items():
            print_line(f"{name}: {fact}", file=sys.stderr)
        exactly = ", to the pixel" if verdict.same_bytes else ""
        print(f"The results are reproduced{exactly}." if verdict.holds else "The results are not reproduced.")
        return 0 if verdict.holds else 1
