"""Sources and licences of the data in a set, passed on to the cards of models trained on it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .opened import Data, opened

__all__ = ["SOURCES", "combined_sources", "inherited_sources", "licence_with", "sources_of"]

#: Key in dataset.json and in the training entry of a model card.
SOURCES = "sources"

Source = Mapping[str, str]


def sources_of(data: Data) -> list[dict[str, str]]:
    """Return {"name", "licence", "citation", "home"} of every public set in a data set; empty for the user's own scans.

    Raises:
        UserError: dataset.json is missing or damaged.
    """
    return [dict(source) for source in opened(data).json("dataset.json").get(SOURCES, [])]


def inherited_sources(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a dataset.json that a data set derived from it inherits."""
    return {SOURCES: about[SOURCES]} if about.get(SOURCES) else {}


def combined_sources(own: Iterable[Source], parents: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Combine the sources of a model's data and of its parent model, each once, for the card; {} without any.

    Args:
        own: sources of the data set.
        parents: training entry of the parent model's card, {} without one.
    """
    found: list[dict[str, str]] = []
    for source in (*own, *parents.get(SOURCES, [])):
        if dict(source) not in found:
            found.append(dict(source))
    return {SOURCES: found} if found else {}


def licence_with(licence: str, sources: Iterable[Source]) -> str:
    """Append the licences of the training data to a model's licence."""
    licences = list(dict.fromkeys(f"{source['name']}: {source['licence']}" for source in sources))
    # Cards of earlier versions say "taught on".
    own = re.split("; (?:trained|taught) on ", licence, maxsplit=1)[0]
    return f"{own}; trained on {'; '.join(licences)}" if licences else licence
