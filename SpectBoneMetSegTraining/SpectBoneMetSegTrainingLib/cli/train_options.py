"""Options of `spectbonemetseg train`, and their conversion to a training configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.cli.common import UsageError
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import BODY_LEVEL, SOFT_TISSUE_LEVEL, NetworkConfig

from ..training.setup.config import TrainingConfig
from ..training.setup.options import Option, options_of

#: Default feature channels per stage, by architecture.
CHANNELS = {"recurrent": "16,24,32", "unet": "16,24,32", "reader": "16,32,64,96,128"}
#: Default dilation rates of every stage.
DILATIONS = "1:2"
#: Options of the network's architecture, which a parent model (--start) determines.
NETWORK_OPTIONS = (
    *("architecture", "channels", "dilations", "recurrent_steps", "tied", "blocks", "max_pooling", "no_skips"),
    *("stem_channels", "stem_stride", "aggregate_only", "level", "no_regions"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that affect the weights: those of `TrainingConfig`, and of the network's architecture."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for item, option in options_of(TrainingConfig):
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        _add(groups[option.group], option, option.flag or item.name, item.default)
    _add_network(parser.add_argument_group("network (not with --start)"))


def _add(group: argparse._ArgumentGroup, option: Option, name: str, default: Any) -> None:
    flag, default_text = f"--{name.replace('_', '-')}", f"{default:g}" if isinstance(default, float) else str(default)
    text = option.help.replace("{default}", default_text)
    if option.kind is bool:
        group.add_argument(flag, action="store_true", help=text)
    else:
        choices = option.choices or None
        group.add_argument(flag, type=option.kind, default=default, choices=choices, metavar=option.metavar, help=text)


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--architecture",
        choices=tuple(CHANNELS),
        help="the paper's network (recurrent), a U-Net, or our residual U-Net with the skeleton's regions (reader)",
    )
    group.add_argument(
        "--no-regions",
        action="store_true",
        default=None,
        help="the architecture reader without the skeleton's regions",
    )
    group.add_argument("--channels", metavar="N,N,N", help="feature channels per stage (16,24,32)")
    group.add_argument(
        "--dilations", metavar="D:D,...", help="dilation rates, one pair for all stages or one for each (1:2)"
    )
    group.add_argument("--recurrent-steps", type=int, metavar="T", help="t of Eq. 5 (3)")
    group.add_argument("--tied", action="store_true", default=None, help="share weights between the recurrent steps")
    group.add_argument(
        "--blocks", choices=("dilated-residual", "plain"), help="convolution blocks of Table 5 (dilated-residual)"
    )
    group.add_argument(
        "--max-pooling", action="store_true", default=None, help="max pooling instead of inception blocks (Table 5)"
    )
    group.add_argument("--no-skips", action="store_true", default=None, help="no skip connections")
    group.add_argument("--stem-channels", type=int, metavar="N", help="channels of the first and last convolution (8)")
    group.add_argument(
        "--stem-stride", type=int, choices=(1, 2), help="stride of the first convolution; 2 for half resolution (1)"
    )
    group.add_argument(
        "--aggregate-only", action="store_true", default=None, help="the paper's input: the aggregated view only"
    )
    group.add_argument(
        "--level",
        choices=("body", "soft-tissue"),
        help="normalisation of counts: a high level of the body (default), or one that diffuse disease hardly raises",
    )


def training_config(args: argparse.Namespace) -> TrainingConfig:
    """Return the training configuration of the options.

    Raises:
        UsageError: invalid options, or options that exclude each other.
        UserError: an unreadable file of labelled cases.
    """
    from ..dataset.budgets import read_labelled_cases
    from ..training.setup.fine_tuning import with_start

    _check_combinations(args)
    given = [name for name in NETWORK_OPTIONS if getattr(args, name) is not None]
    if args.start and given:
        raise UsageError(f"--start uses the network of the parent model; leave out --{given[0].replace('_', '-')}.")
    options = {item.name: getattr(args, option.flag or item.name) for item, option in options_of(TrainingConfig)}
    options["augment"] = not args.no_augment
    options["store"] = None if args.store is None else str(Path(args.store).resolve())
    options["labelled_cases"] = read_labelled_cases(Path(args.labelled_cases)) if args.labelled_cases else None
    config = TrainingConfig(network=network_config(args), **options)
    try:
        config = with_start(config)
        config.check()
    except UserError as error:
        raise UsageError.of(error) from error
    return config


def network_config(args: argparse.Namespace) -> NetworkConfig:
    """Return the network's configuration of the options.

    Raises:
        UsageError: no such network can be built.
    """
    defaults = NetworkConfig()
    architecture = args.architecture or defaults.architecture
    channels_text = args.channels or CHANNELS[architecture]
    try:
        channels = tuple(int(number) for number in channels_text.split(","))
    except ValueError as error:
        raise UsageError(f"--channels {channels_text} is not a list of whole numbers such as 24,32,48.") from error
    ends: dict[str, Any] = {"inputs": ("aggregate",), "outputs": ("union",)} if args.aggregate_only else {}
    names = ("recurrent_steps", "tied", "blocks", "stem_channels", "stem_stride")
    options = {name: value for name in names if (value := getattr(args, name)) is not None}
    try:
        return NetworkConfig(
            channels=channels,
            dilations=_dilations(args.dilations or DILATIONS, len(channels)),
            inception=not args.max_pooling,
            skip_connections=not args.no_skips,
            architecture=architecture,
            regions=architecture == "reader" and not (args.no_regions or args.aggregate_only),
            scaling=SOFT_TISSUE_LEVEL if args.level == "soft-tissue" else BODY_LEVEL,
            **options,
            **ends,
        )
    except ValueError as error:
        raise UsageError(f"The network cannot be built: {error}.") from error


def _dilations(text: str, stages: int) -> tuple[tuple[int, int], ...]:
    """Parse "1:2" for every stage, or a pair for each: "1:2,1:2,2:4"."""
    try:
        pairs = [tuple(int(number) for number in pair.split(":")) for pair in text.split(",")]
        (first, second), *_ = pairs
        return ((first, second),) * stages if len(pairs) == 1 else tuple((one, two) for one, two in pairs)
    except ValueError as error:
        raise UsageError(
            f"--dilations {text} is not one pair such as 1:2, or one per stage such as 1:2,1:2,2:4."
        ) from error


def _check_combinations(args: argparse.Namespace) -> None:
    if args.store is not None and args.method == "unsupervised":
        raise UsageError("--store draws labelled scans, which --method unsupervised does not use.")
    if (args.published or args.convex) and args.method not in ("unsupervised", "semi"):
        raise UsageError(f"--published and --convex are forms of Eq. 6-8, which --method {args.method} does not use.")
    if args.convex and args.method != "semi":
        raise UsageError("--convex is a form of Eq. 6, which only --method semi uses.")
