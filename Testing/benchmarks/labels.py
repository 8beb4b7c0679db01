"""Label efficiency: a model adapted to another hospital with 0 to 50 labelled scans, and other training methods.

    spectbonemetseg simulate --benchmark hospital-4-site-b --output BENCHMARK
    python Testing/benchmarks/labels.py --data BENCHMARK --output docs/labels

Every result is a file in OUTPUT/results; existing results are kept, so an interrupted run is continued. The unlabelled
scans are those of the benchmark's other patients and of more patients of the same site, simulated here. `--ways` and
`--labels` select a part. All patients are simulated. The models are evaluated on BENCHMARK/development, which is in no
training set; differences to the shipped model are on the same patients, with 95 % intervals. The table and the plot
show the results that exist. `--files FOLDER` writes the patients as a department has them instead: FOLDER/labelled with
the DICOM files of 12 and their outlines as PNG masks, FOLDER/scans with the DICOM files of the others.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.store import ModelFolder, find_model, read_model
from SpectBoneMetSegTrainingLib.common.progress import counter
from SpectBoneMetSegTrainingLib.dataset.budgets import labelled_patients, patients_of
from SpectBoneMetSegTrainingLib.dataset.cases import (
    FOLDERS,
    cases_of,
    finish_dataset,
    records_of,
)
from SpectBoneMetSegTrainingLib.dataset.files import write_json
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator, level_region_of, predict_cases
from SpectBoneMetSegTrainingLib.evaluation.report import compare_models, full_report, plain
from SpectBoneMetSegTrainingLib.evaluation.scores import (
    CaseScores,
    read_scores,
    save_scores,
    score_cases,
    without_flags,
)
from SpectBoneMetSegTrainingLib.phantom.cohort.population import Population, simulate_population
from SpectBoneMetSegTrainingLib.training.adapting.adapt import AdaptationRequest, adapt, plan_for
from SpectBoneMetSegTrainingLib.training.adapting.choice import TOLERANCE
from SpectBoneMetSegTrainingLib.training.outcome.finish import train_and_finish
from SpectBoneMetSegTrainingLib.training.setup.presets import preset

SHIPPED = "shipped"
#: Seed of the additional patients; the benchmark's own seeds are around 4200.
MORE_SEED = 4300
FIGURES = ("dsc", "lesion_f1_overlap", "lesion_recall", "false_alarms_per_image")
FROM_RANDOM_WEIGHTS = "Eq. 6"
#: Number of patients whose outlines `--files` writes.
OUTLINED_FILES = 12
COLOURS = {
    "adapted": "#d55e00",
    "adapted anyway": "#e69f00",
    "labels only": "#0072b2",
    "labels only anyway": "#56b4e9",
    FROM_RANDOM_WEIGHTS: "#009e73",
}


class Point(NamedTuple):
    """A result in the plot: (value, low, high) of the DSC, and of its difference from the shipped model's."""

    labels: int
    dsc: tuple[float, ...]
    change: tuple[float, ...]


def main() -> None:
    """Compute missing results, then write the table and the plot."""
    args = options()
    if args.files:
        write_files(args.data / "train", args.files)
        return
    (args.output / "results").mkdir(parents=True, exist_ok=True)
    measure(args, SHIPPED, 0, lambda: find_model(args.model))
    for count in args.labels:
        data, bare = (budget_set(args, count, kind) for kind in ("with", "without"))
        ways: dict[str, Callable[[], ModelFolder]] = {
            "adapted": lambda data=data, count=count: adapted(args, data, f"adapted-{count}"),
            "adapted anyway": lambda data=data, count=count: adapted(args, data, f"adapted-{count}", anyway=True),
            "labels only": lambda bare=bare, count=count: adapted(args, bare, f"labels-only-{count}"),
            "labels only anyway": lambda bare=bare, count=count: adapted(
                args, bare, f"labels-only-{count}", anyway=True
            ),
            FROM_RANDOM_WEIGHTS: lambda data=data, count=count: eq6(args, data, f"eq6-{count}"),
        }
        for way in args.ways:
            measure(args, way, count, ways[way])
    print(draw(args.output))


def options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmark hospital-4-site-b")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--work", type=Path, help="folder of trainings and models (OUTPUT-work)")
    parser.add_argument("--model", help="the shipped model (the default model)")
    parser.add_argument("--labels", type=int, nargs="+", default=[5, 10, 20, 50], help="numbers of labelled patients")
    parser.add_argument("--ways", nargs="+", default=list(COLOURS), choices=list(COLOURS), help="training methods")
    parser.add_argument("--unlabelled", type=int, default=200, help="number of unlabelled scans (200)")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes that simulate patients (1)")
    parser.add_argument("--minutes", type=float, default=30, help="duration of each training (30)")
    parser.add_argument("--eq6-steps", type=int, default=1500, help="steps of Eq. 6 from random weights (1500)")
    parser.add_argument("--cases", type=int, help="number of patients of the evaluation (all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of labelled patients (0)")
    parser.add_argument("--files", type=Path, help="write the patients as DICOM and PNG files into this folder")
    args = parser.parse_args()
    args.work = args.work or args.output.with_name(args.output.name + "-work")
    return args


def budget_set(args: argparse.Namespace, count: int, kind: str) -> Path:
    """Make a data set with `count` labelled patients, "with" or "without" the unlabelled scans of other patients."""
    folder: Path = args.work / "data" / f"{count}-{kind}-{args.seed}"
    if (folder / "dataset.json").exists():
        return folder
    source = args.data / "train"
    records = [record for record in records_of(source) if record["split"] == "train"]
    chosen = set(labelled_patients(source, count, args.seed))
    others = [record for record in records if record["patient"] not in chosen]
    for record in records:
        if record["patient"] in chosen:
            copy_case(source, folder, record, "train")
    if kind == "with":
        missing = max(0, args.unlabelled - len(others))
        more = [(args.work / "more", record) for record in more_patients(args, missing)]
        pool = [*((source, record) for record in others), *more]
        for data, record in pool[: args.unlabelled]:
            copy_case(data, folder, record, "unlabelled")
    finish_dataset(folder, "SiteB", args.seed, f"Simulated hospital b, {count} labelled patients. No patient data.")
    return folder


def more_patients(args: argparse.Namespace, count: int) -> list[dict]:
    """Return the records of `count` more patients of that site, always in the same order."""
    if not count:
        return []
    # The same number for all budgets, which share these patients.
    population = Population(args.unlabelled, MORE_SEED, test_share=0.0, site="b", region="whole-body")
    simulate_population(args.work / "more", population, args.jobs, counter("more patients"))
    return records_of(args.work / "more")[:count]


def copy_case(source: Path, folder: Path, record: dict, split: str) -> None:
    """Copy one case as labelled or unlabelled; its JSON record is written last."""
    case, name = record["case"], f"{source.name}_{record['case']}"
    (images, labels), (new_images, new_labels) = FOLDERS[record["split"]], FOLDERS[split]
    pairs = [
        (f"{images}/{case}_{channel:04d}.nii.gz", f"{new_images}/{name}_{channel:04d}.nii.gz") for channel in (0, 1)
    ]
    new_record = {**record, "case": name, "split": split}
    if new_labels is None:
        new_record.pop("lesions", None)
    else:
        pairs.append((f"{labels}/{case}.nii.gz", f"{new_labels}/{name}.nii.gz"))
        pairs += [(f"instances/{case}_{view}.nii.gz", f"instances/{name}_{view}.nii.gz") for view in record["views"]]
        pairs += [
            (f"regions/{case}/regions_{view}.nrrd", f"regions/{name}/regions_{view}.nrrd") for view in record["views"]
        ]
    for old, new in pairs:
        if (source / old).exists():
            (folder / new).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / old, folder / new)
    write_json(folder / "instances" / f"{name}.json", new_record)


def write_files(source: Path, folder: Path) -> None:
    """Write the training patients of a simulated data set as DICOM files, the first ones with their outlines."""
    import SimpleITK

    records = [record for record in records_of(source) if record["split"] == "train"]
    for number, record in enumerate(records):
        case, target = record["case"], folder / ("labelled" if number < OUTLINED_FILES else "scans")
        target.mkdir(parents=True, exist_ok=True)
        of_views = source / "dicom" / case
        if of_views.is_dir():
            shutil.copytree(of_views, target / case)
        else:
            shutil.copy(of_views.with_suffix(".dcm"), target)
        if number >= OUTLINED_FILES:
            continue
        for view in record["views"]:
            instances = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(source / "instances" / f"{case}_{view}.nii.gz"))
            mask = 255 * instances.any(0).astype(np.uint8)
            # Outlines of a data set are in the anterior frame, those of a DICOM file as it shows the view.
            mask = mask[:, ::-1] if view == "posterior" else mask
            path = target / case / f"mask_{view}.png" if of_views.is_dir() else target / f"{case}_{view}_mask.png"
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(mask), path)


def adapted(args: argparse.Namespace, data: Path, name: str, *, anyway: bool = False) -> ModelFolder:
    """Adapt the shipped model; return the adapted model if it is recommended or `anyway`, else the parent model."""
    output = args.work / "models" / name
    request = AdaptationRequest(
        data, output.with_name(name + "-adapt"), output, args.model, None, args.minutes, seed=args.seed
    )
    plan, config = plan_for(request)
    print(f"{name}: {plan.sentence}", flush=True)
    found = adapt(request, plan, config)
    print(f"{name}: {found.comparison.sentence}", flush=True)
    return found.model if anyway or found.comparison.recommended else found.parent


def eq6(args: argparse.Namespace, data: Path, name: str) -> ModelFolder:
    """Train by the paper's semi-supervised method from random weights on the same scans."""
    output = args.work / "models" / name
    config = replace(preset("standard", "semi", seed=args.seed), steps=args.eq6_steps, region="whole-body")
    train_and_finish(data, output.with_name(name + "-run"), config, output)
    return read_model(output)


def measure(args: argparse.Namespace, way: str, count: int, model: Callable[[], ModelFolder]) -> None:
    """Make a model and evaluate it, unless its result exists."""
    path = args.output / "results" / f"{way.replace(' ', '-').replace('.', '')}-{count}-{args.seed}.json"
    if path.exists():
        return
    started = time.monotonic()
    made = model()
    minutes = (time.monotonic() - started) / 60
    data = args.data / "development"
    cases = cases_of(data, "test")[: args.cases]
    level = level_region_of(data, cases, made.card)
    engine = load_engine(made)
    found = predict_cases(data, cases, engine.predict, made.card.network, region="whole-body", level_region=level)
    scores: list[CaseScores] = []
    for prediction in found:
        scores += score_cases([prediction], Delineator.of(made.card), patients_of(data))
    save_scores(path.with_suffix(".scores.json"), scores)
    report = plain(full_report(without_flags(scores)))
    # "anyway" uses the trainings that exist.
    training_minutes = "-" if way.endswith("anyway") else round(minutes, 1)
    result = {"way": way, "labels": count, "seed": args.seed, "minutes": training_minutes, "sha256": made.card.sha256}
    write_json(path, {**result, "threshold": made.card.threshold, "report": report})
    print(f"{way}, {count} labels: DSC {report['dsc']}, {minutes:.0f} min", flush=True)


def scores_of(path: Path) -> list[CaseScores]:
    """Read the scores of a result, without the cases that are scored separately."""
    return without_flags(read_scores(path.with_suffix(".scores.json")))


def draw(output: Path) -> str:
    """Write table.md and labels.png, and return the table."""
    paths = [path for path in sorted((output / "results").glob("*.json")) if not path.name.endswith(".scores.json")]
    results = [(json.loads(path.read_text()), path) for path in paths]
    [shipped] = [path for result, path in results if result["way"] == SHIPPED]
    lines = ["| way | labels | minutes | " + " | ".join(f"{name} | minus shipped" for name in FIGURES) + " |"]
    lines.append("|---|---|---|" + "---|---|" * len(FIGURES))
    curves: dict[str, list[Point]] = {}
    for result, path in sorted(results, key=lambda item: (item[0]["way"], item[0]["labels"])):
        difference = compare_models(scores_of(shipped), scores_of(path))
        cells = []
        for name in FIGURES:
            value = result["report"][name]
            cells.append("-" if value is None else f"{value:.3f}")
            cells.append(
                f"{difference[name]:+.3f} ({difference[name + '_low']:+.3f} to {difference[name + '_high']:+.3f})"
            )
        lines.append(f"| {result['way']} | {result['labels']} | {result['minutes']} | " + " | ".join(cells) + " |")
        dsc, change = (
            tuple(float(source[name]) for name in ("dsc", "dsc_low", "dsc_high"))
            for source in (result["report"], difference)
        )
        curves.setdefault(result["way"], []).append(Point(result["labels"], dsc, change))
    (output / "table.md").write_text("\n".join(lines) + "\n")
    plot(curves, output / "labels.png")
    return "\n".join(lines)


def plot(curves: dict[str, list[Point]], path: Path) -> None:
    """Plot the pooled DSC against the number of labelled patients, and its difference from the shipped model's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    whole, change = figure.subplots(1, 2)
    whole.axhline(curves[SHIPPED][0].dsc[0], color="0.4", linestyle="--", label="shipped model")
    change.axhline(0, color="0.4", linestyle="--")
    margin = change.axhline(-TOLERANCE, color="0.6", linestyle=":", label=f"margin of the verdict, {-TOLERANCE}")
    trained = sorted(way for way in curves if way != SHIPPED)
    for number, way in enumerate(trained):
        # Side by side, so that equal values stay visible.
        aside = 1 + 0.04 * (number - (len(trained) - 1) / 2)
        points = sorted(curves[way], key=lambda point: point.labels)
        counts = [point.labels * aside for point in points]
        for axes, values in ((whole, [one.dsc for one in points]), (change, [one.change for one in points])):
            if axes is change and way == FROM_RANDOM_WEIGHTS:
                # So far below the others that these would be flat.
                continue
            middle, low, high = np.array(values).T
            errors = np.maximum([middle - low, high - middle], 0)
            axes.errorbar(counts, middle, errors, marker="o", capsize=3, label=way, color=COLOURS[way])
    ticks = sorted({point.labels for way in trained for point in curves[way]})
    for axes in (whole, change):
        axes.set_xscale("log")
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("labelled patients (simulated)")
        axes.grid(alpha=0.3)
    change.legend(handles=[margin], frameon=False, fontsize=8)
    figure.legend(*whole.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    whole.set_ylabel("pooled DSC, 95 % over patients")
    change.set_ylabel("difference from the shipped model's DSC, 95 %")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
