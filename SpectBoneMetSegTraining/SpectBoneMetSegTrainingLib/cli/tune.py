"""`spectbonemetseg tune`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from SpectBoneMetSegLib.cli.common import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.common.errors import UserError


class TuneCommand:
    """Re-fit a model's thresholds and confidence on labelled patients."""

    help = "Re-fit a model's thresholds and confidence on your own labelled patients, without changing its weights."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--data", required=True, metavar="DIR", help="data set folder; its test patients are not used"
        )
        parser.add_argument(
            "--model", metavar="NAME|PATH", help="a model's name or folder (the default model for reading)"
        )
        parser.add_argument(
            "--output", required=True, metavar="DIR", help="model folder to write; the model gets the folder's name"
        )
        parser.add_argument(
            "--operating-point",
            choices=("lesions", "dice"),
            default="lesions",
            help="criterion for the thresholds: lesion F1 and pooled DSC with a minimum precision (default), or DSC",
        )
        parser.add_argument("--half", action="store_true", help="store the weights in 16 bits, like shipped models")
        parser.add_argument("--device", choices=("auto", "gpu", "cpu"), default="auto")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Write the model and print the chosen thresholds."""
        silence_libraries()
        from SpectBoneMetSegLib.model.store import find_model

        from ..dataset.cases import cases_of
        from ..dataset.opened import opened
        from ..training.outcome.retune import TUNED, is_tuned_from, retune
        from ..training.run_folder import check_new_model

        data, output = opened(Path(args.data)), Path(args.output)
        try:
            model = find_model(args.model)
            check_new_model(output, started=is_tuned_from(output, model))
        except UserError as error:
            raise UsageError.of(error) from error
        cases = cases_of(data, "train")
        if not cases:
            raise UsageError(f"{args.data} holds no labelled case.")
        print(f"{len(cases)} scans are read three times.", file=sys.stderr)
        card = retune(model, data, cases, output, args.operating_point, args.device, halved=args.half).card
        figures = card.metrics[TUNED]
        if args.json:
            print_json(
                {"model": card.name, "threshold": card.threshold, "seed_threshold": card.seed_threshold, **figures}
            )
            return 0
        both = figures["both views"]
        print(
            f"{args.output}: threshold {card.threshold}, seed threshold {card.seed_threshold}; on these patients "
            f"pooled DSC {both['dice']}, {both['false_alarms_per_image']} false alarms per view"
        )
        if card.confidence is None:
            print("Too few areas are known to be right or wrong, so the model gives no confidence.")
        return 0
