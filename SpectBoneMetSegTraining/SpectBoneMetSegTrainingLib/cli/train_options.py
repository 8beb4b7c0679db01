"""The options of `spectbonemetseg train`, and the training they ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.cli.common import UsageError
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import BODY_LEVEL, SOFT_TISSUE_LEVEL, NetworkConfig

from ..training.setup.config import TrainingConfig
from ..training.setup.options import Option, options_of

#: Feature channels when not given, by architecture.
CHANNELS = {"recurrent": "16,24,32", "unet": "16,24,32", "reader": "16,32,64,96,128"}
#: Dilation rates of every stage when not given.
DILATIONS = "1:2"
#: Options of the network's shape, which a model to start from brings along.
NETWORK_OPTIONS = (
    *("architecture", "channels", "dilations", "recurrent_steps", "tied", "blocks", "max_pooling", "no_skips"),
    *("stem_channels", "stem_stride", "aggregate_only", "level", "no_regions"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare every option that changes the weights: those of `TrainingConfig`, and the network's shape."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for item, about in options_of(TrainingConfig):
        if about.group not in groups:
            groups[about.group] = parser.add_argument_group(about.group)
        _add(groups[about.group], about, about.flag or item.name, item.default)
    _add_network(parser.add_argument_group("network (not with --start)"))


def _add(group: argparse._ArgumentGroup, about: Option, name: str, default: Any) -> None:
    flag, told = f"--{name.replace('_', '-')}", f"{default:g}" if isinstance(default, float) else str(default)
    text = about.help.replace("{default}", told)
    if about.kind is bool:
        group.add_argument(flag, action="store_true", help=text)
    else:
        choices = about.choices or None
        group.add_argument(flag, type=about.kind, default=default, choices=choices, metavar=about.metavar, help=text)


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
    from ..training.setup.fine_tuning import with_start

    _check_forms(args)
    given = [name for name in NETWORK_OPTIONS if getattr(args, name) is not None]
    if args.start and given:
        raise UsageError(f"--start brings its own network; leave out --{given[0].replace('_', '-')}.")
    asked = {item.name: getattr(args, about.flag or item.name) for item, about in options_of(TrainingConfig)}
    asked["augment"] = not args.no_augment
    asked["store"] = None if args.store is None else str(Path(args.store).resolve())
    asked["labelled_cases"] = read_labelled_cases(Path(args.labelled_cases)) if args.labelled_cases else None
    config = TrainingConfig(network=network_config(args), **asked)
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
    usual = NetworkConfig()
    architecture = args.architecture or usual.architecture
    words = args.channels or CHANNELS[architecture]
    try:
        channels = tuple(int(word) for word in words.split(","))
    except ValueError as error:
        raise UsageError(f"--channels {words} is not a list of whole numbers such as 24,32,48.") from error
    ends: dict[str, Any] = {"inputs": ("aggregate",), "outputs": ("union",)} if args.aggregate_only else {}
    plain = ("recurrent_steps", "tied", "blocks", "stem_channels", "stem_stride")
    asked = {name: value for name in plain if (value := getattr(args, name)) is not None}
    try:
        return NetworkConfig(
            channels=channels,
            dilations=_dilations(args.dilations or DILATIONS, len(channels)),
            inception=not args.max_pooling,
            skip_connections=not args.no_skips,
            architecture=architecture,
            regions=architecture == "reader" and not (args.no_regions or args.aggregate_only),
            scaling=SOFT_TISSUE_LEVEL if args.level == "soft-tissue" else BODY_LEVEL,
            **asked,
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


def _check_forms(args: argparse.Namespace) -> None:
    if args.store is not None and args.method == "unsupervised":
        raise UsageError("--store gives labelled scans, which --method unsupervised does not use.")
    if (args.published or args.convex) and args.method not in ("unsupervised", "semi"):
        raise UsageError(f"--published and --convex are forms of Eq. 6-8, which --method {args.method} does not use.")
    if args.convex and args.method != "semi":
        raise UsageError("--convex is a form of Eq. 6, which only --method semi uses.")
