"""`spectbonemetseg train`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from SpectBoneMetSegLib.cli import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.errors import UserError

from .progress import loss_line
from .train_options import add_options, training_config


class TrainCommand:
    """Train a model on a data set."""

    help = "Train a model on a data set of labelled and unlabelled scans."

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
        parser.add_argument("--description", default="", help="one sentence for the model's card")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")
        add_options(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Train, choose thresholds on the validation patients, write the model."""
        silence_libraries()
        config = training_config(args)
        from .finish import check_request, train_and_finish

        data, output = Path(args.data), Path(args.output).absolute()
        try:
            check_request(data, output)
        except UserError as error:
            raise UsageError(str(error)) from error
        run = Path(args.run_folder) if args.run_folder else output.with_name(output.name + "-run")
        figures = train_and_finish(data, run, config, output, args.description, loss_line())
        if figures:
            dice = figures["both views"]["dice"]
            print(f"{output}: pooled Dice {dice:.3f}; {figures['what']}", file=sys.stderr)
        else:
            print(f"{output}: trained without any label, so nothing was measured", file=sys.stderr)
        if args.json:
            print_json({"model": str(output), "validation": figures})
        return 0
