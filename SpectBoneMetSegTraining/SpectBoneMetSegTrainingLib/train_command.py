"""`spectbonemetseg train`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.cli import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.errors import UserError

from .progress import loss_line

if TYPE_CHECKING:
    from .trainer import TrainingConfig


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
        from .phantom.sealed import is_sealed
        from .trainer import train

        data, output = Path(args.data), Path(args.output).absolute()
        if is_sealed(data):
            raise UsageError(f"{data} is a sealed test and is never trained on; choose another --data.")
        try:
            check_target(output)
        except UserError as error:
            raise UsageError(str(error)) from error
        run = Path(args.run_folder) if args.run_folder else output.with_name(output.name + "-run")
        config = _training_config(args)
        network = train(data, run, config, loss_line())
        summary = finish_model(network, data, run, config, output, args.description)
        print(f"{output}: pooled Dice {summary['both views']['dice']:.3f} on validation patients", file=sys.stderr)
        if args.json:
            print_json({"model": str(output), "validation": summary})
        return 0


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
