"""Whose data a set holds and under which licence, carried from data sets into the cards of models taught on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .opened import Data, opened

__all__ = ["SOURCES", "combined_sources", "inherited_sources", "licence_with", "sources_of"]

#: Entry of dataset.json and of a card's training.
SOURCES = "sources"

Source = Mapping[str, str]


def sources_of(data: Data) -> list[dict[str, str]]:
    """{"name", "licence", "citation", "home"} of every public set a data set was made of; empty for one's own scans.

    Raises:
        UserError: dataset.json is missing or damaged.
    """
    return [dict(source) for source in opened(data).json("dataset.json").get(SOURCES, [])]


def inherited_sources(about: Mapping[str, Any]) -> dict[str, Any]:
    """What of a dataset.json goes into that of a set made of it."""
    return {SOURCES: about[SOURCES]} if about.get(SOURCES) else {}


def combined_sources(own: Iterable[Source], parents: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The entry of a card's training: the sources of its data and of its parent's, each once; nothing without any.

    Args:
        parents: the training of the card it started from, {} for none.
    """
    found: list[dict[str, str]] = []
    for source in (*own, *parents.get(SOURCES, [])):
        if dict(source) not in found:
            found.append(dict(source))
    return {SOURCES: found} if found else {}


def licence_with(licence: str, sources: Iterable[Source]) -> str:
    """A model's licence with a word about the data it was taught on."""
    under = list(dict.fromkeys(f"{source['name']}: {source['licence']}" for source in sources))
    return f"{licence.partition('; taught on ')[0]}; taught on {'; '.join(under)}" if under else licence
