"""Tables of a run: `failures.csv` of the failures, `batch.csv` of all scans and other files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.errors import UserError, reason_of
from ..common.files import whole_file
from ..common.safe_text import safe_rows

__all__ = ["BATCH_COLUMNS", "earlier_failures", "failures_outside", "write_batch_table", "write_failures"]

#: The columns of `batch.csv`.
BATCH_COLUMNS = (
    *("input", "case", "state", "areas", "area_cm2", "views", "read", "warnings", "reason"),
    *("confidence", "lowest_confidence", "crop_confidence"),
)
#: The columns of `failures.csv`; the last is a digest of files, model and options, to recognise a repeated attempt.
FAILURE_COLUMNS = ("input", "reason", "attempt")


def write_failures(output: Path, failures: Sequence[dict[str, Any]]) -> None:
    """Write failures.csv, or remove it if there are no failures.

    Raises:
        UserError: the file cannot be written or removed.
    """
    path = output / "failures.csv"
    if failures:
        rows = [
            {"input": each["input"], "reason": each["failure"], "attempt": each.get("attempt", "")} for each in failures
        ]
        _write(path, FAILURE_COLUMNS, rows)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be removed ({reason_of(error)}); it lists no failures of this run.") from error


def earlier_failures(output: Path) -> dict[str, str]:
    """Return {attempt: reason} of the failures of an earlier run; empty without a table."""
    try:
        with (output / "failures.csv").open(encoding="utf-8", newline="") as file:
            return {row["attempt"]: row["reason"] for row in csv.DictReader(file) if row.get("attempt")}
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


def failures_outside(output: Path, *places: Path) -> list[dict[str, Any]]:
    """Return the failures of an earlier run with inputs outside some places, which a run on these places keeps.

    Args:
        output: folder of all results.
        places: files and folders that are read now.
    """
    read_now = [place.absolute() for place in places]
    try:
        with (output / "failures.csv").open(encoding="utf-8", newline="") as file:
            rows = [(Path(row["input"]), row) for row in csv.DictReader(file)]
        return [
            {"input": row["input"], "failure": row["reason"], "attempt": row["attempt"] or ""}
            for path, row in rows
            if not any(path.absolute().is_relative_to(place) for place in read_now)
        ]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []


def write_batch_table(output: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write batch.csv with a row per scan (read, read before, failed), damaged file, and reason for leaving files out.

    Raises:
        UserError: the file cannot be written.
    """
    _write(output / "batch.csv", BATCH_COLUMNS, rows)


def _write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    try:
        with whole_file(path) as part, part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(safe_rows(rows))
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({reason_of(error)}); its content is in the messages above."
        ) from error
