"""`spectbonemetseg doctor`: check this installation, and suggest a remedy for each problem."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from .common import print_json, print_line, show_status, silence_libraries

__all__ = ["DoctorCommand"]

#: Prefixes of the lines.
MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


class DoctorCommand:
    """Check an installation."""

    help = "Check everything that reading needs on this machine, and suggest a remedy for each problem."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--output", metavar="DIR", default=".", help="folder for results (default: this folder)")
        parser.add_argument("--model", metavar="NAME|PATH", help="model to test (see `models`)")
        parser.add_argument("--json", action="store_true", help="machine-readable findings on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Print the findings; return 0 if everything that is needed works, else 1."""
        silence_libraries()
        from ..upkeep.doctor import examine

        show_status("Testing the installation; TensorFlow takes some seconds.")
        findings = []
        for each in examine(Path(args.output), args.model):
            findings.append(each)
            if not args.json:
                print_line(f"{MARKS[each.state]} {each.what}: {each.found}")
                if each.remedy:
                    print_line(f"     -> {each.remedy}")
        bad = sum(each.state == "bad" for each in findings)
        if args.json:
            print_json({"healthy": not bad, "findings": [asdict(each) for each in findings]})
        else:
            print(f"{bad} of {len(findings)} checks failed." if bad else "Everything that is needed works.")
        return 1 if bad else 0
