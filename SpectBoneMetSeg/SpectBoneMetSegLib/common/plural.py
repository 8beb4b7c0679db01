"""Counts with their nouns."""

from __future__ import annotations

__all__ = ["pluralize"]


def pluralize(number: int, noun: str, more: str = "") -> str:
    """Format a count with its noun: "1 study", "2 studies"; `more` is an irregular plural."""
    return f"{number} {noun if number == 1 else more or f'{noun}s'}"
