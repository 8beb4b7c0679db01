"""Accuracy of `compare`: detection of new lesions, and false changes of unchanged patients; simulated patients.

python Testing/benchmarks/follow_up.py --pairs 20 --repeats 20

For the second scan every patient is repositioned, and another camera is drawn. Prints the F1 score of new lesions, with
true outlines and end to end; for unchanged patients it prints the lesions reported as new, grown, smaller or gone, and
the standard deviation of ln(second / first area), from which the limits of `compare` are derived. All figures are of
simulated patients from one simulator. Takes about a minute per pair on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import asdict

import numpy as np
from SpectBoneMetSegLib.followup.compare import compare
from SpectBoneMetSegLib.loading.options import Options
from SpectBoneMetSegLib.pipeline import Reader
from SpectBoneMetSegTrainingLib.experiments.index.changes import ChangeCounts, area_changes, f1, new_lesions
from SpectBoneMetSegTrainingLib.experiments.index.known import true_reading
from SpectBoneMetSegTrainingLib.phantom.disease.patient import draw_patient, random_stream
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import PATIENT_STREAM, SCAN_STREAM, acquire, simulate_series

FIRST_SEED, FIRST_REPEAT = 30_000, 20_000
OPTIONS = Options(region="whole-body", read_anyway=True)


def main() -> None:
    """Simulate patients, compare their scans, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--model", help="name or folder; `none` leaves out the end-to-end part")
    args = parser.parse_args()
    reader = None if args.model == "none" else Reader(args.model)
    true, model = ChangeCounts(), ChangeCounts()
    for number in range(args.pairs):
        first, second = simulate_series(f"pair{number}", FIRST_SEED + number, 2, course="progression", positive=True)
        cases = (first, second)
        true += new_lesions(cases, (true_reading(first), true_reading(second)))
        if reader is not None:
            model += new_lesions(cases, (reader.read_scan(first.scan, OPTIONS), reader.read_scan(second.scan, OPTIONS)))
        print(
            f"{number + 1} of {args.pairs} pairs: true outlines {true}, end to end {model}", file=sys.stderr, flush=True
        )
    if args.pairs:
        print(f"New lesions of {args.pairs} simulated pairs:")
        for title, counts in (("true outlines", true), *([("end to end", model)] if reader else [])):
            print(
                f"  {title}: F1 {f1(counts):.2f} ({counts.right} right, {counts.wrong} wrong, {counts.missed} missed)"
            )
    if args.repeats:
        unchanged(args.repeats, reader)


def unchanged(count: int, reader: Reader | None) -> None:
    """Print the changes reported for patients who are scanned twice on one day."""
    changes: dict[str, list[float]] = {"true outlines": [], **({"end to end": []} if reader else {})}
    steps = {title: Counter[str]() for title in changes}
    for seed in range(FIRST_REPEAT, FIRST_REPEAT + count):
        patient = draw_patient(random_stream(seed, PATIENT_STREAM), positive=True)
        cases = [
            acquire(f"repeat{scan}", patient, random_stream(seed, SCAN_STREAM, scan), shape=None, spacing=None)
            for scan in (0, 1)
        ]
        for title in changes:
            if title == "true outlines" or reader is None:
                readings = [true_reading(case) for case in cases]
            else:
                readings = [reader.read_scan(case.scan, OPTIONS) for case in cases]
            comparison = compare(readings)
            changes[title] += area_changes(comparison)
            steps[title].update(asdict(comparison.steps[0]))
        print(f"{seed - FIRST_REPEAT + 1} of {count} repeats", file=sys.stderr, flush=True)
    print(f"Unchanged lesions of {count} simulated patients, scanned twice:")
    for title, values in changes.items():
        reported = ", ".join(f"{number} {name}" for name, number in steps[title].items())
        spread = f"{np.std(values, ddof=1):.3f}" if len(values) > 1 else "-"
        print(f"  {title}: {reported}; SD of ln(second / first area) {spread} ({len(values)} lesions)")


if __name__ == "__main__":
    main()
