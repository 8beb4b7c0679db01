"""HTML parts of the reports: style, table, legend, and a whole document in one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import isfinite

from SpectBoneMetSegLib.common.notice import RESEARCH_USE

from .pictures import COLOURS

__all__ = ["cell", "document", "files_notice", "interval_cell", "legend", "table"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d1d1f; max-width: 1000px; margin: 2.2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .3rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.notice { border-left: 3px solid #0072B2; padding: .3rem .9rem; background: #f4f7fa }
.verdict { font-size: 1.1rem; border: 1px solid #ccc; border-radius: 6px; padding: .7rem 1rem }
.good { border-color: #00704f; background: #f0f8f4 } .bad { border-color: #b03a00; background: #fcf4ef }
table { border-collapse: collapse; font-size: .88rem; margin: .8rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .28rem .6rem; border-bottom: 1px solid #e3e3e6; text-align: right }
th:first-child, td:first-child { text-align: left } th { border-bottom: 1.5px solid #999 }
figure { display: inline-block; margin: .4rem .8rem 1.2rem 0; vertical-align: top }
img { max-width: 100%; height: auto }
figcaption { color: #444; font-size: .88rem } .scroll { overflow-x: auto }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page; `parts` are HTML."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<p class='notice'><b>{escape(RESEARCH_USE)}.</b></p>{''.join(parts)}</body></html>\n"
    )


def files_notice() -> str:
    """Return the notice of a page that names the user's files in place of pseudonyms."""
    return "<p class='notice'>This page names your files. Keep it on this machine; do not pass it on.</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts with the first column left-aligned."""
    lines = ["".join(f"<th>{escape(text)}</th>" for text in head)]
    lines += ["".join(f"<td>{escape(text)}</td>" for text in row) for row in rows]
    return "<div class='scroll'><table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></div>"


def cell(value: float | None, digits: int = 3) -> str:
    """Format a figure; "-" if undefined."""
    return "-" if value is None or not isfinite(value) else f"{value:.{digits}f}"


def interval_cell(low: float, high: float) -> str:
    """Format an interval; "-" if it is undefined, or has no width because all samples were alike."""
    return f"{cell(low)} to {cell(high)}" if isfinite(low) and low < high else "-"


def legend(names: Sequence[tuple[str, str]]) -> str:
    """Return a legend of (name in COLOURS, label)."""
    items = (f"<span style='color:rgb{COLOURS[name]}'>&#9632;</span> {escape(label)}" for name, label in names)
    return f"<p>{' &nbsp; '.join(items)}. Both views as seen from the front, dark is hot.</p>"
