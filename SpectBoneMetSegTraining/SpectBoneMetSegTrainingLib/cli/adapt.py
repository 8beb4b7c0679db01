"""`spectbonemetseg adapt`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from SpectBoneMetSegLib.cli.common import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.common.dates import duration
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import ensure_writable
from SpectBoneMetSegLib.model.backend import choose_backend

from ..common.extras import require
from ..common.pace import Pace
from .gather import add_folder_options, gather_for_run

#: Steps between two lines of progress.
PROGRESS_EVERY = 20


class AdaptCommand:
    """Adapt the shipped model to a hospital with few outlined scans."""

    help = "Adapt a model to your hospital in half an hour, from labelled (outlined) and unlabelled scans."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        add_folder_options(parser)
        parser.add_argument("--data", metavar="DATA", help="instead of folders: a data set (see `gather` and `import`)")
        parser.add_argument(
            "--output", required=True, metavar="MODEL", help="model folder to write; the model gets the folder's name"
        )
        parser.add_argument("--start", metavar="NAME|PATH", help="parent model (the default model for reading)")
        parser.add_argument(
            "--minutes",
            type=float,
            default=30,
            metavar="N",
            help="time limit for everything; a plan is printed first (30)",
        )
        parser.add_argument(
            "--folds", type=int, default=5, metavar="K", help="largest number of cross-validation folds (5)"
        )
        parser.add_argument(
            "--store",
            metavar="DIR",
            help="also train on simulated patients with benign mimics (see `simulate --store`)",
        )
        parser.add_argument(
            "--region",
            choices=["thorax", "whole-body"],
            help="region that the readers outlined (the whole body if outlines lie outside the thorax)",
        )
        parser.add_argument(
            "--steps", type=int, metavar="N", help="steps of each training, whatever the time (as many as fit)"
        )
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of patches and folds (0)")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Gather, plan, train and cross-validate, then write the model and its page."""
        silence_libraries()
        choose_backend()
        require("adapt", "onnx")
        if not 1 <= args.folds <= 5 or not args.minutes > 0 or (args.steps is not None and args.steps < 1):
            raise UsageError("--folds lies between 1 and 5, --minutes above 0, --steps starts at 1.")
        from ..dataset.opened import opened
        from ..training.adapting.adapt import PLAN, AdaptationRequest, adapt, plan_for
        from ..training.adapting.page import write_page

        started = time.monotonic()
        output = Path(args.output).absolute()
        run = output.with_name(output.name + "-adapt")
        data = Path(args.data) if args.data is not None else run / "data"
        store = None if args.store is None else Path(args.store)
        # Before anything is gathered into the run's folder.
        started = (run / PLAN).exists()
        _check_paths(args.start, store, output, started=started)
        names = _gather(args, data, run, output, started=started)
        request = AdaptationRequest(
            opened(data), run, output, args.start, store, args.minutes, args.folds, args.steps, args.seed, args.region
        )
        try:
            plan, config = plan_for(request, time.monotonic() - started)
        except UserError as error:
            raise (UsageError.of(error) if error.fields else error) from error
        longer = _why_longer(plan.steps, args.steps) if plan.minutes > args.minutes else ""
        print(f"The plan: {plan.sentence}{longer} {_region_reason(plan.region_reason)}", file=sys.stderr, flush=True)
        adapted = adapt(request, plan, config, _progress)
        page = run / "result.html"
        write_page(page, request, adapted, names)
        minutes = (time.monotonic() - started) / 60
        print(f"{adapted.comparison.sentence}\n{output}, {minutes:.0f} minutes; see {page}", file=sys.stderr)
        if args.json:
            figures = {name: vars(own) for name, own in adapted.comparison.figures.items()}
            print_json(
                {
                    "model": str(output),
                    "page": str(page),
                    "use_it": adapted.comparison.recommended,
                    "patients": adapted.comparison.patients,
                    "steps": adapted.plan.steps,
                    "share": adapted.share,
                    "minutes_planned": round(plan.minutes, 1),
                    "minutes": round(minutes, 1),
                    "figures": figures,
                }
            )
        return 0


def _check_paths(start: str | None, store: Path | None, output: Path, *, started: bool) -> None:
    """Check the parent model, the store of patients and the output.

    Raises:
        UsageError: no such model or store, or an output that cannot be written or is another model.
    """
    from SpectBoneMetSegLib.model.store import check_target, find_model

    from ..phantom.store.crops import PatientStore
    from ..training.run_folder import check_new_model

    try:
        check_target(output)
        check_new_model(output, started=started)
        find_model(start)
        if store is not None:
            PatientStore(store)
    except UserError as error:
        raise UsageError.of(error) from error
    ensure_writable(output.parent, "choose another --output")


def _why_longer(planned: int, requested: int | None) -> str:
    """Return why a plan takes longer than the time limit, from its steps and those of --steps."""
    from ..training.adapting.plan import MINIMUM_STEPS

    if planned == requested:
        return " That is longer than requested: --steps sets the number of steps, whatever the time."
    if planned == MINIMUM_STEPS:
        return " That is longer than requested: fewer steps would have no effect."
    return " That is longer than requested: it was planned when the adaptation was started."


def _region_reason(sentence: str) -> str:
    """Return the reason for the region, with the option for readers who outlined the whole body."""
    from ..training.adapting.plan import FEW_OUTSIDE_THORAX

    if sentence == FEW_OUTSIDE_THORAX:
        return f"{sentence} If the readers outlined the whole body, add --region whole-body."
    return sentence


def _gather(args: argparse.Namespace, data: Path, run: Path, output: Path, *, started: bool) -> dict[str, str]:
    """Gather folders into the run's data set, unless the run has started before; return {case: files of its scan}."""
    from ..gathering.owner_names import owner_names

    given = args.labelled is not None or args.unlabelled is not None
    if given == (args.data is not None):
        raise UsageError("Give outlined scans with --labelled (and more with --unlabelled), or a data set with --data.")
    if args.data is not None:
        return {}
    gather_for_run(args, run, output, started=started)
    return owner_names(data, [*(args.labelled or ()), *(args.unlabelled or ())])


def _progress(number: int, runs: int):  # type: ignore[no-untyped-def]
    def show(step: int, steps: int, loss: float, pace: Pace) -> None:
        if step % PROGRESS_EVERY == 0 or step == steps:
            left = pace.seconds * (steps - step + steps * (runs - number - 1))
            print(
                f"training {number + 1} of {runs}, step {step} of {steps}, about {duration(left)} of training left",
                file=sys.stderr,
                flush=True,
            )

    return show
