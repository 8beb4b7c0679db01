"""Parts of pictures: counts in grey, grey bars, dashed lines, numbers beside outlines, wrapped sentences."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import PlanarView
from .label_placement import place_labels

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = [
    *("dashed_box", "dashed_outline", "grey_picture", "region_black", "text_size", "wrapped", "write_numbers"),
    "write_text",
]

Color = tuple[int, int, int]
Region = tuple[float, float, float, float]

WHITE = (255, 255, 255)
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


def write_text(
    draw: ImageDraw, x: float, y: float, text: str, size: int, color: Color, anchor: str = "mm", halo: int = 0
) -> None:
    """Text at a place; a halo of so many pixels keeps it readable on dark uptake."""
    draw.text((x, y), text, fill=color, font=_font(size), anchor=anchor, stroke_width=halo, stroke_fill=WHITE)


def text_size(draw: ImageDraw, text: str, size: int, halo: int = 0) -> tuple[float, float]:
    """(height, width) of a text with its halo."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=_font(size), stroke_width=halo)
    return bottom - top, right - left


def write_numbers(
    draw: ImageDraw,
    drawn: Mapping[int, Sequence[NDArray[np.float64]]],
    bounds: Region,
    size: int,
    color: Color,
    halo: int,
    gap: int,
    leader: int = 1,
) -> None:
    """Every lesion's number beside its outline, with a thin leader where it had to stand further away.

    Args:
        drawn: {number: outlines, each (n, 2) of row and column in the picture}.
        size: of the letters.
        gap: between outline and number, in pixels.
        leader: width of the line, in pixels.
    """
    boxes = {number: text_size(draw, str(number), size, halo) for number in drawn}
    outlines = {number: np.concatenate(pieces) for number, pieces in drawn.items()}
    middles = {}
    for number, (top, left, anchor) in place_labels(outlines, boxes, bounds, gap=gap).items():
        height, width = boxes[number]
        middles[number] = (left + width / 2, top + height / 2)
        if anchor is not None:
            draw.line([(anchor[1], anchor[0]), middles[number]], fill=color, width=leader)
    # All numbers after all leaders, so that no leader crosses a number.
    for number, (x, y) in middles.items():
        write_text(draw, x, y, str(number), size, color, halo=halo)


@cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


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
