"""The options of `spectbonemetseg train`, and the training they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.cli.common import UsageError
from SpectBoneMetSegLib.common.errors import UserError

if TYPE_CHECKING:
    from SpectBoneMetSegLib.model.config import NetworkConfig

    from ..training.setup.config import TrainingConfig

#: Feature channels when not given, by architecture.
CHANNELS = {"recurrent": "16,24,32", "unet": "16,24,32", "reader": "16,32,64,96,128"}
#: Options of the network's shape and what they are when not given; a model to start from has its own.
NETWORK_DEFAULTS: dict[str, Any] = {
    "architecture": "recurrent",
    "channels": None,
    "dilations": "1:2",
    "recurrent_steps": 3,
    "tied": False,
    "blocks": "dilated-residual",
    "max_pooling": False,
    "no_skips": False,
    "stem_channels": 8,
    "stem_stride": 1,
    "aggregate_only": False,
    "level": "body",
    "no_regions": False,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare every option that changes the weights."""
    _add_method(parser.add_argument_group("method and labels"))
    _add_steps(parser.add_argument_group("steps"))
    _add_network(parser.add_argument_group("network (not with --start)"))


def _add_method(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--method",
        choices=("supervised", "unsupervised", "semi", "strong"),
        default="supervised",
        help="all from labels (default); the paper's Eq. 7 alone; the paper's Eq. 6; a mean teacher",
    )
    group.add_argument("--labels", type=int, metavar="N", help="use so many labels, validation included (all)")
    group.add_argument(
        "--labels-by", choices=("patient", "sample"), default="patient", help="what --labels counts (patient)"
    )
    group.add_argument(
        "--labelled-cases",
        metavar="FILE",
        help='use only the labels of the cases that this JSON file names under "labelled" (a benchmark\'s d1.json)',
    )
    group.add_argument(
        "--region", choices=("thorax", "whole-body"), default="thorax", help="of the body to learn (thorax)"
    )
    group.add_argument(
        "--operating-point",
        choices=("dice", "lesions"),
        default="dice",
        help="what chooses the thresholds in validation: pooled Dice, or it and lesion F1 with a floor on precision",
    )
    group.add_argument(
        "--by-instance",
        action="store_true",
        help="every lesion counts the square root of its area, and is drawn as often as any other",
    )
    group.add_argument(
        "--store",
        metavar="DIR",
        help="draw new scans of these simulated patients while training (see `simulate --store`); "
        "--data still validates",
    )
    group.add_argument(
        "--store-share", type=float, default=0.9, metavar="X", help="share of the labelled patches from --store (0.9)"
    )
    group.add_argument("--published", action="store_true", help="Eq. 7 and 8 as published instead of corrected")
    group.add_argument(
        "--convex", action="store_true", help="Eq. 6 as (1-a) l_U + a l_S instead of l_U + a l_S (the paper's is lost)"
    )
    group.add_argument(
        "--no-augment", action="store_true", help="cut patches as they are, for sets augmented already (see `augment`)"
    )
    group.add_argument("--start", metavar="NAME|PATH", help="start from this model's weights (fine-tuning)")


def _add_steps(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--steps", type=int, default=3500, metavar="N", help="gradient steps (3500)")
    group.add_argument("--batch", type=int, default=8, metavar="N", help="patches per step (8)")
    group.add_argument("--patch", type=int, default=128, metavar="PIXELS", help="side of a patch (128)")
    group.add_argument("--learning-rate", type=float, default=2e-3, metavar="X", help="its peak (0.002)")
    group.add_argument("--weight-decay", type=float, default=1e-4, metavar="X", help="of AdamW (0.0001)")
    group.add_argument("--average", type=float, default=0.99, metavar="X", help="decay of the averaged weights (0.99)")
    group.add_argument(
        "--validate-every", type=int, default=250, metavar="N", help="steps between looks at validation, 0: none (250)"
    )
    group.add_argument(
        "--patience", type=int, default=8, metavar="N", help="stop after so many looks without a better, 0: never (8)"
    )
    group.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the network's arithmetic while it learns; bfloat16 is quicker where the processor knows it (float32)",
    )
    group.add_argument("--seed", type=int, default=0, metavar="S", help="of weights, patches and the drawn labels (0)")


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--architecture",
        choices=tuple(CHANNELS),
        help="the paper's (recurrent), its peer U-Net, or ours with the skeleton's regions (reader)",
    )
    group.add_argument(
        "--no-regions", action="store_true", default=None, help="the reader without the skeleton's regions"
    )
    group.add_argument("--channels", metavar="N,N,N", help="feature channels per stage (16,24,32)")
    group.add_argument("--dilations", metavar="D:D,...", help="dilation rates, one pair for all stages or each (1:2)")
    group.add_argument("--recurrent-steps", type=int, metavar="T", help="t of Eq. 5 (3)")
    group.add_argument("--tied", action="store_true", default=None, help="share weights between the recurrent steps")
    group.add_argument("--blocks", choices=("dilated-residual", "plain"), help="of Table 5 (dilated-residual)")
    group.add_argument(
        "--max-pooling", action="store_true", default=None, help="halve the grid without inception blocks (Table 5)"
    )
    group.add_argument("--no-skips", action="store_true", default=None, help="no skip connections")
    group.add_argument("--stem-channels", type=int, metavar="N", help="of the first and last convolution (8)")
    group.add_argument("--stem-stride", type=int, choices=(1, 2), help="2 works at half resolution (1)")
    group.add_argument(
        "--aggregate-only", action="store_true", default=None, help="the paper's input: only the aggregated view"
    )
    group.add_argument(
        "--level",
        choices=("body", "soft-tissue"),
        help="what counts are divided by: a high level of the body (default), or one that diffuse disease hardly lifts",
    )


def training_config(args: argparse.Namespace) -> TrainingConfig:
    """What was asked for.

    Raises:
        UsageError: options without sense, or that do not go together.
        UserError: an unreadable file of labelled cases.
    """
    from ..dataset.budgets import read_labelled_cases
    from ..training.setup.config import TrainingConfig
    from ..training.setup.fine_tuning import with_start

    _check_numbers(args)
    given = [name for name in NETWORK_DEFAULTS if getattr(args, name) is not None]
    if args.start and given:
        raise UsageError(f"--start brings its own network; leave out --{given[0].replace('_', '-')}.")
    config = TrainingConfig(
        steps=args.steps,
        batch=args.batch,
        patch=args.patch,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        average=args.average,
        seed=args.seed,
        network=network_config(args),
        method=args.method,
        labels=args.labels,
        budget_by=args.labels_by,
        published=args.published,
        convex=args.convex,
        augment=not args.no_augment,
        validate_every=args.validate_every,
        patience=args.patience,
        labelled_cases=read_labelled_cases(Path(args.labelled_cases)) if args.labelled_cases else None,
        region=args.region,
        operating_point=args.operating_point,
        by_instance=args.by_instance,
        precision=args.precision,
        store=None if args.store is None else str(Path(args.store).resolve()),
        store_share=args.store_share,
        start=args.start,
    )
    try:
        config = with_start(config)
        config.check()
    except UserError as error:
        raise UsageError.of(error) from error
    return config


def network_config(args: argparse.Namespace) -> NetworkConfig:
    """The network's shape as asked for.

    Raises:
        UsageError: no network has it.
    """
    from SpectBoneMetSegLib.model.config import BODY_LEVEL, SOFT_TISSUE_LEVEL, NetworkConfig

    asked = {
        name: default if getattr(args, name) is None else getattr(args, name)
        for name, default in NETWORK_DEFAULTS.items()
    }
    architecture = asked["architecture"]
    asked["channels"] = asked["channels"] or CHANNELS[architecture]
    try:
        channels = tuple(int(word) for word in asked["channels"].split(","))
    except ValueError as error:
        raise UsageError(f"--channels {asked['channels']} is not a list of whole numbers such as 24,32,48.") from error
    ends: dict[str, Any] = {"inputs": ("aggregate",), "outputs": ("union",)} if asked["aggregate_only"] else {}
    try:
        return NetworkConfig(
            channels=channels,
            dilations=_dilations(asked["dilations"], len(channels)),
            recurrent_steps=asked["recurrent_steps"],
            tied=asked["tied"],
            blocks=asked["blocks"],
            inception=not asked["max_pooling"],
            skip_connections=not asked["no_skips"],
            stem_channels=asked["stem_channels"],
            stem_stride=asked["stem_stride"],
            architecture=architecture,
            regions=architecture == "reader" and not (asked["no_regions"] or asked["aggregate_only"]),
            scaling=SOFT_TISSUE_LEVEL if asked["level"] == "soft-tissue" else BODY_LEVEL,
            **ends,
        )
    except ValueError as error:
        raise UsageError(f"The network cannot be built: {error}.") from error


def _dilations(text: str, stages: int) -> tuple[tuple[int, int], ...]:
    """ "1:2" for every stage, or a pair for each: "1:2,1:2,2:4"."""
    try:
        pairs = [tuple(int(word) for word in pair.split(":")) for pair in text.split(",")]
        (first, second), *_ = pairs
        return ((first, second),) * stages if len(pairs) == 1 else tuple((one, two) for one, two in pairs)
    except ValueError as error:
        raise UsageError(f"--dilations {text} is not one pair such as 1:2, or 1:2,1:2,2:4, one a stage.") from error


def _check_numbers(args: argparse.Namespace) -> None:
    if min(args.steps, args.batch, args.patch) < 1 or not 0 < args.learning_rate < 1:
        raise UsageError("--steps, --batch and --patch start at 1, --learning-rate lies between 0 and 1.")
    if min(args.seed, args.validate_every, args.patience) < 0:
        raise UsageError("--seed, --validate-every and --patience start at 0.")
    if not (0 <= args.weight_decay < 1 and 0 <= args.average < 1):
        raise UsageError("--weight-decay and --average lie between 0 and 1.")
    if args.store is not None and args.method == "unsupervised":
        raise UsageError("--store gives labelled scans, which --method unsupervised does not use.")
    if (args.published or args.convex) and args.method not in ("unsupervised", "semi"):
        raise UsageError(f"--published and --convex are forms of Eq. 6-8, which --method {args.method} does not use.")
    if args.convex and args.method != "semi":
        raise UsageError("--convex is a form of Eq. 6, which only --method semi uses.")
