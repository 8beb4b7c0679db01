"""`spectbonemetseg train`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.cli.common import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.backend import choose_backend

from ..common.extras import require
from ..common.progress import loss_line, validation_line
from .gather import add_folder_options, gather_for_run
from .train_options import add_options, training_config

if TYPE_CHECKING:
    from ..dataset.opened import DataSet
    from ..training.setup.config import TrainingConfig


class TrainCommand:
    """Train a model on a data set."""

    help = "Train a model on a data set of labelled and unlabelled scans."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--data", metavar="DIR", help="data set folder (see `simulate` and `gather`)")
        add_folder_options(
            parser.add_argument_group("instead of --data: folders to gather into the run's folder first")
        )
        parser.add_argument(
            "--output", required=True, metavar="MODEL", help="model folder to write; the model gets the folder's name"
        )
        parser.add_argument(
            "--background",
            action="store_true",
            help="queue the training as a job and return at once; --output is then the model's name only (see `jobs`)",
        )
        parser.add_argument(
            "--run",
            dest="run_folder",
            metavar="DIR",
            help="working folder with configuration, log and checkpoints (MODEL-run); an interrupted run resumes",
        )
        parser.add_argument("--description", default="", help="one sentence for the model's card")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")
        add_options(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Train, choose thresholds on the validation patients, write the model."""
        silence_libraries()
        choose_backend()
        require("Training", "onnx", "matplotlib")
        config = training_config(args)
        if args.background:
            return _start_job(args, config)
        from ..dataset.opened import opened
        from ..training.outcome.finish import check_request, train_and_finish
        from ..training.run_folder import SETTINGS, check_new_model
        from ..training.setup.cases import stored_patients

        output = Path(args.output).absolute()
        run = Path(args.run_folder) if args.run_folder else output.with_name(output.name + "-run")
        data, started = run / "data" if args.data is None else Path(args.data), (run / SETTINGS).exists()
        try:
            check_request(data, output)
            check_new_model(output, started=started)
            # Before anything is gathered into the run's folder.
            stored_patients(config)
        except UserError as error:
            raise UsageError.of(error) from error
        _gather_if_needed(args, run, output, started=started)
        files = opened(data)
        _print_start(files, run, config)
        figures = train_and_finish(
            files, run, config, output, args.description, loss_line(), on_validation=validation_line
        )
        if figures:
            dice = figures["both views"]["dice"]
            text = f"pooled DSC {dice:.3f}" if figures["both views"]["lesions"] else "no DSC"
            print(f"{output}: {text}; {figures['what']}", file=sys.stderr)
        else:
            print(f"{output}: trained without any label, so nothing was measured", file=sys.stderr)
        compared = _compare(output, run, files, config) if config.start else {}
        if args.json:
            print_json({"model": str(output), "validation": figures, **compared})
        return 0


def _print_start(data: DataSet, run: Path, config: TrainingConfig) -> None:
    """Print the numbers of patients, and the step at which an interrupted run resumes."""
    from ..dataset.budgets import patients_of
    from ..training.run_folder import load_checkpoint
    from ..training.setup.cases import training_cases

    cases, patients = training_cases(data, config), patients_of(data)
    training, validation, unlabelled = (
        len({patients[case] for case in group}) for group in (cases.labelled, cases.validation, cases.unlabelled)
    )
    saved = load_checkpoint(run)
    step = int(saved["step"]) if saved else 0
    start = f"{run} resumes at step {step} of {config.steps}" if step else f"{config.steps} steps start in {run}"
    print(
        f"{start}. Patients: {training} labelled for training, {validation} for validation, {unlabelled} unlabelled.",
        file=sys.stderr,
        flush=True,
    )


def _compare(output: Path, run: Path, data: DataSet, config: TrainingConfig) -> dict[str, Any]:
    """Compare a model with its parent, print the result and write it into the card; return it for --json."""
    from SpectBoneMetSegLib.model.store import read_model

    from ..training.outcome.model_card import complete_card
    from ..training.outcome.parent_comparison import compare_with_parent

    model = read_model(output)
    try:
        comparison = compare_with_parent(model, config.start, data, config)
    except UserError as error:
        print(f"It was not compared with {config.start}: {error}", file=sys.stderr)
        return {}
    complete_card(model, run, data, config, comparison)
    print(comparison.sentence, file=sys.stderr)
    return {"comparison": comparison.to_dict()}


def _start_job(args: argparse.Namespace, config: TrainingConfig) -> int:
    """Check the requirements, then queue the training as a job that outlives this process."""
    from SpectBoneMetSegLib.model.card import MODEL_NAME

    from ..jobs.preflight import check_before
    from ..jobs.queue import JobSpec, start_job

    if args.data is None or args.labelled is not None or args.unlabelled is not None:
        raise UsageError(
            "A background job needs --data; make a data set of your folders with `spectbonemetseg gather`."
        )
    if args.run_folder:
        raise UsageError("A background job keeps its files in its own folder; leave out --run.")
    if not MODEL_NAME.fullmatch(args.output):
        raise UsageError(
            f"{args.output!r} is not a model name; a background job needs one without a folder, "
            "of letters, digits, '.', '_' and '-'."
        )
    spec = JobSpec(Path(args.data), args.output, config, args.description)
    for finding in check_before(spec):
        if finding.level == "refusal":
            raise UserError(finding.sentence)
        print(finding.sentence, file=sys.stderr)
    folder = start_job(spec)
    print(f"Job {folder.name} is queued; follow it with `spectbonemetseg jobs watch {folder.name}`.", file=sys.stderr)
    if args.json:
        print_json({"job": folder.name, "folder": str(folder)})
    return 0


def _gather_if_needed(args: argparse.Namespace, run: Path, output: Path, *, started: bool) -> None:
    """Gather the folders into RUN/data, unless the run has started before: its training set must not change."""
    given = args.labelled is not None or args.unlabelled is not None
    if given and args.data is not None:
        raise UsageError("Give either --data or folders with --labelled and --unlabelled, not both.")
    if args.data is not None:
        return
    if not given:
        raise UsageError("Give a data set with --data, or folders of scans with --labelled and --unlabelled.")
    gather_for_run(args, run, output, started=started)
    if not started and args.unlabelled is not None and args.method == "supervised":
        print("The unlabelled scans are not used: choose --method strong (or semi).", file=sys.stderr)
