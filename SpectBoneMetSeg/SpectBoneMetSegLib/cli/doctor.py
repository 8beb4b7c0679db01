"""`spectbonemetseg doctor`: whether this installation can read, and what to do where it cannot."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from .common import print_json, show_status, silence_libraries

__all__ = ["DoctorCommand"]

#: What stands before a line.
MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


class DoctorCommand:
    """Look over an installation."""

    help = "Try everything that reading needs on this machine, and say what to do about what is wrong."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--output", metavar="DIR", default=".", help="where results would go (default: here)")
        parser.add_argument("--model", metavar="NAME|PATH", help="the model that is tried (see `models`)")
        parser.add_argument("--json", action="store_true", help="machine-readable findings on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Status 0: everything that is needed works; 1: something does not."""
        silence_libraries()
        from ..upkeep.doctor import examine

        show_status("Trying what is there; TensorFlow takes some seconds.")
        findings = []
        for each in examine(Path(args.output), args.model):
            findings.append(each)
            if not args.json:
                print(f"{MARKS[each.state]} {each.what}: {each.found}", flush=True)
                if each.remedy:
                    print(f"     -> {each.remedy}", flush=True)
        bad = sum(each.state == "bad" for each in findings)
        if args.json:
            print_json({"healthy": not bad, "findings": [asdict(each) for each in findings]})
        else:
            print(f"{bad} of {len(findings)} things are wrong." if bad else "Everything that is needed works.")
        return 1 if bad else 0
