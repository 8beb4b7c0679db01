"""Render `comparison.html`, a self-contained page: scans side by side, burden over time, change of each lesion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from html import escape

from ..common.dates import format_date
from ..common.notice import RESEARCH_USE
from ..quantification.results import ReviewState
from .picture import COLORS, inline, render_scan
from .results import Change, Comparison, TimePoint, TrackPoint

__all__ = ["render_page"]

CHANGE_TEXTS: dict[Change, str] = {
    "first": "first seen",
    "new": "new",
    "grown": "grown",
    "stable": "stable",
    "smaller": "smaller",
    "gone": "gone",
    "absent": "-",
    "unclear": "unclear: a view is missing",
}
LEGEND: tuple[Change, ...] = ("new", "grown", "stable", "smaller", "gone", "unclear")
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #191919; margin: 24px auto; max-width: 1280px; padding: 0 16px; }
h1 { font-size: 21px; } h2 { font-size: 16px; margin-top: 26px; }
.scans { display: flex; flex-wrap: wrap; gap: 18px; } figure { margin: 0; } figcaption { margin-bottom: 4px; }
img { max-width: 100%; } table { border-collapse: collapse; } th, td { padding: 3px 10px; text-align: left; }
th { border-bottom: 1px solid #999; font-weight: 600; } td { border-bottom: 1px solid #e3e3e3; }
td.number, th.number { text-align: right; } .key { display: inline-block; margin-right: 14px; }
.dot { display: inline-block; width: 11px; height: 11px; margin-right: 5px; border-radius: 50%; }
.notice { border: 1px solid #999; padding: 6px 10px; margin: 14px 0; font-weight: 600; } .faint { color: #666; }
.warnings { background: #fff4ce; color: #513c00; border: 1px solid #c19c00; padding: 6px 10px 6px 28px; }
"""
#: Size and margins of a plot in units of its SVG.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 380, 190, 52, 18, 26, 34
#: Distance from the axes to the first and the last point, and smallest distance between two dates below a plot.
INSET, DATE = 34, 58


def render_page(comparison: Comparison) -> str:
    """Return the page as HTML with embedded pictures."""
    times = comparison.times
    figures = "".join(
        f"<figure><figcaption><b>{escape(_title(time))}</b></figcaption>"
        f'<img src="{inline(render_scan(comparison, number))}" alt="{escape(_title(time))}"></figure>'
        for number, time in enumerate(times)
    )
    plots = "".join(
        _plot(title, times, values)
        for title, values in (
            ("Lesions", [float(time.quantification.burden.lesions) for time in times]),
            ("Lesion area (cm²)", [time.quantification.burden.area_mm2 / 100 for time in times]),
            ("Planar bone scan index (%)", [time.quantification.index.percent for time in times]),
        )
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Comparison of {len(times)} scans</title>'
        f"<style>{STYLE}</style></head><body><h1>Comparison of {len(times)} scans</h1>"
        f'<div class="notice">{RESEARCH_USE}. Areas of abnormal uptake, matched by a program; '
        "a physician must confirm them.</div>"
        f"{_warnings(comparison)}<p>{_summary(comparison)}</p>{_indices(times)}<h2>Scans</h2><p>{_legend()}</p>"
        f'<div class="scans">{figures}</div><h2>Over time</h2>{plots}<h2>Lesions</h2>{_table(comparison)}'
        f'<p class="faint">A lesion has grown, or is smaller, where its area changed by a factor of more than '
        f"{comparison.limits.area_factor:.2f}: 95 % of the changes in an unchanged patient are smaller. "
        f"{escape(comparison.limits.source)} Uptake is in mean counts per pixel of the scan's healthy bone. "
        "No response criteria are applied.</p></body></html>\n"
    )


def _title(time: TimePoint) -> str:
    return f"{format_date(time.date)} {time.name}".strip()


def _summary(comparison: Comparison) -> str:
    """Return the numbers of changes between consecutive scans, and the state of every review."""
    parts = []
    for one, two, step in zip(comparison.times, comparison.times[1:], comparison.steps, strict=False):
        counted = ", ".join(f"{value} {name}" for name, value in step.__dict__.items())
        parts.append(f"{escape(_title(one))} to {escape(_title(two))}: {counted}.")
    reviews = "; ".join(f"{escape(time.name)} {_review(time.quantification.review)}" for time in comparison.times)
    return "<br>".join([*parts, f'<span class="faint">Review: {reviews}.</span>'])


def _review(review: ReviewState) -> str:
    """Return whether a physician reviewed a scan, and the decisions."""
    if review.state == "not reviewed":
        return "not reviewed by a physician: every area is the model's prediction"
    numbers = [
        f"{getattr(review, name)} {text}"
        for name, text in (("accepted", "accepted"), ("rejected", "rejected"), ("open", "left open"))
    ]
    changed = [
        f"{getattr(review, name)} {text}"
        for name, text in (("edited", "edited"), ("erased", "erased"), ("reclassified", "classified"))
        if getattr(review, name)
    ]
    return f"{review.state} by a physician ({', '.join(numbers + changed)})"


def _decided(time: TimePoint, point: TrackPoint) -> str:
    """Return what a physician decided on the areas of a lesion; "" where only the model did."""
    lesions = [time.quantification.lesion(each) for each in point.lesions]
    texts = [
        "edited" if each.decision == "open" and each.edited else each.classification or each.decision
        for each in lesions
        if each.decided_by == "physician"
    ]
    return f'<br><span class="faint">{", ".join(dict.fromkeys(texts))} by a physician</span>' if texts else ""


def _warnings(comparison: Comparison) -> str:
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in comparison.warnings)
    return f'<ul class="warnings">{lines}</ul>' if lines else ""


def _indices(times: Sequence[TimePoint]) -> str:
    """Return the reasons of scans without a bone scan index."""
    lines = [
        f"{escape(time.name)}: planar bone scan index not computable. {escape(time.quantification.index.reason)} "
        f"{escape(time.quantification.index.remedy)}"
        for time in times
        if time.quantification.index.percent is None
    ]
    return f'<p class="faint">{"<br>".join(lines)}</p>' if lines else ""


def _legend() -> str:
    return "".join(
        f'<span class="key"><span class="dot" style="background: rgb{COLORS[name]}"></span>{CHANGE_TEXTS[name]}'
        f"{' (dotted, at its former position)' if name == 'gone' else ''}</span>"
        for name in LEGEND
    )


def _table(comparison: Comparison) -> str:
    head = "".join(
        f'<th>{escape(_title(time))}</th><th class="number">area (cm²)</th><th class="number">uptake</th>'
        for time in comparison.times
    )
    rows = []
    for track in comparison.tracks:
        cells = ""
        for time, point in zip(comparison.times, track.points, strict=True):
            area, uptake = (
                (f"{point.area_mm2 / 100:.1f}", f"{point.uptake_per_mean:.0f}") if point.lesions else ("", "")
            )
            cells += (
                f'<td style="color: rgb{COLORS[point.change]}">{CHANGE_TEXTS[point.change]}{_decided(time, point)}</td>'
                f'<td class="number">{area}</td><td class="number">{uptake}</td>'
            )
        rows.append(f'<tr><td class="number">{track.number}</td><td>{escape(track.bone or "-")}</td>{cells}</tr>')
    return f'<table><tr><th class="number">no.</th><th>bone</th>{head}</tr>{"".join(rows)}</table>'


def _axis_end(largest: float) -> float:
    """Return a round number at least 15 % above the largest value."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(1.15 * largest))
    return power * next(factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if factor * power >= 1.15 * largest)


def _plot(title: str, times: Sequence[TimePoint], values: Sequence[float | None]) -> str:
    """Return a plot over time as SVG, in proportion to the days between the scans; a scan without a value has no point.

    A date that would overlap the date before it is left out.
    """
    known = [value for value in values if value is not None]
    top = _axis_end(max(known, default=0.0))
    width = WIDTH - LEFT - RIGHT - 2 * INSET
    places = [LEFT + INSET + width * part for part in _parts([time.date for time in times])]
    points = [
        (places[number], HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), value)
        for number, value in enumerate(values)
        if value is not None
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#005cb9"/>'
        f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">{value:.3g}</text>'
        for x, y, value in points
    )
    days = "".join(
        f'<text x="{places[number]:.1f}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"{escape(_day(times[number], number))}</text>"
        for number in _apart(places)
    )
    missing = "" if points else f'<text x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">not computable</text>'
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="11" role="img" '
        f'aria-label="{escape(title)}"><text x="{LEFT}" y="14" font-weight="bold">{escape(title)}</text>'
        f'<line x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH - RIGHT}" y2="{HEIGHT - BOTTOM}" stroke="#999"/>'
        f'<line x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{HEIGHT - BOTTOM}" stroke="#999"/>'
        f'<text x="{LEFT - 6}" y="{HEIGHT - BOTTOM}" text-anchor="end">0</text>'
        f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{top:g}</text>'
        f'<polyline points="{line}" fill="none" stroke="#005cb9" stroke-width="1.5"/>{dots}{days}{missing}</svg>'
    )


def _parts(dates: Sequence[str]) -> list[float]:
    """Return the place 0..1 of every scan on the axis of time; evenly spaced if a date is missing or all are one day.

    Args:
        dates: YYYYMMDD, in order; "" if unknown.
    """
    if all(dates) and dates[0] != dates[-1]:
        days = [datetime.strptime(date, "%Y%m%d").toordinal() for date in dates]
        return [(day - days[0]) / (days[-1] - days[0]) for day in days]
    return [number / max(len(dates) - 1, 1) for number in range(len(dates))]


def _apart(places: Sequence[float]) -> list[int]:
    """Return the indices of places that are at least DATE apart; the last one is among them."""
    kept: list[int] = []
    for number in reversed(range(len(places))):
        if not kept or places[kept[-1]] - places[number] >= DATE:
            kept.append(number)
    return kept[::-1]


def _day(time: TimePoint, number: int) -> str:
    title = _title(time)
    return title[:10] if time.date else f"scan {number + 1}"
