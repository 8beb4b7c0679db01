"""Tables over a run: `failures.csv` of what could not be read, `batch.csv` of everything that a batch met."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.errors import UserError
from ..common.files import whole_file

__all__ = ["BATCH_COLUMNS", "earlier_failures", "write_batch_table", "write_failures"]

#: The columns of `batch.csv`.
BATCH_COLUMNS = (
    *("input", "case", "state", "areas", "area_cm2", "views", "read", "warnings", "reason"),
    *("confidence", "lowest_confidence", "crop_confidence"),
)
#: The columns of `failures.csv`; the last is a digest of files, model and options, by which a failure is known again.
FAILURE_COLUMNS = ("input", "reason", "attempt")


def write_failures(output: Path, failures: Sequence[dict[str, Any]]) -> None:
    """failures.csv lists what could not be read; a run without any leaves none behind.

    Raises:
        UserError: it cannot be written.
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
        raise UserError(f"{path} cannot be removed ({error.strerror}); it lists no failures of this run.") from error


def earlier_failures(output: Path) -> dict[str, str]:
    """{attempt: reason} of what an earlier run could not read; empty where no table tells."""
    try:
        with (output / "failures.csv").open(encoding="utf-8", newline="") as file:
            return {row["attempt"]: row["reason"] for row in csv.DictReader(file) if row.get("attempt")}
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


def write_batch_table(output: Path, rows: Sequence[dict[str, Any]]) -> None:
    """batch.csv: one row a scan (read, read before, failed), a file that failed, or a kind of files left out.

    Raises:
        UserError: it cannot be written.
    """
    _write(output / "batch.csv", BATCH_COLUMNS, rows)


def _write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    try:
        with whole_file(path) as part, part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); what it lists stands above.") from error
