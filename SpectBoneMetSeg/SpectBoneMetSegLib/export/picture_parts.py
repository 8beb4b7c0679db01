"""Parts of the overview: counts in grey, grey bars, dashed lines, wrapped sentences."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import PlanarView

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["dashed_box", "dashed_outline", "grey_picture", "region_black", "wrapped"]

Color = tuple[int, int, int]
Region = tuple[float, float, float, float]

#: Share of a region's own hottest pixels that may be black in its enlargement.
REGION_SATURATED = 0.002


def region_black(view: PlanarView, region: Region, body_black: float) -> float:
    """Counts that are black in an enlargement of `region` (pixel edges): its own level, not to make all bones black.

    Never less than half the whole body's level: an empty region has no use for a window of its own.
    """
    top, left, bottom, right = (round(edge + 0.5) for edge in region)
    inside = view.counts[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    filled = inside[inside > 0]
    own = float(np.quantile(filled, 1 - REGION_SATURATED)) if filled.size else 0.0
    return max(own, body_black / 2, 1.0)


def grey_picture(view: PlanarView, region: Region, size: tuple[int, int], black: float) -> Image:
    """The counts of a region of `view` (its own pixel edges) in inverted grey, resized to (width, height)."""
    from PIL import Image

    grey = Image.fromarray(255 - np.clip(view.counts / black * 255, 0, 255).astype(np.uint8))
    top, left, bottom, right = (round(edge + 0.5) for edge in region)
    # PIL fills what a crop reaches beyond the picture with black; outside the field there are no counts: white.
    field = Image.new("L", (right - left, bottom - top), 255)
    field.paste(grey, (-left, -top))
    return field.resize(size, Image.Resampling.BICUBIC).convert("RGB")


def dashed_outline(draw: ImageDraw, polygon: NDArray[np.float64], color: Color | int, width: int) -> None:
    """A closed (n, 2) polygon of (row, column) corners in dashes of about four widths."""
    closed = np.vstack((polygon, polygon[:1]))
    steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    dash = 4.0 * width
    for start in np.arange(0, along[-1], 2 * dash):
        where = np.linspace(start, min(start + dash, along[-1]), 5)
        rows, columns = (np.interp(where, along, closed[:, axis]) for axis in (0, 1))
        draw.line(list(zip(columns.tolist(), rows.tolist(), strict=True)), fill=color, width=width)


def dashed_box(draw: ImageDraw, corners: NDArray[np.float64], bounds: Region, color: Color, width: int) -> None:
    """A thin dashed rectangle between two (row, column) corners, kept inside the panel."""
    (top, bottom), (left, right) = np.sort(corners[:, 0]), np.sort(corners[:, 1])
    top, bottom = max(top, bounds[0] + 2), min(bottom, bounds[2] - 3)
    left, right = max(left, bounds[1] + 2), min(right, bounds[3] - 3)
    dash = 5 * width
    for row in (top, bottom):
        for start in np.arange(left, right, 2 * dash):
            draw.line([(start, row), (min(start + dash, right), row)], fill=color, width=width)
    for column in (left, right):
        for start in np.arange(top, bottom, 2 * dash):
            draw.line([(column, start), (column, min(start + dash, bottom))], fill=color, width=width)


def wrapped(sentences: list[str], letters: int, most: int) -> list[str]:
    """Sentences as lines of at most `letters` letters, at most `most` lines; what does not fit is counted."""
    lines: list[str] = []
    for number, sentence in enumerate(sentences):
        more = textwrap.wrap(sentence, letters) or [""]
        rest = len(sentences) - number
        if len(lines) + len(more) > most - (rest > 1):
            return [*lines, f"and {rest} more note{'' if rest == 1 else 's'} in receipt.json"]
        lines += more
    return lines
