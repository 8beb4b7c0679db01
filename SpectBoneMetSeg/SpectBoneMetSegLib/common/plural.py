"""Numbers of things in words."""

from __future__ import annotations

__all__ = ["pluralize"]


def pluralize(number: int, noun: str, more: str = "") -> str:
    """A number of things in words: "1 study", "2 studies"; `more` is the noun of several."""
    return f"{number} {noun if number == 1 else more or f'{noun}s'}"
