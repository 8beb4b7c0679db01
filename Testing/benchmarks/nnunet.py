"""The shipped models beside an nnU-Net v2 that was trained for a stated time on simulated patients.

    spectbonemetseg simulate --benchmark hospital-4 --output BENCHMARK
    python Testing/benchmarks/nnunet.py --data BENCHMARK/train --test BENCHMARK/development --nnunet PYTHON --work WORK

All read both views, and are evaluated on the union of the views in the anterior frame, which is what nnU-Net learns.
nnU-Net runs in PYTHON, an interpreter with nnunetv2, with its own plan except for batch, patch and features (a network
of full size learns little in an hour on a CPU); it outlines at a probability of 0.5, as usual. Detections smaller than
the shipped model's minimum area are left out for all. Differences are on the same patients, with 95 % intervals. An
interrupted training resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.store import find_model
from SpectBoneMetSegTrainingLib.dataset.budgets import labelled_patients, patients_of
from SpectBoneMetSegTrainingLib.dataset.cases import cases_of, load_case, records_of
from SpectBoneMetSegTrainingLib.evaluation.predictions import (
    Delineator,
    Prediction,
    as_union,
    level_region_of,
    predict_cases,
    union_of,
)
from SpectBoneMetSegTrainingLib.evaluation.report import compare_models, full_report, plain
from SpectBoneMetSegTrainingLib.evaluation.scores import CaseScores, score_cases, without_flags
from SpectBoneMetSegTrainingLib.experiments.nnunet.client import (
    NnunetSettings,
    check_interpreter,
    predict_nnunet,
    train_nnunet,
    write_raw,
)
from SpectBoneMetSegTrainingLib.training.setup.cases import TrainingCases, training_and_validation

COLUMNS = {
    "dsc": "DSC",
    "lesion_f1_overlap": "lesion F1 (any overlap)",
    "lesion_recall": "lesions found",
    "false_alarms_per_image": "false alarms per scan",
}


def main() -> None:
    """Train, evaluate, print the table."""
    args = options()
    version = check_interpreter(args.nnunet)
    chosen = budget(args.data, args.patients, args.seed)
    settings = NnunetSettings(batch=args.batch, patch=args.patch, features=args.features, iterations=25)
    write_raw(args.data, chosen, args.work)
    record = train_nnunet(args.nnunet, args.work, settings, 60 * args.minutes, args.seed)
    scores = {f"`{name}`": evaluate(shipped(name, args), name, args) for name in args.models}
    cases = cases_of(args.test, "test")
    found = predict_nnunet(args.nnunet, args.work, args.test, cases, settings, args.region)
    predictions = (
        (union_of(load_case(args.test, case, region=args.region)), {"anterior": map_}) for case, map_ in found
    )
    name = f"nnU-Net {version}, {args.minutes:g} minutes"
    scores[name] = evaluate(predictions, args.models[0], args, 0.5)
    patients = patients_of(args.data)
    numbers = [len({patients[case] for case in part}) for part in (chosen.labelled, chosen.validation)]
    print(
        f"nnU-Net: {record['iterations']} iterations, {record['parameters']:,} parameters, batch {args.batch}, patch "
        f"{args.patch}, {args.features} features; {numbers[0]} patients, {numbers[1]} for validation"
    )
    print(table(scores))


def options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set to train on")
    parser.add_argument("--test", type=Path, required=True, help="data set with test patients")
    parser.add_argument("--nnunet", type=Path, required=True, metavar="PYTHON", help="interpreter with nnunetv2")
    parser.add_argument("--work", type=Path, required=True, help="folder of nnU-Net's training")
    parser.add_argument("--models", nargs="+", default=["whole-body", "thorax"], help="shipped models to compare with")
    parser.add_argument("--region", default="whole-body", choices=["whole-body", "thorax"], help="region to evaluate")
    parser.add_argument("--patients", type=int, help="number of labelled patients (all)")
    parser.add_argument("--minutes", type=float, default=60, help="training time (60)")
    parser.add_argument("--batch", type=int, default=4, help="patches per step (4)")
    parser.add_argument("--patch", type=int, default=256, help="side of a patch (256)")
    parser.add_argument("--features", type=int, default=16, help="features of the first stage (16)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the training and of the choice of patients (0)")
    return parser.parse_args()


def budget(data: Path, count: int | None, seed: int) -> TrainingCases:
    """Return the cases of `count` patients, at least half with lesions; a fifth are for validation."""
    if count is None:
        return TrainingCases(*training_and_validation(data), [])
    records = [record for record in records_of(data) if record["split"] == "train"]
    chosen = labelled_patients(data, count, seed)
    held_out = set(chosen[::5])
    cases = [(record["case"], record["patient"]) for record in records if record["patient"] in set(chosen)]
    return TrainingCases(
        [case for case, patient in cases if patient not in held_out],
        [case for case, patient in cases if patient in held_out],
        [],
    )


def shipped(name: str, args: argparse.Namespace) -> Iterable[Prediction]:
    """Predict the union of the views by a shipped model."""
    model, cases = find_model(name), cases_of(args.test, "test")
    level = level_region_of(args.test, cases, model.card)
    predictions = predict_cases(
        args.test, cases, load_engine(model).predict, model.card.network, region=args.region, level_region=level
    )
    return map(as_union, predictions)


def evaluate(
    predictions: Iterable[Prediction], model: str, args: argparse.Namespace, threshold: float | None = None
) -> list[CaseScores]:
    """Score predictions at a model's operating point, or at a threshold with the model's minimum area."""
    card = find_model(model).card
    point = Delineator.of(card) if threshold is None else Delineator(threshold, threshold, card.minimum_area_mm2)
    return without_flags(score_cases(predictions, point, patients_of(args.test)))


def table(scores: dict[str, list[CaseScores]]) -> str:
    """Return a table with 95 % intervals, and the differences from the first row."""
    first = next(iter(scores.values()))
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    for name, own in scores.items():
        report = plain(full_report(own))
        cells = [f"{report[key]:.3f} ({report[key + '_low']:.3f}-{report[key + '_high']:.3f})" for key in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        if own is not first:
            change = compare_models(first, own)
            cells = [
                f"{change[key]:+.3f} ({change[key + '_low']:+.3f} to {change[key + '_high']:+.3f})" for key in COLUMNS
            ]
            lines.append("| minus the first | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
