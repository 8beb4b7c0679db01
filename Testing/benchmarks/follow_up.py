"""How well `compare` tells new lesions, on simulated patients scanned twice: laid down anew, on the camera of the day.

python Testing/benchmarks/follow_up.py --pairs 20

Prints F1 of new lesions with true outlines and end to end. All numbers are about simulated patients from one simulator.
Takes about two minutes a pair on one core.
"""

from __future__ import annotations

import argparse
import sys

from SpectBoneMetSegLib.loading.options import Options
from SpectBoneMetSegLib.pipeline import Reader
from SpectBoneMetSegTrainingLib.experiments.index.changes import Told, f1, new_lesions
from SpectBoneMetSegTrainingLib.experiments.index.known import true_reading
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import simulate_series

FIRST_SEED = 30_000


def main() -> None:
    """Simulate, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--model", help="name or folder; `none` leaves out the end-to-end part")
    args = parser.parse_args()
    reader = None if args.model == "none" else Reader(args.model)
    true, model = Told(), Told()
    for number in range(args.pairs):
        first, second = simulate_series(f"pair{number}", FIRST_SEED + number, 2, course="progression", positive=True)
        cases = (first, second)
        true += new_lesions(cases, (true_reading(first), true_reading(second)))
        if reader is not None:
            options = Options(region="whole-body", read_anyway=True)
            model += new_lesions(cases, (reader.read_scan(first.scan, options), reader.read_scan(second.scan, options)))
        print(
            f"{number + 1} of {args.pairs} pairs: true outlines {true}, end to end {model}", file=sys.stderr, flush=True
        )
    print(f"New lesions of {args.pairs} simulated pairs:")
    for title, told in (("true outlines", true), *([("end to end", model)] if reader else [])):
        print(f"  {title}: F1 {f1(told):.2f} ({told.right} right, {told.wrong} wrong, {told.missed} missed)")


if __name__ == "__main__":
    main()
