"""Draw the scans of a comparison, every lesion in the colour of its change."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..export.picture_parts import grey_picture
from ..lesions.components import outlines_of
from ..quantification.field import exposed
from ..scan.display import display_window, side_marks
from ..scan.planar import PlanarView, ViewName
from .results import Change, Comparison, TimePoint, TrackPoint

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["COLORS", "inline", "render_scan"]

Color = tuple[int, int, int]
#: Colours that colour-blind readers can distinguish; a lesion that is gone is dotted, which also shows in grey print.
COLORS: dict[Change, Color] = {
    "first": (0, 92, 185),
    "new": (190, 0, 40),
    "grown": (225, 110, 0),
    "stable": (0, 92, 185),
    "smaller": (0, 150, 130),
    "gone": (90, 90, 90),
    "absent": (120, 120, 120),
    "unclear": (210, 115, 180),
}
#: Height of a view in pixels of the page, and factor of oversampling.
HEIGHT, SCALE = 620, 2
INK = (25, 25, 25)


def render_scan(comparison: Comparison, number: int) -> bytes:
    """Return both views of one scan as PNG, posterior from behind, lesions with the numbers of their tracks.

    Args:
        comparison: the comparison.
        number: index of the scan.
    """
    from PIL import Image

    time = comparison.times[number]
    marks = [(track.number, track.points[number]) for track in comparison.tracks]
    pictures = [_view(time, name, view, marks) for name, view in time.reading.scan.views.items()]
    whole = np.full((max(each.shape[0] for each in pictures), 0, 3), 255, np.uint8)
    for each in pictures:
        padded = np.full((whole.shape[0], each.shape[1] + 12, 3), 255, np.uint8)
        padded[: each.shape[0], : each.shape[1]] = each
        whole = np.concatenate([whole, padded], axis=1)
    stream = io.BytesIO()
    Image.fromarray(whole).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def inline(png: bytes) -> str:
    """Return a PNG as a data URL, for a self-contained page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _view(time: TimePoint, name: ViewName, view: PlanarView, marks: list[tuple[int, TrackPoint]]) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    # Matrices are often larger than the exposed field: crop to it.
    down, across = exposed(view.counts)
    rows, columns = max(down.stop - down.start, 1), max(across.stop - across.start, 1)
    corner = np.array([down.start, across.start])
    scale = HEIGHT * SCALE / (rows * view.spacing[0])
    size = round(columns * view.spacing[1] * scale), HEIGHT * SCALE
    black = display_window(view.counts)[1]
    edges = (down.start - 0.5, across.start - 0.5, down.start + rows - 0.5, across.start + columns - 0.5)
    image = grey_picture(view, edges, size, black)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(11 * SCALE)
    factor = np.array([view.spacing[0] * scale, view.spacing[1] * scale])
    own = time.reading.view_masks[name]
    outlines = outlines_of(own)
    for track, point in marks:
        color = COLORS[point.change]
        pieces = [piece for lesion in point.lesions for piece in outlines.get(lesion, [])]
        for piece in pieces:
            corners = (piece - corner + 0.5) * factor
            line = [(column, row) for row, column in np.vstack([corners, corners[:1]]).tolist()]
            draw.line(line, fill=color, width=SCALE)
        if not point.lesions and point.change != "absent" and len(point.positions):
            _dotted(draw, _pixels(point.positions, view) - corner, factor, color)
        if point.change != "absent":
            position = _label_position(pieces, point, view)
            if position is not None:
                y, x = (position - corner) * factor
                draw.text(
                    (x + 5 * SCALE, y), str(track), fill=color, font=font, stroke_width=SCALE, stroke_fill=(255,) * 3
                )
    left, right = side_marks(view)
    draw.text((4 * SCALE, 3 * SCALE), left, fill=INK, font=font)
    draw.text((size[0] - 4 * SCALE, 3 * SCALE), right, fill=INK, font=font, anchor="ra")
    draw.rectangle([0, 0, size[0] - 1, size[1] - 1], outline=(170, 170, 170))
    return np.asarray(image.resize((size[0] // SCALE, size[1] // SCALE), Image.Resampling.BOX))


def _label_position(
    pieces: list[NDArray[np.float64]], point: TrackPoint, view: PlanarView
) -> NDArray[np.float64] | None:
    """Return (row, column) to the right of a lesion; None if this view does not show it."""
    if pieces:
        corners = np.concatenate(pieces)
        return np.array([corners[:, 0].mean() - 2, corners[:, 1].max() + 0.5])
    if not point.lesions and len(point.positions):
        pixels = _pixels(point.positions, view)
        return np.array([pixels[:, 0].mean() - 2, pixels[:, 1].max() + 0.5])
    return None


def _dotted(draw: ImageDraw, pixels: NDArray[np.float64], factor: NDArray[np.float64], color: Color) -> None:
    """Draw a dotted ellipse around the former pixels of a lesion, (n, 2) row and column."""
    middle, half = pixels.mean(0), np.maximum(1.3 * pixels.std(0) * np.sqrt(2), 2.5)
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        y, x = (middle + half * [np.sin(angle), np.cos(angle)] + 0.5) * factor
        draw.ellipse([x - SCALE, y - SCALE, x + SCALE, y + SCALE], fill=color)


def _pixels(positions: NDArray[np.float64], view: PlanarView) -> NDArray[np.float64]:
    """Return (n, 2) row, column in a view of (n, 2) R, S in mm."""
    ras = np.column_stack([positions[:, 0], np.zeros(len(positions)), positions[:, 1], np.ones(len(positions))])
    ijk = ras @ np.linalg.inv(view.ijk_to_ras).T
    return np.asarray(ijk[:, [1, 0]])
