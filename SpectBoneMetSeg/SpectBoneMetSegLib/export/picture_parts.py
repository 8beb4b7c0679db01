"""Parts of pictures: counts in grey, text, numbered and dashed outlines, wrapped sentences."""

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
#: Share of a region's pixels that may saturate in its enlargement.
REGION_SATURATED = 0.002


def region_black(view: PlanarView, region: Region, body_black: float) -> float:
    """Return the counts that are displayed black in an enlargement, from the region's own counts.

    Args:
        view: the view.
        region: (top, left, bottom, right) pixel edges.
        body_black: counts that are black for the whole body; the result is at least half of it, for empty regions.
    """
    top, left, bottom, right = (round(edge + 0.5) for edge in region)
    inside = view.counts[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    filled = inside[inside > 0]
    own = float(np.quantile(filled, 1 - REGION_SATURATED)) if filled.size else 0.0
    return max(own, body_black / 2, 1.0)


def grey_picture(view: PlanarView, region: Region, size: tuple[int, int], black: float) -> Image:
    """Return a region of a view in inverted grey.

    Args:
        view: the view.
        region: (top, left, bottom, right) pixel edges; it may exceed the view.
        size: (width, height) of the picture.
        black: counts that are black.
    """
    from PIL import Image

    grey = Image.fromarray(255 - np.clip(view.counts / black * 255, 0, 255).astype(np.uint8))
    top, left, bottom, right = (round(edge + 0.5) for edge in region)
    # Outside the field there are no counts: white. (A crop by PIL would be black there.)
    field = Image.new("L", (right - left, bottom - top), 255)
    field.paste(grey, (-left, -top))
    return field.resize(size, Image.Resampling.BICUBIC).convert("RGB")


def write_text(
    draw: ImageDraw, x: float, y: float, text: str, size: int, color: Color, anchor: str = "mm", halo: int = 0
) -> None:
    """Draw text at (x, y), with a white halo of `halo` pixels that keeps it readable on dark uptake."""
    draw.text((x, y), text, fill=color, font=_font(size), anchor=anchor, stroke_width=halo, stroke_fill=WHITE)


def text_size(draw: ImageDraw, text: str, size: int, halo: int = 0) -> tuple[float, float]:
    """Return (height, width) of a text with its halo, in pixels."""
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
    """Draw every lesion's number next to its outline, with a leader line if it is further away.

    Args:
        draw: the picture.
        drawn: {number: outlines, each (n, 2) of row and column in the picture}.
        bounds: (top, left, bottom, right) of the panel.
        size: font size.
        color: of numbers and leaders.
        halo: width of the white halo, in pixels.
        gap: between outline and number, in pixels.
        leader: width of the leader line, in pixels.
    """
    boxes = {number: text_size(draw, str(number), size, halo) for number in drawn}
    outlines = {number: np.concatenate(pieces) for number, pieces in drawn.items()}
    middles = {}
    for number, (top, left, anchor) in place_labels(outlines, boxes, bounds, gap=gap).items():
        height, width = boxes[number]
        middles[number] = (left + width / 2, top + height / 2)
        if anchor is not None:
            draw.line([(anchor[1], anchor[0]), middles[number]], fill=color, width=leader)
    # Numbers after leaders, so that no leader is drawn over a number.
    for number, (x, y) in middles.items():
        write_text(draw, x, y, str(number), size, color, halo=halo)


@cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def dashed_outline(draw: ImageDraw, polygon: NDArray[np.float64], color: Color | int, width: int) -> None:
    """Draw a closed (n, 2) polygon of (row, column) corners, dashed in steps of four line widths."""
    closed = np.vstack((polygon, polygon[:1]))
    steps = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    dash = 4.0 * width
    for start in np.arange(0, along[-1], 2 * dash):
        distances = np.linspace(start, min(start + dash, along[-1]), 5)
        rows, columns = (np.interp(distances, along, closed[:, axis]) for axis in (0, 1))
        draw.line(list(zip(columns.tolist(), rows.tolist(), strict=True)), fill=color, width=width)


def dashed_box(draw: ImageDraw, corners: NDArray[np.float64], bounds: Region, color: Color, width: int) -> None:
    """Draw a dashed rectangle between two (row, column) corners, clipped to the panel."""
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
    """Wrap sentences into at most `most` lines of at most `letters` characters; the last line counts the rest."""
    lines: list[str] = []
    for number, sentence in enumerate(sentences):
        more = textwrap.wrap(sentence, letters) or [""]
        rest = len(sentences) - number
        if len(lines) + len(more) > most - (rest > 1):
            return [*lines, f"and {rest} more note{'' if rest == 1 else 's'} in receipt.json"]
        lines += more
    return lines
