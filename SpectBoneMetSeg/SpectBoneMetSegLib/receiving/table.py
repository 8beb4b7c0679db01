"""`studies.csv`: a row for every received scan, with its state."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..batch.tables import BATCH_COLUMNS
from ..common.files import whole_file
from ..common.safe_text import safe_rows
from .journal import Entry

__all__ = ["STUDY_COLUMNS", "TABLE", "write_studies"]

TABLE = "studies.csv"
#: The columns of `batch.csv` except the path of the input, which has no meaning here, and further ones.
STUDY_COLUMNS = ("study", "study_instance_uid", "changed", *BATCH_COLUMNS[1:], "sent", "not_sent")


def write_studies(output: Path, entries: Sequence[Entry]) -> None:
    """Write the table.

    Raises:
        OSError: the table cannot be written.
    """
    with whole_file(output / TABLE) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, STUDY_COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for entry in entries:
            writer.writerows(safe_rows(_rows(entry)))


def _rows(entry: Entry) -> Iterator[dict[str, Any]]:
    common = {
        "study": entry.key,
        "study_instance_uid": entry.study_uid,
        "changed": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(entry.since)),
        "sent": " | ".join(f"{len(uids)} to {name}" for name, uids in sorted(entry.sent.items())),
        "not_sent": " | ".join(
            sorted({reason for reasons in entry.refused.values() for reason in reasons.values()}),
        ),
    }
    if not entry.cases or (entry.state == "failed" and all(row["state"] != "failed" for row in entry.cases)):
        yield {**common, "state": entry.state, "reason": entry.reason}
    for row in entry.cases:
        yield {**row, **common}
