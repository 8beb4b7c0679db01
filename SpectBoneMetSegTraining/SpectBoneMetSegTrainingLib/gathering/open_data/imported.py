"""The result of an import of a public set, and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .description import PublicSet


@dataclass(frozen=True)
class Imported:
    """Result of an import.

    Attributes:
        data: the data set.
        cases: {kind of case: number}.
        notes: sentences about changes and assumptions.
        left_out: {patient: reason}.
        unlabelled: why no patient is labelled, of a set with labels; "" where one is or the set has none.
    """

    data: Path
    cases: dict[str, int]
    notes: tuple[str, ...]
    left_out: dict[str, str]
    unlabelled: str = ""


def text_of(result: Imported, found: PublicSet) -> str:
    """Return a human-readable report."""
    cases = ", ".join(f"{number} {kind}" for kind, number in result.cases.items())
    lines = [
        f"{found.title} ({found.home}): {cases}",
        f"licence: {found.licence}",
        f"cite: {found.citation}",
        f"labels: {found.truth}",
        *([f"terms: {found.terms}"] if found.terms else []),
        *(f"known: {fault}" for fault in found.faults),
        *result.notes,
        *([result.unlabelled] if result.unlabelled else []),
        f"left out: {len(result.left_out)}",
        *(f"  {patient}: {reason}" for patient, reason in sorted(result.left_out.items())),
    ]
    return "\n".join(lines) + "\n"
