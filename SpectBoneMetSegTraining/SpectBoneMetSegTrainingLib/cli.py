"""The training commands of `spectbonemetseg`: simulate, train, evaluate."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.cli import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.errors import UserError

if TYPE_CHECKING:
    from .trainer import TrainingConfig


class SimulateCommand:
    """Make a data set of simulated patients."""

    help = "Simulate patients and their bone scans (no patient data)."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--patients", type=int, required=True, metavar="N", help="labelled patients")
        parser.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed gives the same scans")
        parser.add_argument("--output", required=True, metavar="DIR", help="data set folder; a broken-off run goes on")
        parser.add_argument("--unlabelled", type=int, default=0, metavar="N", help="patients without labels on top")
        parser.add_argument(
            "--test-share", type=float, default=0.2, metavar="X", help="share kept apart for testing (0.2)"
        )
        parser.add_argument("--no-dicom", action="store_true", help="leave out the whole-body DICOM files")
        parser.add_argument("--readers", action="store_true", help="also write three simulated readers' marks")
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (all cores)")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Simulate all patients."""
        from .phantom.population import Population, simulate_population

        if args.patients < 1 or args.unlabelled < 0 or args.seed < 0 or args.jobs < 1:
            raise UsageError("--patients and --jobs start at 1, --seed and --unlabelled at 0.")
        if not 0 <= args.test_share <= 0.5:
            raise UsageError("--test-share lies between 0 and 0.5.")
        # One thread per process: the processes share the cores.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        population = Population(
            args.patients, args.seed, args.unlabelled, args.test_share, not args.no_dicom, args.readers
        )
        folder = Path(args.output)
        simulate_population(folder, population, args.jobs, _counter("patient"))
        if args.json:
            print_json(
                {"output": str(folder), "patients": args.patients, "unlabelled": args.unlabelled, "seed": args.seed}
            )
        return 0


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
        from .phantom.calibrate import calibrate

        if args.patients < 3 or args.jobs < 1 or args.seed < 0:
            raise UsageError("--patients starts at 3, --jobs at 1, --seed at 0.")
        rows = calibrate(Path(args.scan), args.patients, args.seed, Path(args.output), args.jobs)
        print(f"{args.patients} simulated patients (seed {args.seed}) against one real scan (n = 1)")
        print("  ".join(f"{name:>18}" for name in rows[0]))
        for row in rows:
            print("  ".join(f"{value!s:>18}" for value in row.values()))
        return 0


class TrainCommand:
    """Train a model on a data set."""

    help = "Train a model on a data set of labelled scans."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--data", required=True, metavar="DIR", help="data set folder (see `simulate`)")
        parser.add_argument(
            "--output", required=True, metavar="MODEL", help="model folder to write; its name is the model's"
        )
        parser.add_argument(
            "--run",
            dest="run_folder",
            metavar="DIR",
            help="configuration, log and checkpoints (MODEL-run); a broken-off run goes on",
        )
        parser.add_argument("--steps", type=int, default=3500, metavar="N", help="gradient steps (3500)")
        parser.add_argument("--batch", type=int, default=8, metavar="N", help="patches per step (8)")
        parser.add_argument("--patch", type=int, default=128, metavar="PIXELS", help="side of a patch (128)")
        parser.add_argument("--learning-rate", type=float, default=2e-3, metavar="X")
        parser.add_argument("--recurrent-steps", type=int, default=3, metavar="T", help="t of Eq. 5 (3)")
        parser.add_argument(
            "--channels", default="16,24,32", metavar="N,N,N", help="feature channels per stage (16,24,32)"
        )
        parser.add_argument("--tied", action="store_true", help="share weights between the recurrent steps")
        parser.add_argument("--aggregate-only", action="store_true", help="the paper's input: only the aggregated view")
        parser.add_argument("--seed", type=int, default=0, metavar="S")
        parser.add_argument("--description", default="", help="one sentence for the model's card")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Train, choose thresholds on the validation patients, write the model."""
        if (
            min(args.steps, args.batch, args.patch, args.recurrent_steps) < 1
            or not 0 < args.learning_rate < 1
            or args.seed < 0
        ):
            raise UsageError(
                "--steps, --batch, --patch and --recurrent-steps start at 1, --learning-rate lies between 0 and 1."
            )
        silence_libraries()
        from SpectBoneMetSegLib.models import check_target

        from .finish import finish_model
        from .trainer import train

        data, output = Path(args.data), Path(args.output).absolute()
        try:
            check_target(output)
        except UserError as error:
            raise UsageError(str(error)) from error
        run = Path(args.run_folder) if args.run_folder else output.with_name(output.name + "-run")
        config = _training_config(args)
        network = train(data, run, config, _loss_line())
        summary = finish_model(network, data, run, config, output, args.description)
        print(f"{output}: pooled Dice {summary['both views']['dice']:.3f} on validation patients", file=sys.stderr)
        if args.json:
            print_json({"model": str(output), "validation": summary})
        return 0


class EvaluateCommand:
    """Measure a model on a split of a data set."""

    help = "Measure a model on the test patients of a data set."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--data", required=True, metavar="DIR", help="data set folder")
        parser.add_argument("--model", metavar="NAME|PATH", help="a model's name or folder")
        parser.add_argument("--split", choices=("test", "train"), default="test")
        parser.add_argument("--baselines", action="store_true", help="also measure thresholds and Chan-Vese")
        parser.add_argument("--device", choices=("auto", "gpu", "cpu"), default="auto")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Print the figures."""
        silence_libraries()
        from SpectBoneMetSegLib.engines import load_engine
        from SpectBoneMetSegLib.models import find_model

        from .dataset import cases_of
        from .evaluation import Delineator, evaluate_cases, predict_cases

        data = Path(args.data)
        cases = cases_of(data, args.split)
        if not cases:
            raise UsageError(f"{data} holds no case in the split {args.split}.")
        try:
            model = find_model(args.model)
        except UserError as error:
            raise UsageError(str(error)) from error
        card = model.card
        engine = load_engine(model, "auto", args.device)
        predictions = predict_cases(data, cases, engine.predict, card.network.inputs, card.network.outputs)
        figures = evaluate_cases(predictions, Delineator(card.threshold, card.seed_threshold, card.minimum_area_mm2))
        if args.baselines:
            from .baselines import evaluate_baselines

            figures["baselines"] = evaluate_baselines(data, cases)
        if args.json:
            print_json({"model": card.name, "data": str(data), "split": args.split, **figures})
        else:
            print_figures(f"{card.name} on {args.split} of {data}", figures)
        return 0


def print_figures(title: str, figures: dict[str, Any]) -> None:
    """A small table on stdout."""
    print(f"{title}: {figures['cases']} cases")
    names = ("dice", "precision", "recall", "lesion_recall", "false_alarms_per_image", "lesions", "images")
    print(f"{'':12}" + "".join(f"{name:>24}" for name in names))
    for row in ("both views", "anterior", "posterior"):
        print(f"{row:12}" + "".join(f"{figures[row][name]:>24}" for name in names))
    for row, values in figures.get("baselines", {}).items():
        print(f"{row:12}" + "".join(f"{values[name]:>24}" for name in names))
    negatives = figures["views without any lesion"]
    print(
        f"views without any lesion: {negatives['images']}, false alarms per image {negatives['false_alarms_per_image']}"
    )


def _training_config(args: argparse.Namespace) -> TrainingConfig:
    from SpectBoneMetSegLib.network import NetworkConfig

    from .trainer import TrainingConfig

    try:
        channels = tuple(int(word) for word in args.channels.split(","))
        dilations = ((1, 2),) * len(channels)
    except ValueError as error:
        raise UsageError(f"--channels {args.channels} is not a list of whole numbers such as 24,32,48.") from error
    ends: dict[str, Any] = {"inputs": ("aggregate",), "outputs": ("union",)} if args.aggregate_only else {}
    try:
        network = NetworkConfig(
            channels=channels, dilations=dilations, recurrent_steps=args.recurrent_steps, tied=args.tied, **ends
        )
    except ValueError as error:
        raise UsageError(f"The network cannot be built: {error}.") from error
    return TrainingConfig(
        steps=args.steps,
        batch=args.batch,
        patch=args.patch,
        learning_rate=args.learning_rate,
        seed=args.seed,
        network=network,
    )


def _counter(what: str) -> Any:
    started = time.monotonic()

    def show(done: int, total: int) -> None:
        left = (time.monotonic() - started) / max(done, 1) * (total - done) / 60
        end = "\n" if done == total or not sys.stderr.isatty() else "\r"
        print(f"{what} {done} of {total}, about {left:.0f} min left", end=end, file=sys.stderr, flush=True)

    return show


def _loss_line() -> Any:
    def show(step: int, steps: int, loss: float, seconds: float) -> None:
        if step % 20 == 0 or step == steps:
            left = seconds * (steps - step) / 60
            print(f"step {step} of {steps}, loss {loss:.3f}, about {left:.0f} min left", file=sys.stderr, flush=True)

    return show
