"""`summary.html`: one self-contained page about a run: results, studies to review first, failures."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..common.errors import UserError, reason_of
from ..common.files import whole_file
from ..common.notice import RESEARCH_USE

__all__ = ["summary_page", "write_summary"]

#: Most rows of a table, most pictures of the contact sheet, and the width of a picture in pixels.
LISTED, PICTURES, PICTURE_WIDTH = 40, 48, 420
#: Upper limits of the histograms' bins; the last bin is open.
AREAS = (0, 1, 2, 3, 5, 10, 20, 50)
AREAS_CM2 = (0, 2, 5, 10, 20, 50, 100, 200)

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5d6670; --line: #d9dee3; --ground: #fff; --bar: #2f6f9f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #9aa4ae; --line: #3a424a; --ground: #16191c; --bar: #6fb0dd; }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 1120px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p, .soft { color: var(--soft); } .notice { font-weight: 600; color: var(--ink); }
.numbers { display: flex; flex-wrap: wrap; gap: 2rem; margin: 1rem 0; }
.numbers b { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.charts { display: flex; flex-wrap: wrap; gap: 2rem; } svg text { fill: var(--soft); font-size: 12px; }
svg rect { fill: var(--bar); } svg .count { fill: var(--ink); }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 1rem; }
figure { margin: 0; } figure img { width: 100%; background: #fff; } figcaption { font-size: .85rem; }
"""


def write_summary(rows: Sequence[Mapping[str, Any]], output: Path, title: str, facts: str) -> Path:
    """Write the page into the folder of results and return its path.

    Args:
        rows: rows of `batch.csv`.
        output: folder of all results.
        title: title of the page.
        facts: a sentence about the run.

    Raises:
        UserError: the page cannot be written.
    """
    path = output / "summary.html"
    try:
        with whole_file(path) as part:
            part.write_text(summary_page(rows, output, title, facts), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({reason_of(error)}); batch.csv holds what it shows.") from error
    return path


def summary_page(rows: Sequence[Mapping[str, Any]], output: Path, title: str, facts: str) -> str:
    """Return the page as HTML; see `write_summary`."""
    read = [row for row in rows if row["state"] in ("read", "read before") and row.get("areas") is not None]
    failed = [row for row in rows if str(row["state"]).startswith("failed")]
    by_confidence = sorted(read, key=_lowest_confidence)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class=notice>{escape(RESEARCH_USE)}</p>",
        f"<p>{escape(facts)}</p>",
        _numbers(rows, read),
        "<div class=charts>",
        _histogram("Areas of abnormal uptake in a study", [float(row["areas"]) for row in read], AREAS, whole=True),
        _histogram("Abnormal area in a study (cm²)", [_number(row.get("area_cm2")) for row in read], AREAS_CM2),
        "</div>",
        _review_first(by_confidence[:LISTED], len(read)),
        _failures(failed),
        _left_out([row for row in rows if row["state"] == "left out"]),
        _contact_sheet(by_confidence, output),
    ]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
    body = "".join(parts)
    return f"<!doctype html><html lang=en><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>\n"


def _lowest_confidence(row: Mapping[str, Any]) -> float:
    """Return the lowest confidence of a reading's areas and of its box."""
    return min(_number(row.get(name), 1.0) for name in ("lowest_confidence", "crop_confidence"))


def _number(value: Any, default: float = 0.0) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def _numbers(rows: Sequence[Mapping[str, Any]], read: Sequence[Mapping[str, Any]]) -> str:
    states = Counter(str(row["state"]) for row in rows)
    counts = {
        "studies read": len(read),
        "with abnormal uptake": sum(_number(row["areas"]) > 0 for row in read),
        "with a warning": sum(bool(row.get("warnings")) for row in read),
        "failed": states["failed"] + states["failed before"],
        "not read yet": states["not read yet"],
    }
    shown = {name: count for name, count in counts.items() if count or name != "not read yet"}
    return f"<div class=numbers>{''.join(f'<div><b>{count}</b>{name}</div>' for name, count in shown.items())}</div>"


def _histogram(title: str, values: Sequence[float], ends: Sequence[float], *, whole: bool = False) -> str:
    """Return a histogram as SVG, with a count on each bar.

    Args:
        title: heading.
        values: the values to count.
        ends: upper limits of the bins.
        whole: the values are integers.
    """
    counts = [0] * (len(ends) + 1)
    for value in values:
        counts[sum(value > end for end in ends)] += 1
    names = [
        f"{ends[0]:g}",
        *(_between(low + whole, high) for low, high in pairwise(ends)),
        f"> {ends[-1]:g}",
    ]
    width, height, most = 54, 120, max(counts) or 1
    bars = []
    for index, (count, name) in enumerate(zip(counts, names, strict=True)):
        bar_height = round(height * count / most, 1)
        middle, top = index * width + width / 2, 16 + height - bar_height
        bars.append(
            f"<rect x={index * width + 6} y={top} width={width - 12} height={bar_height}></rect>"
            f"<text class=count x={middle} y={top - 3} text-anchor=middle>{count}</text>"
            f"<text x={middle} y={height + 32} text-anchor=middle>{escape(name)}</text>"
        )
    total_width = len(counts) * width
    return (
        f"<div><h2>{escape(title)}</h2><svg viewBox='0 0 {total_width} {height + 40}' width={total_width} role=img "
        f"aria-label='{escape(title)}'>{''.join(bars)}</svg></div>"
    )


def _between(low: float, high: float) -> str:
    return f"{high:g}" if high == low else f"{low:g}-{high:g}"


def _review_first(rows: Sequence[Mapping[str, Any]], total: int) -> str:
    heads = ("Case", "Areas", "cm²", "Lowest confidence of an area", "Confidence of the box", "Warnings")
    lines = [
        (
            _link(row),
            _cell(row.get("areas")),
            _cell(row.get("area_cm2")),
            _cell(row.get("lowest_confidence"), 2),
            _cell(row.get("crop_confidence"), 2),
            f"<td>{escape(str(row.get('warnings') or ''))}</td>",
        )
        for row in rows
    ]
    note = f"<p>The {len(rows)} of {total} studies with the lowest confidence, lowest first.</p>" if rows else ""
    return f"<h2>Review these first</h2>{note}{_table(heads, lines, numbers=range(1, 5))}"


def _link(row: Mapping[str, Any]) -> str:
    case = str(row["case"])
    return f"<td><a href='{quote(case)}/'>{escape(case)}</a></td>"


def _cell(value: Any, digits: int | None = None) -> str:
    if value in (None, ""):
        return "<td class=number>-</td>"
    return f"<td class=number>{escape(f'{_number(value):.{digits}f}' if digits is not None else str(value))}</td>"


def _failures(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [_texts(row["input"], row["reason"]) for row in rows[:LISTED]]
    more = f"<p>and {len(rows) - LISTED} more in failures.csv</p>" if len(rows) > LISTED else ""
    return f"<h2>Failures</h2>{_table(('File or study', 'Reason'), lines)}{more}"


def _left_out(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [_texts(row["reason"], row["input"]) for row in rows]
    return f"<h2>Left out</h2>{_table(('Reason', 'First such file'), lines)}" if rows else ""


def _texts(*values: Any) -> list[str]:
    return [f"<td>{escape(str(value))}</td>" for value in values]


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)
    top = "".join(f"<th{' class=number' if index in right else ''}>{head}</th>" for index, head in enumerate(heads))
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    return f"<div class=wide><table><tr>{top}</tr>{body}</table></div>" if body else "<p>None.</p>"


def _contact_sheet(rows: Sequence[Mapping[str, Any]], output: Path) -> str:
    """Return small pictures of the first studies; "" for a run without pictures."""
    figures: list[str] = []
    for row in rows:
        if len(figures) == PICTURES:
            break
        case = str(row["case"])
        picture = _thumbnail(output / case / "overview.png")
        if picture:
            caption = f"{case}: {row['areas']} area{'' if str(row['areas']) == '1' else 's'}, {row.get('area_cm2')} cm²"
            figures.append(
                f"<figure><a href='{quote(case)}/overview.png'><img loading=lazy alt='{escape(caption)}' "
                f"src='data:image/jpeg;base64,{picture}'></a><figcaption>{escape(caption)}</figcaption></figure>"
            )
    return f"<h2>Contact sheet</h2><div class=sheet>{''.join(figures)}</div>" if figures else ""


def _thumbnail(path: Path) -> str:
    """Return a small JPEG of a picture in base64; "" if there is no picture."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH), reducing_gap=2.0)
    except (OSError, ValueError):
        return ""
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()
