"""What a field of `config.TrainingConfig` is on the command line and in a model's card; light, for instant help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal

from SpectBoneMetSegLib.common.errors import UserError

__all__ = ["Option", "check_options", "option", "options_of"]

#: Key of the metadata of a dataclass's field.
OPTION = "option"

Group = Literal["method and labels", "steps"]


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        help: for the command line, where it stands there; "{default}" is its default.
        group: it stands in.
        flag: its name there, "" for the field's.
        metavar: of its value.
        kind: of its value; that of the default, where there is one. A switch of a field that is on turns it off.
        choices: all values that there are.
        least: the value is at least this.
        below: and less than this.
        positive: 0 is too little.
        card: its entry in a model's card; "" for none.
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
    """The metadata of a field that is an option, of `Option`'s attributes."""
    return {OPTION: Option(help, **about)}


def options_of(config: Any) -> Iterator[tuple[Field[Any], Option]]:
    """The fields of a dataclass, or of one's object, that are options, in their order."""
    for item in fields(config):
        if OPTION in item.metadata:
            about = item.metadata[OPTION]
            yield item, about if item.default is None else replace(about, kind=type(item.default))


def check_options(config: Any) -> None:
    """Refuse values that there are not, or that lie outside their limits.

    Raises:
        UserError: names the option.
    """
    for item, about in options_of(config):
        value, flag = getattr(config, item.name), about.flag or item.name
        words = flag.replace("_", " ")
        if about.choices and value not in about.choices:
            raise UserError(f"There is no {words} {value!r}; choose one of {', '.join(about.choices)}.", flag)
        if value is None or about.kind not in (int, float):
            continue
        if not isfinite(value):
            raise UserError(f"The {words} {value} is no number to work with; give another.", flag)
        low = about.least is not None and (value <= about.least if about.positive else value < about.least)
        if low or (about.below is not None and not value < about.below):
            lower = "" if about.least is None else f" {'above' if about.positive else 'at least'} {about.least:g}"
            upper = "" if about.below is None else f"{' and' if lower else ''} below {about.below:g}"
            raise UserError(f"The {words} {value} must be{lower}{upper}.", flag)
