"""`spectbonemetseg calibrate`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from SpectBoneMetSegLib.cli.common import UsageError

from ..common.extras import require


class CalibrateCommand:
    """Compare simulated patients with a real scan."""

    help = "Compare simulated patients with one real anterior scan: table, plots and a contact sheet."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--scan", required=True, metavar="FILE", help="a real scan with an anterior view")
        parser.add_argument("--patients", type=int, default=24, metavar="N", help="simulated patients (24)")
        parser.add_argument("--seed", type=int, default=777, metavar="S")
        parser.add_argument("--output", required=True, metavar="DIR")
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")

    def run(self, args: argparse.Namespace) -> int:
        """Simulate, measure, print the table and write the pictures."""
        from ..phantom.cohort.calibrate import calibrate
        from ..phantom.cohort.calibration import match_line

        if args.patients < 3 or args.jobs < 1 or args.seed < 0:
            raise UsageError("--patients starts at 3, --jobs at 1, --seed at 0.")
        require("calibrate", "matplotlib")
        rows = calibrate(Path(args.scan), args.patients, args.seed, Path(args.output), args.jobs)
        print(f"{args.patients} simulated patients (seed {args.seed}) against one real scan (n = 1)")
        print("  ".join(f"{name:>18}" for name in rows[0]))
        for row in rows:
            print("  ".join(f"{value!s:>18}" for value in row.values()))
        print(match_line(rows))
        return 0
