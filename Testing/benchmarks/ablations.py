"""Ablation: short trainings of the shipped model's network, each with one change, on simulated patients.

    spectbonemetseg simulate --store --patients 120 --seed 7 --output STORE
    spectbonemetseg simulate --patients 80 --seed 8 --test-share 0 --no-dicom --region whole-body --output DATA
    spectbonemetseg simulate --benchmark hospital-4 --output A
    spectbonemetseg simulate --benchmark hospital-4-site-b --output B
    python Testing/benchmarks/ablations.py --store STORE --data DATA --test A/development B/development --output OUT

Every training has the same seed and the same number of patches, composed from STORE; thresholds are chosen on DATA's
validation patients. The differences from the unchanged training are on the same test patients, with 95 % intervals over
patients; differences between seeds come on top, of which an unchanged training with another seed gives an idea. A
result is a file in OUTPUT; existing results are kept, so an interrupted run is continued. `--changes` selects a part.

With `--adapt`, the trainings are instead adaptations of the default model to DATA, a data set with labelled and
unlabelled scans, each with a single fold and `--steps` steps; STORE is mixed in by one of the changes only.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

LIBRARY = "SpectBoneMetSegTrainingLib."
COMPOSE, PATCHES = "phantom.store.compose", "training.sampling.patches"
CAMERA, LOSS = "phantom.camera.random_acquisition", "training.losses.supervised"
STRONG, OBJECTIVES = "training.sampling.strong_views", "training.losses.objectives"
STORE = "--store"
BASELINE = "unchanged"
COLUMNS = {
    "dsc": "DSC",
    "lesion_f1_overlap": "lesion F1 (any overlap)",
    "false_alarms_per_image": "false alarms a view",
}


@dataclass(frozen=True)
class Change:
    """What differs from the unchanged training.

    Attributes:
        constants: {(module, name): value}.
        camera: changes of the cameras of all sites.
        without: options of `train` that are left out.
        options: additional options of `train`.
        batch: changes every batch of `batches.BatchSource` in place.
    """

    constants: dict[tuple[str, str], Any] = field(default_factory=dict)
    camera: dict[str, float] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    batch: Callable[[dict[str, Any], np.random.Generator], None] | None = None


def hide_a_view(batch: dict[str, Any], rng: np.random.Generator) -> None:
    """Hide one view of half of the unlabelled scans from the student: the other is to be read as beside it."""
    for patch in range(1, len(batch["inputs"]), 2):
        view = rng.integers(2)
        if rng.random() < 0.5 and batch["inputs"][patch].any((0, 1)).all():
            batch["inputs"][patch, ..., view] = 0
            batch["weight"][patch, ..., view] = 0


def leave_out_healthy_parts(batch: dict[str, Any], _: np.random.Generator) -> None:
    """Train on the lesions of outlined scans alone, not on what was not outlined."""
    batch["weight"][::2] *= batch["label"][::2] > 0


CHANGES = {
    BASELINE: Change(),
    "unchanged, another seed": Change(options=("--seed", "1")),
    "no contrast curve": Change({(COMPOSE, "CURVED"): 0.0}),
    "contrast curve in half of the scans": Change({(COMPOSE, "CURVED"): 0.5, (COMPOSE, "CURVE"): (0.6, 1.5)}),
    "no extra blur": Change({(COMPOSE, "BLURRED"): 0.0}),
    "no vendor filters": Change(camera={"smoothed": 0.0, "enhanced": 0.0}),
    "no clipping, no screen captures": Change(
        {(CAMERA, "CAPTURED"): 0.0, (CAMERA, "CAPTURED_LONE"): 0.0}, camera={"clipped": 0.0}
    ),
    "no missing views": Change({(COMPOSE, "ONE_VIEW"): 0.0, (PATCHES, "DROP_VIEW"): 0.0}),
    "no change of the count level": Change({(PATCHES, "LEVEL_JITTER"): 1.0, (PATCHES, "BRIGHTNESS"): 0.0}),
    "no thinning of counts": Change({(PATCHES, "THINNING"): (1.0, 1.0)}),
    "no rotation, no zoom": Change({(PATCHES, "ROTATION_DEGREES"): 0.0, (PATCHES, "ZOOM"): (1.0, 1.0)}),
    "uptake of a lesion as stored": Change({(COMPOSE, "DISEASE_SIGMA"): 0.0, (COMPOSE, "LESION_SIGMA"): 0.0}),
    "lesions by area, not by instance": Change(without=("--by-instance",)),
    "Tversky 0.5/0.5": Change({(LOSS, "FALSE_POSITIVE_WEIGHT"): 0.5, (LOSS, "FALSE_NEGATIVE_WEIGHT"): 0.5}),
    "no regions": Change(options=("--no-regions",)),
    "level of the body": Change(options=("--level", "body")),
    "patches of 128 pixels, four times as many": Change(options=("--patch", "128", "--batch", "32")),
    "data set instead of composed scans": Change(without=(STORE, "--store-share")),
}
#: Changes of an adaptation.
ADAPTATION_CHANGES = {
    BASELINE: Change(without=(STORE,)),
    "unchanged, another seed": Change(without=(STORE,), options=("--seed", "1")),
    "unlabelled scans without effect": Change({(OBJECTIVES, "TEACHER_WEIGHT"): 0.0}, without=(STORE,)),
    "no healthy parts of outlined scans": Change(without=(STORE,), batch=leave_out_healthy_parts),
    "no pasted lesions": Change({(STRONG, "PASTE_SHARE"): 0.0}, without=(STORE,)),
    "simulated patients with mimics": Change(),
    "a view hidden in half of the unlabelled scans": Change(without=(STORE,), batch=hide_a_view),
}


def main() -> None:
    """Train and evaluate what is missing, each in a process of its own, then print the table."""
    args = options()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.child:
        train_and_score(args, args.child)
        return
    for name in args.changes:
        if not all(result_path(args.output, name, test).exists() for test in args.test):
            subprocess.run([sys.executable, *sys.argv, "--child", name], check=True)
    text = table(args)
    (args.output / "table.md").write_text(text + "\n")
    print(text)


def options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="patient store to train on")
    parser.add_argument("--data", type=Path, required=True, help="data set for validation")
    parser.add_argument("--test", type=Path, nargs="+", required=True, help="data sets with test patients")
    parser.add_argument("--output", type=Path, required=True, help="folder of models and results")
    parser.add_argument("--steps", type=int, default=600, help="gradient steps (600)")
    parser.add_argument("--batch", type=int, default=8, help="patches of 256 pixels per step (8)")
    parser.add_argument(
        "--channels", default="8,16,24,32,48", help="channels per stage, fewer than the shipped model's"
    )
    parser.add_argument("--precision", default="float32", help="as in `train` (float32)")
    parser.add_argument("--cases", type=int, help="number of cases of each test set (all)")
    parser.add_argument("--adapt", action="store_true", help="adapt the default model to DATA instead of training")
    parser.add_argument("--changes", nargs="+", metavar="CHANGE", help="changes (all)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    known = list(changes_of(args))
    args.changes = args.changes or known
    for name in args.changes:
        if name not in known:
            parser.error(f"no change {name!r}; choose from: {'; '.join(known)}")
    return args


def changes_of(args: argparse.Namespace) -> dict[str, Change]:
    """Return the changes of what is trained."""
    return ADAPTATION_CHANGES if args.adapt else CHANGES


def result_path(output: Path, name: str, test: Path) -> Path:
    """Return the file with the scores of a change on a test set."""
    words = [name, test.parent.name, test.name]
    return output / ("-".join(words).replace(" ", "-").replace(",", "").replace("/", "-") + ".json")


def apply(change: Change) -> None:
    """Change the constants of this process."""
    for (module, name), value in change.constants.items():
        setattr(importlib.import_module(LIBRARY + module), name, value)
    if change.camera:
        sites: dict[str, Any] = importlib.import_module(LIBRARY + COMPOSE).SITES
        for name, site in list(sites.items()):
            sites[name] = replace(site, camera=replace(site.camera, **change.camera))
    if change.batch:
        change_batches(change.batch)


def change_batches(change: Callable[[dict[str, Any], np.random.Generator], None]) -> None:
    """Change the batches of this process; the same step always in the same way."""
    source = importlib.import_module(LIBRARY + "training.sampling.batches").BatchSource
    make = source.make

    def changed(self: Any, step: int) -> dict[str, Any]:
        batch: dict[str, Any] = make(self, step)
        change(batch, np.random.default_rng(step))
        return batch

    source.make = changed


def train_and_score(args: argparse.Namespace, name: str) -> None:
    """Train with one change, and write the scores on every test set."""
    from SpectBoneMetSegLib.cli.main import main as command
    from SpectBoneMetSegLib.model.store import read_model

    change = changes_of(args)[name]
    model = args.output / "models" / name.replace(" ", "-").replace(",", "").replace("/", "-")
    if not (model / "card.json").exists():
        apply(change)
        given = of_adaptation(args, model) if args.adapt else of_training(args, model)
        words: list[str] = []
        for option, value in given.items():
            if option not in change.without:
                words += [option] if value is None else [option, str(value)]
        if command(["adapt" if args.adapt else "train", *words, *change.options]):
            raise SystemExit(f"The training {name!r} failed.")
    for test in args.test:
        score(read_model(model), test, result_path(args.output, name, test), args.cases)


def of_training(args: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Return the options of `train`."""
    return {
        "--data": args.data,
        STORE: args.store,
        "--store-share": 1,
        "--output": model,
        "--region": "whole-body",
        "--architecture": "reader",
        "--level": "soft-tissue",
        "--by-instance": None,
        "--channels": args.channels,
        "--operating-point": "lesions",
        "--patch": 256,
        "--batch": args.batch,
        "--steps": args.steps,
        "--validate-every": 0,
        "--patience": 0,
        "--precision": args.precision,
    }


def of_adaptation(args: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Return the options of `adapt`."""
    return {
        "--data": args.data,
        STORE: args.store,
        "--output": model,
        "--region": "whole-body",
        "--folds": 1,
        "--steps": args.steps,
    }


def score(model: Any, test: Path, path: Path, limit: int | None) -> None:
    """Write the scores of a model on the whole bodies of a test set."""
    from SpectBoneMetSegLib.model.engines import load_engine
    from SpectBoneMetSegTrainingLib.dataset.budgets import patients_of
    from SpectBoneMetSegTrainingLib.dataset.cases import cases_of
    from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator, level_region_of, predict_cases
    from SpectBoneMetSegTrainingLib.evaluation.scores import save_scores, score_cases

    cases = cases_of(test, "test")[:limit]
    level = level_region_of(test, cases, model.card)
    answer: Callable[..., Any] = load_engine(model).predict
    found = predict_cases(test, cases, answer, model.card.network, region="whole-body", level_region=level)
    patients = patients_of(test)
    scores = [one for each in found for one in score_cases([each], Delineator.of(model.card), patients)]
    save_scores(path, scores)


def table(args: argparse.Namespace) -> str:
    """Return the table of the results that exist: the baseline's values, and differences from them."""
    from SpectBoneMetSegTrainingLib.evaluation.report import compare_models, full_report, plain
    from SpectBoneMetSegTrainingLib.evaluation.scores import read_scores, without_flags

    heads = [f"{test.parent.name}: {title}" for test in args.test for title in COLUMNS.values()]
    lines = ["| change | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for name in changes_of(args):
        cells = []
        for test in args.test:
            path, first = (result_path(args.output, each, test) for each in (name, BASELINE))
            if not path.exists() or not first.exists():
                break
            own, base = (without_flags(read_scores(each)) for each in (path, first))
            if name == BASELINE:
                report = plain(full_report(own))
                cells += [_cell(report, key, "{:.3f}", "-") for key in COLUMNS]
            else:
                cells += [_cell(compare_models(base, own), key, "{:+.3f}", " to ") for key in COLUMNS]
        if len(cells) == len(heads):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: dict[str, Any], key: str, form: str, between: str) -> str:
    """Return a value with its interval; "-" for what is undefined."""
    value, low, high = (values[key + end] for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return form.format(value) + ("" if low is None else f" ({form.format(low)}{between}{form.format(high)})")


if __name__ == "__main__":
    main()
