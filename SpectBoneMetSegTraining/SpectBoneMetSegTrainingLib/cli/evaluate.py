"""`spectbonemetseg evaluate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.cli.common import UsageError, print_json, scheduler_errors, silence_libraries
from SpectBoneMetSegLib.common.errors import UserError, reason_of

from ..common.extras import require

if TYPE_CHECKING:
    from SpectBoneMetSegLib.model.store import ModelFolder

    from ..dataset.opened import DataSet

#: Metrics printed with their 95 % intervals, and their titles.
SHOWN = {
    "dsc": "DSC, pooled",
    "cpa_precision": "precision, pooled",
    "recall": "recall, pooled",
    "image_dsc": "DSC, mean of images with lesions",
    "lesion_recall": "lesions found",
    "lesion_f1_iou10": "lesion F1 at IoU 0.1",
    "froc_0_5": "found at 0.5 false alarms/view",
    "froc_1": "found at 1 false alarm/view",
    "froc_2": "found at 2 false alarms/view",
    "false_alarms_per_image": "false alarms per view",
    "false_alarms_per_negative_image": "the same, views without lesions",
}
#: Metrics of the table by view, and their column headers.
COLUMNS = {
    "dice": "DSC",
    "precision": "precision",
    "recall": "recall",
    "lesion_recall": "found",
    "false_alarms_per_image": "alarms",
    "lesions": "lesions",
    "images": "images",
}


class EvaluateCommand:
    """Evaluate a model on a split of a data set."""

    help = "Evaluate a model on the test or validation patients of a data set."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--data", required=True, metavar="DIR", help="data set folder")
        parser.add_argument(
            "--model", metavar="NAME|PATH", help="a model's name or folder (the default model for reading)"
        )
        parser.add_argument(
            "--split",
            choices=("test", "validation", "train"),
            default="test",
            help="patients to evaluate on; validation: the patients on whom trainings are validated (test)",
        )
        parser.add_argument(
            "--truth",
            choices=("agreed", "exact"),
            default="agreed",
            help="ground truth: the readers' consensus, or the exact projections of simulated lesions (agreed)",
        )
        parser.add_argument(
            "--baselines",
            action="store_true",
            help="also evaluate thresholds, Chan-Vese and, with background images, the oracle",
        )
        parser.add_argument(
            "--open-sealed",
            metavar="REASON",
            help="open a sealed test; the reason is logged permanently, with the model",
        )
        parser.add_argument(
            "--report",
            metavar="DIR",
            help="also write every metric with its 95 %% interval, and the scores of every case",
        )
        parser.add_argument(
            "--region",
            choices=("thorax", "whole-body"),
            help="region to evaluate in (the one that the model was trained on)",
        )
        parser.add_argument(
            "--scheduler", metavar="ADDRESS", help="evaluate on the workers of a Dask cluster, such as tcp://host:8786"
        )
        parser.add_argument("--device", choices=("auto", "gpu", "cpu"), default="auto")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Evaluate and print the metrics."""
        silence_libraries()
        if args.baselines:
            require("evaluate --baselines", "skimage")
        from SpectBoneMetSegLib.model.store import find_model

        from ..dataset.opened import DataSet
        from ..dataset.sealed import is_sealed, open_sealed

        data = Path(args.data)
        sealed, reason = is_sealed(data), args.open_sealed
        if sealed and not (reason or "").strip():
            raise UsageError(
                f'{data} is a sealed test: open it with --open-sealed "REASON", which is logged permanently.'
            )
        if reason is not None and not sealed:
            raise UsageError(f"{data} is not sealed; leave out --open-sealed.")
        if sealed and args.scheduler is not None:
            raise UsageError(f"{data} is a sealed test, which is opened on this machine only; leave out --scheduler.")
        if sealed and args.split != "test":
            raise UsageError(f"{data} is a sealed test and has no split {args.split}.")
        try:
            model = find_model(args.model)
        except UserError as error:
            raise UsageError.of(error) from error
        figures: dict[str, Any] = {"model": model.card.name, "data": str(data), "split": args.split}
        figures["truth"] = args.truth
        if sealed:
            with open_sealed(data, reason, model.card.name, model.card.sha256) as (unsealed, opening):
                figures["opening"] = opening.number
                figures |= _measure(DataSet(unsealed), model, args)
        else:
            figures |= _measure(DataSet(data), model, args)
        if args.json:
            print_json(figures)
        else:
            if sealed:
                print(f"opening no. {figures['opening']} of {data}")
            print_metrics(f"{model.card.name} on {args.split} of {data}, {args.truth} truth", figures)
        return 0


def print_metrics(title: str, figures: dict[str, Any]) -> None:
    """Print the metrics as a table on stdout.

    Args:
        title: heading.
        figures: the metrics.
    """
    print(f"{title}: {figures['cases']} cases")
    report = figures["report"]
    for name, words in SHOWN.items():
        if name in report and report[name] is None:
            print(f"{words:34}{'-':>8}")
        elif name in report:
            low, high = report[name + "_low"], report[name + "_high"]
            # 0 at a rate of false alarms: in some or all samples no threshold has so few.
            by_rate = name.startswith("froc_") and report["lesion_recall"]
            if by_rate and not report[name]:
                print(f"{words:34}{'-':>8}   more false alarms at every threshold")
                continue
            lower = "-" if by_rate and not low else f"{low or 0:.3f}"
            interval = "no interval: too few patients" if low is None else f"95 % {lower} to {high:.3f}"
            print(f"{words:34}{report[name]:8.3f}   {interval}")
    for what, words in (("areas", "confidence of areas"), ("scans", "probability of scans")):
        known = figures.get("confidence", {}).get(what)
        if known and known["n"]:
            print(
                f"{words:34}calibration error {_cell(known['ece'])}, AUROC {_cell(known['auroc'])}, Brier score "
                f"{_cell(known['brier'])} (of the base rate {_cell(known['brier_of_base_rate'])})"
            )
    if figures.get("regions"):
        print("DSC of the skeleton's regions: " + ", ".join(f"{n} {v:.2f}" for n, v in figures["regions"].items()))
    print("Pooled over pixels. Found: share of the lesions. Alarms: false alarms per view.")
    print(_row("", COLUMNS))
    for row in ("both views", "anterior", "posterior"):
        print(_row(row, figures[row]))
    for row, values in figures.get("baselines", {}).items():
        print(_row(row, values))
    for flag, values in figures["flagged"].items():
        print(
            f"flagged {flag}, not among the above: {values['cases']} cases, DSC {_cell(values['both views']['dice'])}"
        )
    negatives = figures["views without any lesion"]
    print(
        f"views without any lesion: {negatives['images']}, false alarms per view {negatives['false_alarms_per_image']}"
    )


def _row(name: str, values: Mapping[str, Any]) -> str:
    """Format a row of the table by view, 79 columns wide."""
    return f"{name:14}" + "".join(f"{_cell(values[key]):>{max(len(title), 7) + 2}}" for key, title in COLUMNS.items())


def _cell(value: float | None) -> str:
    """Format a metric; "-" if it is undefined."""
    return "-" if value is None else str(value)


def _measure(data: DataSet, model: ModelFolder, args: argparse.Namespace) -> dict[str, Any]:
    from ..dataset.budgets import patients_of
    from ..evaluation.case_evaluation import EvaluationRequest, evaluate_each
    from ..evaluation.confidence_metrics import confidence_metrics
    from ..evaluation.metrics import by_view
    from ..evaluation.predictions import level_region_of
    from ..evaluation.region_overlap import region_dice
    from ..evaluation.report import full_report, plain, write_report
    from ..evaluation.scores import save_scores, without_flags
    from ..training.outcome.training_scans import known_patients

    cases = _cases(data, args.split)
    if not cases:
        hint = "; gather with --test-share keeps some patients for it" if args.split == "test" else ""
        raise UsageError(f"{args.data} holds no case in the split {args.split}{hint}.")
    if args.report is not None:
        # Checked first, because the evaluation takes long.
        try:
            Path(args.report).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{args.report} cannot be written ({reason_of(error)}); choose another --report."
            ) from error
    card = model.card
    level_region = level_region_of(data, cases, card)
    region = args.region or level_region
    patients = patients_of(data)
    request = EvaluationRequest(args.device, args.truth, region, level_region)
    with scheduler_errors():
        results = list(evaluate_each(data, model, request, cases, args.scheduler))
    scores = [one.scores for one in results]
    figures = by_view((one.flags, one.counts) for one in scores)
    if card.confidence is not None:
        figures["confidence"] = confidence_metrics(
            [area for one in results for area in one.detections], card.confidence
        )
    if card.network.regions:
        figures["regions"] = region_dice([part for one in results for part in one.confusions])
    unflagged = without_flags(scores)
    report = full_report(unflagged) if unflagged else {}
    figures["report"] = plain(report)
    known = known_patients(card, data, cases)
    figures["known_patients"] = {"trained": len(known.trained), "validated": len(known.validated)}
    warning = known.sentence(len({patients[case] for case in cases}))
    if warning:
        print(warning, file=sys.stderr)
    if args.report is not None:
        folder = Path(args.report)
        try:
            write_report(folder, report)
            save_scores(folder / "scores.json", scores)
        except OSError as error:
            raise UserError(f"{folder} cannot be written ({reason_of(error)}); choose another --report.") from error
    if args.baselines:
        from ..evaluation.baselines.simple import evaluate_baselines

        figures["baselines"] = evaluate_baselines(data, cases, args.truth, region)
    return figures


def _cases(data: DataSet, split: str) -> list[str]:
    """List the cases of a split; validation cases belong to the training split."""
    from ..dataset.cases import cases_of
    from ..training.setup.cases import training_and_validation

    return training_and_validation(data)[1] if split == "validation" else cases_of(data, split)
