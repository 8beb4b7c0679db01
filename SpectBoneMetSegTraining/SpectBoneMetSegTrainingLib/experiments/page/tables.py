"""Tables of experiments as text, for CSV and HTML."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.common.safe_text import safe_row

from ..definitions import Experiment, TableRow
from .results import Estimate, Output, estimates, mean_of

#: Metrics of a table: name, header, whether the paper has it.
COLUMNS = (
    ("image_dsc", "DSC", True),
    ("image_cpa_precision", "CPA", True),
    ("image_recall", "Recall", True),
    ("dsc", "pooled DSC", False),
    ("lesion_recall", "lesions found", False),
    ("false_alarms_per_image", "false alarms per image", False),
)
NOT_RUN = "not run"


@dataclass(frozen=True)
class PageTable:
    """A table of text.

    Attributes:
        header: title of each column.
        rows: cells of each row.
        paper: for each column, whether its values are the paper's.
    """

    header: list[str]
    rows: list[list[str]]
    paper: list[bool]


def table_of(output: Output, experiment: Experiment) -> PageTable:
    """Make the table of an experiment, with NOT_RUN in rows without results."""
    header, paper = ["", "seeds"], [False, False]
    for name, title, _ in COLUMNS:
        header.append(title)
        paper.append(False)
        if any(_paper(row, name) for row in experiment.rows):
            header.append(f"{title}, paper (different data)")
            paper.append(True)
    rows = [_row(output, row, [name for name, _, _ in COLUMNS], experiment) for row in experiment.rows]
    return PageTable([*header, *experiment.columns], rows, [*paper, *(False for _ in experiment.columns)])


def _row(output: Output, row: TableRow, names: Sequence[str], experiment: Experiment) -> list[str]:
    results = output.of_row(row)
    found = estimates(results, row.measured)
    cells = [row.label, str(len(results)) if results else NOT_RUN]
    for name in names:
        cells.append(with_interval(found[name]) if found else "")
        if any(_paper(other, name) for other in experiment.rows):
            cells.append(_paper(row, name))
    return [*cells, *(_extra(results, column) for column in experiment.columns)]


def with_interval(estimate: Estimate, digits: int = 3) -> str:
    """Format as "0.512 [0.450, 0.570]"."""
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def _paper(row: TableRow, name: str) -> str:
    value = dict(row.paper).get(name)
    return "" if value is None else f"{value:.3f}"


def _extra(results: Mapping[int, dict[str, Any]], column: str) -> str:
    """Format a further column, as the mean over seeds."""
    field, factor, digits = {
        "parameters": ("parameters", 1.0, 0),
        "milliseconds per image": ("seconds_per_image", 1000.0, 1),
        "training minutes": ("seconds", 1 / 60, 1),
        "steps": ("steps_done", 1.0, 0),
    }[column]
    value = mean_of(results, field)
    return "" if value is None else f"{value * factor:,.{digits}f}"


def write_csv(path: Path, table: PageTable) -> None:
    """Write a table as CSV, atomically."""
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(map(safe_row, [table.header, *table.rows]))
