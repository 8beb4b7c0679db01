"""Durations as text, for progress and estimates."""

from __future__ import annotations

__all__ = ["duration"]


def duration(seconds: float) -> str:
    """Format a duration in the unit that suits it: "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
