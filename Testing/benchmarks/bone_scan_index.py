"""Accuracy and repeatability of the planar bone scan index, on simulated patients of known index.

python Testing/benchmarks/bone_scan_index.py --patients 50 --repeats 35 --output DIR

Prints the agreement of the index with the known one, with true outlines and end to end, how much of the disagreement is
due to metastases too faint to be outlined, and the differences between repeated scans after repositioning; writes a
table and Bland-Altman plots to DIR. An interrupted run is continued. All figures are of simulated patients from one
simulator. Takes 30 s to a minute per scan on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from SpectBoneMetSegLib.pipeline import Reader
from SpectBoneMetSegTrainingLib.experiments.index.agreement import (
    agreement,
    difference_sd,
    log_ratio_sd,
    plot_agreement,
)
from SpectBoneMetSegTrainingLib.experiments.index.protocol import (
    Measured,
    choose_seeds,
    measure,
    read_rows,
    write_rows,
)

#: First seed of the patients; the depth of lesions was calibrated on others (9000 to 9013).
FIRST_SEED = 20_000


def main() -> None:
    """Measure the scans that have not been measured yet, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=35)
    parser.add_argument("--model", help="name or folder; `none` leaves out the end-to-end part")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    table = args.output / "measured.csv"
    rows = read_rows(table)
    reader = None if args.model == "none" else Reader(args.model)
    chosen = seeds(args.output / f"seeds-{args.patients}.json", args.patients)
    every = max(1, len(chosen) // max(args.repeats, 1))
    wanted = [(seed, 0) for seed in chosen] + [(seed, 1) for seed in chosen[::every][: args.repeats]]
    done = {(row.seed, row.scan) for row in rows}
    for number, (seed, scan) in enumerate(wanted, start=1):
        if (seed, scan) not in done:
            rows.append(measure(seed, scan, reader))
            write_rows(table, rows)
        show_progress(f"{number} of {len(wanted)} scans measured")
    rows = [row for row in rows if (row.seed, row.scan) in set(wanted)]
    report(rows, args.output)


def seeds(path: Path, count: int) -> list[int]:
    """Return the seeds of the patients; choosing them takes minutes, so they are stored in a file."""
    if not path.is_file():
        path.write_text(json.dumps(choose_seeds(count, FIRST_SEED, show_progress)))
    return list(json.loads(path.read_text()))


def show_progress(message: str) -> None:
    """Print the progress."""
    print(message, file=sys.stderr, flush=True)


def report(rows: Sequence[Measured], output: Path) -> None:
    """Print the figures and draw the plots."""
    first = [row for row in rows if row.scan == 0]
    again = {row.seed: row for row in rows if row.scan == 1}
    low, high = min(row.known for row in first), max(row.known for row in first)
    print(f"Simulated patients: {len(first)}, known index {low:.2f} to {high:.2f} %")
    labelled = [row for row in first if row.labelled is not None]
    causes = {
        "Volume of the labelled metastases alone, instead of all": [(row.known, row.labelled) for row in labelled],
        "True outlines, against the volume of the labelled metastases alone": [
            (row.labelled, row.true) for row in labelled if row.true is not None
        ],
    }
    for title, pairs in causes.items():
        if len(pairs) >= 3:
            print(f"{title} (simulated):\n  {agreement(*zip(*pairs, strict=True))}")
    for name, title in (("true", "True outlines"), ("model", "End to end")):
        known = [row.known for row in first if getattr(row, name) is not None]
        found = [getattr(row, name) for row in first if getattr(row, name) is not None]
        print(f"{title} (simulated): computable in {len(found)} of {len(first)}")
        if len(found) >= 3:
            print(f"  {agreement(known, found)}")
            plot_agreement(known, found, title, output / f"{name}.png")
        pairs = [
            (getattr(row, name), getattr(again[row.seed], name))
            for row in first
            if row.seed in again and getattr(row, name) is not None and getattr(again[row.seed], name) is not None
        ]
        if len(pairs) >= 3:
            one, two = zip(*pairs, strict=True)
            print(f"  {len(pairs)} repeats with repositioning: SD of the difference {difference_sd(one, two):.3f} %")
    areas = [
        (row.areas[track], again[row.seed].areas[track])
        for row in first
        if row.seed in again
        for track in row.areas
        if again[row.seed].areas.get(track, 0) > 0 and row.areas[track] > 0
    ]
    if len(areas) >= 3:
        one, two = zip(*areas, strict=True)
        spread = log_ratio_sd(one, two)
        print(
            f"Area of a lesion, true outlines (simulated), {len(areas)} lesions: SD of ln(second / first) {spread:.3f}"
        )


if __name__ == "__main__":
    main()
