"""Dates and durations for display."""

from __future__ import annotations

from datetime import datetime

__all__ = ["duration", "format_date", "plain_date"]


def plain_date(date: str) -> str:
    """Return a date as DICOM writes it, YYYYMMDD (DA, PS3.5 6.2); "" for what is no date.

    Dots, which ACR-NEMA wrote, and hyphens are dropped, so that the dates of two systems sort by time.

    >>> plain_date("2024.01.31"), plain_date("20241399")
    ('20240131', '')
    """
    digits = date.strip().replace(".", "").replace("-", "")
    try:
        return digits if datetime.strptime(digits, "%Y%m%d").strftime("%Y%m%d") == digits else ""
    except ValueError:
        return ""


def format_date(date: str) -> str:
    """Format a DICOM date as year-month-day; return "" for any other text.

    >>> format_date("20240131"), format_date("unknown")
    ('2024-01-31', '')
    """
    plain = plain_date(date)
    return f"{plain[:4]}-{plain[4:6]}-{plain[6:]}" if plain else ""


def duration(seconds: float) -> str:
    """Format a duration in the unit that suits it: "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
