"""`spectbonemetseg verify`: a receipt is read again."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from .common import print_json, show_status, silence_libraries

__all__ = ["VerifyCommand"]


class VerifyCommand:
    """Read the scan of a receipt again, and say whether its results hold."""

    help = "Read the scan of a receipt again and say whether its results still hold."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("receipt", metavar="RECEIPT", help="a receipt.json, or the folder it lies in")
        parser.add_argument(
            "--model", metavar="NAME|PATH", help="the model, where the receipt's name means another one"
        )
        parser.add_argument("--engine", choices=("auto", "onnx", "tensorflow"), help="by default that of the receipt")
        parser.add_argument("--files", metavar="FOLDER", help="where the files of the scan lie now")
        parser.add_argument("--json", action="store_true", help="machine-readable verdict on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Status 0: it holds; 1: it does not, or cannot be told."""
        silence_libraries()
        from ..upkeep.verify import verify_receipt

        show_status("Reading the scan again.")
        files = None if args.files is None else Path(args.files)
        verdict = verify_receipt(Path(args.receipt), args.model, files, args.engine)
        if args.json:
            print_json(asdict(verdict))
            return 0 if verdict.holds else 1
        for each in verdict.differences:
            print(each.told, file=sys.stderr)
        for name, words in verdict.facts.items():
            print(f"{name}: {words}", file=sys.stderr)
        bytes_too = ", to the pixel" if verdict.same_bytes else ""
        print(f"It holds{bytes_too}." if verdict.holds else "It does not hold.")
        return 0 if verdict.holds else 1
