"""`spectbonemetseg simulate`."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.cli.common import UsageError, print_json, scheduler_errors
from SpectBoneMetSegLib.common.dates import duration
from SpectBoneMetSegLib.common.plural import pluralize

from ..common.extras import require
from ..common.parallel import Workers
from ..common.progress import counter

#: Options of a population, with their defaults; a benchmark has its own.
POPULATION_DEFAULTS: dict[str, Any] = {
    "patients": None,
    "seed": None,
    "unlabelled": 0,
    "test_share": 0.2,
    "series": 0.0,
    "healthy_counts": False,
    "no_dicom": False,
    "region": "thorax",
}


class SimulateCommand:
    """Simulate a data set of patients, a named benchmark or a store."""

    help = "Simulate patients and their bone scans (no patient data)."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--output", required=True, metavar="DIR", help="data set folder; an interrupted run resumes"
        )
        parser.add_argument(
            "--benchmark", metavar="NAME", help="a named benchmark instead: training, development and sealed test sets"
        )
        parser.add_argument(
            "--store",
            action="store_true",
            help="a patient store instead of a data set: `train --store` composes new scans of its patients",
        )
        parser.add_argument("--patients", type=int, metavar="N", help="labelled patients")
        parser.add_argument("--seed", type=int, metavar="S", help="seed of the scans (drawn and printed)")
        parser.add_argument(
            "--unlabelled", type=int, metavar="N", help="number of additional patients without labels (0)"
        )
        parser.add_argument(
            "--test-share", type=float, metavar="X", help="share of the patients kept for the test (0.2)"
        )
        parser.add_argument("--series", type=float, metavar="SHARE", help="share of patients with follow-up scans (0)")
        parser.add_argument(
            "--healthy-counts",
            action="store_true",
            default=None,
            help="also write noise-free counts without metastases",
        )
        parser.add_argument(
            "--no-dicom", action="store_true", default=None, help="leave out the whole-body DICOM files"
        )
        parser.add_argument(
            "--region", choices=("thorax", "whole-body"), help="region of the images (thorax, as in the paper)"
        )
        parser.add_argument("--jobs", type=int, metavar="N", help="processes (all cores)")
        parser.add_argument(
            "--scheduler", metavar="ADDRESS", help="simulate on the workers of a Dask cluster, such as tcp://host:8786"
        )
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Simulate the patients."""
        if args.jobs is not None and args.jobs < 1:
            raise UsageError("--jobs starts at 1.")
        if args.scheduler is not None and args.jobs is not None:
            raise UsageError("--jobs applies to this machine only; the cluster has its own number of workers.")
        workers: Workers = args.scheduler or args.jobs or os.cpu_count() or 1
        if args.scheduler is not None:
            # Workers run in other working directories.
            args.output = str(Path(args.output).absolute())
        # One thread per process: the processes share the cores.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        if args.store:
            simulate = _simulate_store
        else:
            simulate = _simulate_population if args.benchmark is None else _simulate_benchmark
        with scheduler_errors():
            summary = simulate(args, workers)
        if args.json:
            print_json(summary)
        return 0


def _contents(folder: Path) -> str:
    """Summarise the content of a data set, with the command to train on it."""
    from ..dataset.cases import records_of

    records = records_of(folder)
    parts = []
    for split, text in (("train", "for training"), ("test", "for the test"), ("unlabelled", "without labels")):
        cases = [record for record in records if record["split"] == split]
        if cases:
            parts.append(f"{len({record.get('patient', record['case']) for record in cases})} {text}")
    lesions = sum(any(lesion["labelled"].values()) for record in records for lesion in record.get("lesions", ()))
    return (
        f"{folder}: simulated patients, {', '.join(parts)}; {pluralize(len(records), 'scan')} with "
        f"{pluralize(lesions, 'labelled lesion')}; train with `train --data {folder}`"
    )


def _simulate_benchmark(args: argparse.Namespace, workers: Workers) -> dict[str, Any]:
    from ..phantom.cohort.benchmark import BENCHMARKS, make_benchmark

    given = [name for name in POPULATION_DEFAULTS if getattr(args, name) is not None]
    if given:
        raise UsageError(f"--benchmark has its own sizes and seed; leave out --{given[0].replace('_', '-')}.")
    require("A benchmark's data sheet", "matplotlib")
    if args.benchmark not in BENCHMARKS:
        raise UsageError(f"There is no benchmark {args.benchmark}; there are {', '.join(BENCHMARKS)}.")
    folder = Path(args.output)
    done = make_benchmark(folder, args.benchmark, workers, counter)
    print(f"{folder}: {args.benchmark}, simulated; see {folder / 'datasheet.md'}", file=sys.stderr)
    return {"output": str(folder), **done}


def _simulate_store(args: argparse.Namespace, workers: Workers) -> dict[str, Any]:
    from ..phantom.cohort.patient_store import RECORD, StoreRequest, make_store

    given = [name for name in POPULATION_DEFAULTS if getattr(args, name) is not None]
    other = [name for name in ("benchmark",) if getattr(args, name)] + [
        name for name in given if name not in ("patients", "seed")
    ]
    if other:
        raise UsageError(f"A patient store has no labels and no scan files; leave out --{other[0].replace('_', '-')}.")
    if args.patients is None or args.patients < 1 or (args.seed is not None and args.seed < 0):
        raise UsageError("--store needs --patients, which starts at 1; --seed starts at 0.")
    folder = Path(args.output)
    seed = _seed_for(folder / RECORD) if args.seed is None else args.seed
    make_store(folder, StoreRequest(args.patients, seed), workers, counter("patient"))
    print(f"{folder}: {args.patients} simulated patients; train with `train --store {folder}`", file=sys.stderr)
    return {"output": args.output, "patients": args.patients, "seed": seed}


def _seed_for(about: Path) -> int:
    """Return the seed drawn by an interrupted run, or a new one; print it, so that the scans can be reproduced."""
    from ..dataset.files import read_json

    if about.exists():
        return int(read_json(about)["seed"])
    seed = secrets.randbelow(2**31)
    print(f"Using --seed {seed}, drawn at random; give it to simulate the same scans again.", file=sys.stderr)
    return seed


def _simulate_population(args: argparse.Namespace, workers: Workers) -> dict[str, Any]:
    from ..phantom.cohort.population import RECORD, Population, simulate_population

    options = {
        name: default if getattr(args, name) is None else getattr(args, name)
        for name, default in POPULATION_DEFAULTS.items()
    }
    if options["patients"] is None:
        raise UsageError("--patients is needed, or --benchmark NAME.")
    if options["seed"] is None:
        options["seed"] = _seed_for(Path(args.output) / RECORD)
    if options["patients"] < 1 or options["unlabelled"] < 0 or options["seed"] < 0:
        raise UsageError("--patients starts at 1, --seed and --unlabelled at 0.")
    if not 0 <= options["test_share"] <= 0.5:
        raise UsageError("--test-share lies between 0 and 0.5.")
    if not 0 <= options["series"] <= 1:
        raise UsageError("--series lies between 0 and 1.")
    population = Population(
        options["patients"],
        options["seed"],
        unlabelled=options["unlabelled"],
        test_share=options["test_share"],
        dicom=not options["no_dicom"],
        series=options["series"],
        background=options["healthy_counts"],
        region=options["region"],
    )
    started = time.monotonic()
    agreement = simulate_population(Path(args.output), population, workers, counter("patient"))
    print(f"{_contents(Path(args.output))}; it took {duration(time.monotonic() - started)}.", file=sys.stderr)
    summary = {name: options[name] for name in ("patients", "unlabelled", "seed", "test_share", "series")}
    return {"output": args.output, **summary, "agreement": agreement}
