"""Dates for display."""

from __future__ import annotations

__all__ = ["format_date"]


def format_date(date: str) -> str:
    """Format a DICOM date (DA, PS3.5 6.2) as year-month-day; return "" for any other text.

    >>> format_date("20240131"), format_date("unknown")
    ('2024-01-31', '')
    """
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else ""
