"""Reports of gathering: scans and labels found, used and left out, as CSV files and a text.

The files contain paths and readers' names, so they are written to the private folder next to the data set.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.common.safe_text import one_line, safe_row

from .labels.consensus import ReaderPair

__all__ = [
    "AGAIN_FILE",
    "AGREEMENT_FILE",
    "FOUND_FILE",
    "SUMMARY_FILE",
    "AgreementRow",
    "ReportRow",
    "describe",
    "why_left_out",
    "write_report",
]

FOUND_FILE, AGREEMENT_FILE, AGAIN_FILE = "found.csv", "agreement.csv", "annotate_again.csv"
SUMMARY_FILE = "summary.txt"

Outcome = Literal["new", "changed", "as before", "left out"]


@dataclass(frozen=True)
class ReportRow:
    """One scan or file, and its outcome.

    Attributes:
        source: path or node.
        kind: "labelled", "unlabelled" or "" if not known.
        outcome: "new", "changed" (other labels than before), "as before" or "left out".
        reason: why it was left out.
        case: name in the data set.
        patient: pseudonym in the data set.
        views: "anterior", "posterior" or both.
        readers: number of readers.
        lesions: number of lesions.
        difference: the largest area difference of two readers (Eq. 2), None for one.
        decided_by: see `Consensus`.
        notes: remarks.
        failed: whether an error caused it to be left out.
    """

    source: str
    kind: str
    outcome: Outcome
    reason: str = ""
    case: str = ""
    patient: str = ""
    views: str = ""
    readers: int = 0
    lesions: int = 0
    difference: float | None = None
    decided_by: str = ""
    notes: str = ""
    failed: bool = False


@dataclass(frozen=True)
class AgreementRow:
    """A pair of readers on one image of a case.

    Attributes:
        case: its name in the data set.
        source: path or node.
        comparison: the pair.
        again: whether the image is to be annotated again.
        picture: file that shows the outlines, "" for none.
    """

    case: str
    source: str
    comparison: ReaderPair
    again: bool = False
    picture: str = ""


def describe(rows: Sequence[ReportRow], splits: str = "", *, tables: bool = True) -> str:
    """Return a human-readable summary: counts, reasons for leaving files out, and changes of the splits.

    Args:
        rows: outcome of every scan and file.
        splits: summary of the splits.
        tables: whether to refer to the tables, which are lost with a temporary data set.
    """
    lines = []
    for kind in ("labelled", "unlabelled"):
        taken = [row for row in rows if row.kind == kind and row.outcome != "left out"]
        counts = Counter(row.outcome for row in taken)
        patients = len({row.patient for row in taken})
        parts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        lines.append(
            f"{kind}: {_count(len(taken), 'scan')} of {_count(patients, 'patient')}" + (f" ({parts})" if parts else "")
        )
    shared = [row for row in rows if row.difference is not None]
    if shared:
        majority = sum(row.decided_by == "majority" for row in shared)
        listed = f" and listed in {AGAIN_FILE}" if tables else ""
        lines.append(f"several readers: {_count(len(shared), 'scan')}, {majority} of them decided by majority{listed}")
    left = [row for row in rows if row.outcome == "left out"]
    if left:
        lines.append(f"left out: {len(left)}" + (f" (see {FOUND_FILE})" if tables else ""))
        lines += [f"  {one_line(f'{row.source}: {row.reason}')}" for row in left]
    noted = [row for row in rows if row.notes]
    if noted:
        lines.append("notes:")
        lines += [f"  {one_line(f'{row.source}: {row.notes}')}" for row in noted]
    return "\n".join([*lines, splits]).strip() + "\n"


def why_left_out(rows: Sequence[ReportRow]) -> str:
    """Return how many files were left out, and which was the first and why, in one clause."""
    left = [row for row in rows if row.outcome == "left out"]
    first = min(left, key=lambda row: not row.failed)
    return f"{_count(len(left), 'file')} left out, the first {first.source} ({first.reason.rstrip('.')})"


def write_report(folder: Path, rows: Sequence[ReportRow], agreement: Sequence[AgreementRow], text: str) -> None:
    """Write the tables and the text into the private folder.

    Raises:
        OSError: they cannot be written.
    """
    columns = [field.name for field in fields(ReportRow)]
    _write(folder / FOUND_FILE, columns, ([_cell(value) for value in asdict(row).values()] for row in rows))
    pairs = [field.name for field in fields(ReaderPair)]
    _write(
        folder / AGREEMENT_FILE,
        ["case", "source", *pairs, "picture"],
        ([row.case, row.source, *map(_cell, asdict(row.comparison).values()), row.picture] for row in agreement),
    )
    again: dict[tuple[str, str], AgreementRow] = {}
    for row in agreement:
        key = (row.case, row.comparison.image)
        if row.again and (key not in again or row.comparison.difference > again[key].comparison.difference):
            again[key] = row
    worst = sorted(again.values(), key=lambda row: -row.comparison.difference)
    _write(
        folder / AGAIN_FILE,
        ["source", "image", "largest_difference", "first", "second", "case", "picture"],
        (
            [
                row.source,
                row.comparison.image,
                _cell(row.comparison.difference),
                row.comparison.first,
                row.comparison.second,
                row.case,
                row.picture,
            ]
            for row in worst
        ),
    )
    with whole_file(folder / SUMMARY_FILE) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(map(safe_row, rows))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
