"""`spectbonemetseg calibrate`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from SpectBoneMetSegLib.cli.common import UsageError

from ..common.extras import require

#: Default number of patients: for a comparison with one scan, and with a population's percentiles.
PATIENTS_FOR_SCAN, PATIENTS_FOR_POPULATION = 24, 100


class CalibrateCommand:
    """Compare simulated patients with real ones."""

    help = "Compare simulated patients with a real population's percentiles or with one real anterior scan."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        real = parser.add_mutually_exclusive_group()
        real.add_argument(
            "--population",
            metavar="FILE",
            help="percentiles of a real population (by default of 34 patients with metastases of one hospital)",
        )
        real.add_argument("--scan", metavar="FILE", help="a real scan with an anterior view")
        real.add_argument(
            "--contact-sheet",
            action="store_true",
            help="pictures only: 8 patients with diffuse disease, 8 with large lesions, 8 without lesions",
        )
        parser.add_argument("--patients", type=int, metavar="N", help="patients (100; 24 with --scan; 8 per sheet)")
        parser.add_argument("--seed", type=int, default=777, metavar="S")
        parser.add_argument("--output", required=True, metavar="DIR")
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")

    def run(self, args: argparse.Namespace) -> int:
        """Simulate, measure, print the table and write the pictures."""
        patients = args.patients or (PATIENTS_FOR_SCAN if args.scan else PATIENTS_FOR_POPULATION)
        if (args.patients is not None and args.patients < 3) or args.jobs < 1 or args.seed < 0:
            raise UsageError("--patients starts at 3, --jobs at 1, --seed at 0.")
        require("calibrate", "matplotlib")
        if args.contact_sheet:
            return _contact_sheets(args)
        if args.scan:
            return _compare_with_scan(args, patients)
        return _compare_with_population(args, patients)


def _compare_with_population(args: argparse.Namespace, patients: int) -> int:
    from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

    from ..phantom.cohort.population_calibration import (
        calibrate_population,
        hot_lines,
        score_line,
        site_lines,
        table_lines,
    )
    from ..phantom.cohort.population_tables import shipped_population

    file = Path(args.population) if args.population else shipped_population()
    result = calibrate_population(file, patients, args.seed, Path(args.output), args.jobs)
    print(f"{patients} simulated patients with metastases (seed {args.seed}) against: {result.tables.about}")
    print("percentiles " + " / ".join(f"{value:g}" for value in result.tables.percentiles))
    print("\n".join(table_lines(result)))
    for view in VIEW_NAMES:
        shares = ", ".join(
            f"{name} {ours:.0%} ({real:.0%})" if real else f"{name} {ours:.0%}"
            for name, ours, real in site_lines(result, view)
        )
        print(f"sites, {view}, ours (real): {shares}")
    print("\n".join(hot_lines(result)))
    print(score_line(result))
    return 0


def _contact_sheets(args: argparse.Namespace) -> int:
    from ..phantom.cohort.contact_sheet import PATIENTS_PER_SHEET, draw_contact_sheets

    for path in draw_contact_sheets(args.seed, Path(args.output), args.jobs, args.patients or PATIENTS_PER_SHEET):
        print(path)
    return 0


def _compare_with_scan(args: argparse.Namespace, patients: int) -> int:
    from ..phantom.cohort.calibrate import calibrate
    from ..phantom.cohort.calibration import match_line

    rows = calibrate(Path(args.scan), patients, args.seed, Path(args.output), args.jobs)
    print(f"{patients} simulated patients (seed {args.seed}) against one real scan (n = 1)")
    print("  ".join(f"{name:>18}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>18}" for value in row.values()))
    print(match_line(rows))
    return 0
