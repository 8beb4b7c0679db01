"""Options of `config.TrainingConfig` on the command line and in a model card; cheap to import, for instant help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal

from SpectBoneMetSegLib.common.errors import UserError

__all__ = ["Option", "check_options", "option", "options_of"]

#: Key in the metadata of a dataclass's field.
OPTION = "option"

Group = Literal["method and labels", "steps"]


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        help: help text of the command line; "{default}" is replaced by the default.
        group: group of the help.
        flag: name on the command line, "" for the field's.
        metavar: placeholder of the value in the help.
        kind: type of the value; that of the default, if there is one. For a field that is True by default, the switch
            turns it off.
        choices: all valid values.
        least: smallest valid value.
        below: the value is smaller than this.
        positive: the value is larger than `least`, not equal.
        card: entry in a model card; "" for none.
    """

    help: str = ""
    group: Group = "method and labels"
    flag: str = ""
    metavar: str | None = None
    kind: type = str
    choices: tuple[str, ...] = ()
    least: float | None = None
    below: float | None = None
    positive: bool = False
    card: str = ""


def option(help: str = "", **about: Any) -> dict[str, Option]:
    """Return the metadata of a field that is an option, from the attributes of `Option`."""
    return {OPTION: Option(help, **about)}


def options_of(config: Any) -> Iterator[tuple[Field[Any], Option]]:
    """Yield the fields of a dataclass, or of an instance, that are options, in their order."""
    for item in fields(config):
        if OPTION in item.metadata:
            about = item.metadata[OPTION]
            yield item, about if item.default is None else replace(about, kind=type(item.default))


def check_options(config: Any) -> None:
    """Refuse invalid choices and values outside their limits.

    Raises:
        UserError: an invalid value; the message names the option.
    """
    for item, about in options_of(config):
        value, flag = getattr(config, item.name), about.flag or item.name
        name = flag.replace("_", " ")
        if about.choices and value not in about.choices:
            raise UserError(f"There is no {name} {value!r}; choose one of {', '.join(about.choices)}.", flag)
        if value is None or about.kind not in (int, float):
            continue
        if not isfinite(value):
            raise UserError(f"The {name} {value} is not a finite number; give another.", flag)
        low = about.least is not None and (value <= about.least if about.positive else value < about.least)
        if low or (about.below is not None and not value < about.below):
            lower = "" if about.least is None else f" {'above' if about.positive else 'at least'} {about.least:g}"
            upper = "" if about.below is None else f"{' and' if lower else ''} below {about.below:g}"
            raise UserError(f"The {name} {value} must be{lower}{upper}.", flag)
