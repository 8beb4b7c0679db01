"""`overview.png`: both views as acquired and their aggregate, with the outlines, the way bone scans are read.

Inverted grey (dark = hot), posterior seen from behind, R and L on every panel. Whole bodies on the left, the thorax
crops enlarged with the lesion numbers on the right; a whole-body reading has no crop to enlarge and carries the numbers
itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..common.notice import RESEARCH_USE
from ..lesions.components import outlines_of
from ..lesions.naming import lesion_ids
from ..lesions.results import Reading
from ..scan.display import display_window, side_marks
from ..scan.planar import PlanarView
from ..scan.thorax import ThoraxCrop
from .label_placement import Box, place_labels

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["display_window", "outlines_of", "region_in_view", "render_overview", "side_marks", "write_overview"]

#: Drawn this much larger and then reduced: smooth thin lines without a drawing library.
OVERSAMPLING = 2
BODY_HEIGHT, THORAX_HEIGHT = 960, 456
WIDEST_PANEL = 2.5
MARGIN, HEADER, CAPTION, FOOTER = 16, 52, 24, 34
LISTED = 22

INK, FAINT, OUTLINE, CROP_LINE = (25, 25, 25), (105, 105, 105), (214, 0, 28), (0, 92, 185)


def write_overview(reading: Reading, path: str) -> None:
    """Write the overview as a PNG file; OSError when it cannot be written."""
    from PIL import Image

    Image.fromarray(render_overview(reading)).save(path, compress_level=3)


def render_overview(reading: Reading) -> NDArray[np.uint8]:
    """The overview as a (height, width, 3) uint8 picture; its size follows the field's proportions."""
    from PIL import Image, ImageDraw

    panels = _panels(reading)
    frame = reading.scan.frame
    body = (-0.5, -0.5, frame.shape[0] - 0.5, frame.shape[1] - 0.5)
    crop = _edges(reading.crop)
    enlarge = (crop[2] - crop[0]) < 0.6 * frame.shape[0]
    body_width = _width(body, frame, BODY_HEIGHT)
    thorax_width = _width(crop, frame, THORAX_HEIGHT) if enlarge else 0
    width = 4 * MARGIN + 3 * body_width + (2 * MARGIN + 2 * thorax_width if enlarge else 0)
    # Room for the list and the words also where the field is a narrow one.
    width = max(width, 620, 5 * MARGIN + 3 * body_width + thorax_width + 250 if enlarge else 0)
    height = HEADER + CAPTION + BODY_HEIGHT + FOOTER
    scale = OVERSAMPLING
    image = Image.new("RGB", (width * scale, height * scale), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    _write_header(draw, reading, width, height)
    for index, (title, view, ids) in enumerate(panels):
        left = MARGIN + index * (body_width + MARGIN)
        place = (left, HEADER + CAPTION, left + body_width, HEADER + CAPTION + BODY_HEIGHT)
        _draw_panel(image, title, view, ids, reading, body, place, numbered=not enlarge)
        if enlarge:
            left = 4 * MARGIN + 3 * body_width + (index % 2) * (thorax_width + MARGIN)
            top = HEADER + CAPTION + (index // 2) * (BODY_HEIGHT - THORAX_HEIGHT)
            place = (left, top, left + thorax_width, top + THORAX_HEIGHT)
            _draw_panel(image, f"{title}, thorax", view, ids, reading, crop, place, numbered=True)
    if enlarge:
        left = 5 * MARGIN + 3 * body_width + thorax_width
        _write_list(draw, reading, left, HEADER + CAPTION + BODY_HEIGHT - THORAX_HEIGHT)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def region_in_view(edges: Box, frame: PlanarView, view: PlanarView) -> Box:
    """(top, left, bottom, right) pixel edges of the anterior frame as pixel edges of `view`'s own grid.

    On the posterior view as acquired left and right change places.
    """
    ijk = np.array([[edges[1], edges[0], 0.0, 1.0], [edges[3], edges[2], 0.0, 1.0]])
    ras = frame.ijk_to_ras @ ijk.T
    columns, rows = (np.linalg.inv(view.ijk_to_ras) @ ras)[:2]
    return (float(rows.min()), float(columns.min()), float(rows.max()), float(columns.max()))


def _panels(reading: Reading) -> list[tuple[str, PlanarView | None, NDArray[np.uint16] | None]]:
    views = reading.scan.views
    aggregate = reading.scan.frame.with_counts(reading.aggregate)
    return [
        ("Anterior", views.get("anterior"), reading.view_masks.get("anterior")),
        ("Posterior (from behind)", views.get("posterior"), reading.view_masks.get("posterior")),
        ("Aggregate (from the front)", aggregate, lesion_ids(reading)),
    ]


def _edges(crop: ThoraxCrop) -> Box:
    return (crop.rows[0] - 0.5, crop.columns[0] - 0.5, crop.rows[1] - 0.5, crop.columns[1] - 0.5)


def _width(edges: Box, frame: PlanarView, height: int) -> int:
    """Width in pixels of a panel of that height, true to millimetres unless the region is flatter than any body."""
    true = height * (edges[3] - edges[1]) * frame.spacing[1] / (edges[2] - edges[0]) / frame.spacing[0]
    return round(min(max(60, true), WIDEST_PANEL * height))


def _draw_panel(
    image: Image,
    title: str,
    view: PlanarView | None,
    ids: NDArray[np.uint16] | None,
    reading: Reading,
    edges: Box,
    place: tuple[int, int, int, int],
    numbered: bool,
) -> None:
    """One panel: `edges` of the anterior frame shown at `place` (left, top, right, bottom in final pixels)."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    left, top, right, bottom = (OVERSAMPLING * edge for edge in place)
    _text(draw, (place[0] + place[2]) // 2, place[1] - CAPTION + 3, title, 14, INK, "ma")
    if view is not None:
        region = region_in_view(edges, reading.scan.frame, view)
        image.paste(_grey(view, region, (right - left, bottom - top)), (left, top))
        step = np.array([(bottom - top) / (region[2] - region[0]), (right - left) / (region[3] - region[1])])
        shift = np.array([top, left]) - np.array(region[:2]) * step
        polygons = outlines_of(ids) if ids is not None else {}
        drawn = {number: [piece * step + shift for piece in pieces] for number, pieces in polygons.items()}
        bounds = (top, left, bottom, right)
        for piece in (piece for pieces in drawn.values() for piece in pieces):
            closed = np.vstack((piece, piece[:1]))[:, ::-1]
            draw.line([tuple(point) for point in closed.tolist()], fill=OUTLINE, width=OVERSAMPLING, joint="curve")
        crop = np.array(region_in_view(_edges(reading.crop), reading.scan.frame, view)).reshape(2, 2) * step + shift
        if edges != _edges(reading.crop):
            _dashed_box(draw, crop, bounds)
        if numbered:
            _write_numbers(draw, drawn, bounds)
        near, far = side_marks(view)
        _text(draw, place[0] + 6, place[1] + 4, near, 16, INK, "la")
        _text(draw, place[2] - 6, place[1] + 4, far, 16, INK, "ra")
    else:
        _text(draw, (place[0] + place[2]) // 2, (place[1] + place[3]) // 2, "not acquired", 14, FAINT, "mm")
    draw.rectangle((left, top, right - 1, bottom - 1), outline=(170, 170, 170), width=OVERSAMPLING)


def _grey(view: PlanarView, region: Box, size: tuple[int, int]) -> Image:
    """The counts of a region of `view` (its own pixel edges) in inverted grey, resized to (width, height)."""
    from PIL import Image

    low, high = display_window(view.counts)
    grey = Image.fromarray(255 - np.clip((view.counts - low) / (high - low) * 255, 0, 255).astype(np.uint8))
    top, left, bottom, right = (round(edge + 0.5) for edge in region)
    # PIL fills what a crop reaches beyond the picture with black; outside the field there are no counts: white.
    field = Image.new("L", (right - left, bottom - top), 255)
    field.paste(grey, (-left, -top))
    return field.resize(size, Image.Resampling.BICUBIC).convert("RGB")


def _write_numbers(draw: ImageDraw, drawn: dict[int, list[NDArray[np.float64]]], bounds: Box) -> None:
    """Every lesion's number beside its outline, with a thin leader where it had to stand further away."""
    size = 13
    boxes = {number: _text_size(draw, str(number), size) for number in drawn}
    outlines = {number: np.concatenate(pieces) for number, pieces in drawn.items()}
    middles = {}
    for number, (top, left, anchor) in place_labels(outlines, boxes, bounds, gap=3 * OVERSAMPLING).items():
        height, width = boxes[number]
        middles[number] = (left + width / 2, top + height / 2)
        if anchor is not None:
            draw.line([(anchor[1], anchor[0]), middles[number]], fill=OUTLINE, width=OVERSAMPLING)
    # All numbers after all leaders, so that no leader crosses a number.
    for number, (x, y) in middles.items():
        _text(draw, x / OVERSAMPLING, y / OVERSAMPLING, str(number), size, OUTLINE, "mm", halo=True)


def _dashed_box(draw: ImageDraw, corners: NDArray[np.float64], bounds: Box) -> None:
    """A thin dashed rectangle between two (row, column) corners, kept inside the panel."""
    (top, bottom), (left, right) = np.sort(corners[:, 0]), np.sort(corners[:, 1])
    top, bottom = max(top, bounds[0] + 2), min(bottom, bounds[2] - 3)
    left, right = max(left, bounds[1] + 2), min(right, bounds[3] - 3)
    dash = 5 * OVERSAMPLING
    for row in (top, bottom):
        for start in np.arange(left, right, 2 * dash):
            draw.line([(start, row), (min(start + dash, right), row)], fill=CROP_LINE, width=OVERSAMPLING)
    for column in (left, right):
        for start in np.arange(top, bottom, 2 * dash):
            draw.line([(column, start), (column, min(start + dash, bottom))], fill=CROP_LINE, width=OVERSAMPLING)


def _write_header(draw: ImageDraw, reading: Reading, width: int, height: int) -> None:
    count = len(reading.lesions)
    areas = f"{count or 'no'} area{'' if count == 1 else 's'} of abnormal uptake"
    case = reading.scan.case if len(reading.scan.case) <= 60 else reading.scan.case[:57] + "..."
    _text(draw, MARGIN, 8, f"{case}: {areas}", 18, INK, "la")
    model, device = reading.receipt.get("model"), reading.receipt.get("device")
    if isinstance(model, dict):
        model = " ".join(str(model[key]) for key in ("name", "version") if key in model)
    facts = [f"model {model}" if model else "", f"device {device}" if device else ""]
    _text(draw, MARGIN, 31, ", ".join(fact for fact in facts if fact), 13, FAINT, "la")
    _text(draw, width / 2, height - FOOTER / 2, RESEARCH_USE, 14, INK, "mm")


def _write_list(draw: ImageDraw, reading: Reading, left: int, top: int) -> None:
    """Number, views and area of each lesion, as many as fit."""
    columns = (left + 28, left + 130, left + 230)
    for column, heading in zip(columns, ("no.", "seen in", "area (cm2)"), strict=True):
        _text(draw, column, top, heading, 13, FAINT, "ra")
    for index, lesion in enumerate(reading.lesions[:LISTED]):
        row = top + 18 * (index + 1)
        for column, entry in zip(columns, (lesion.id, lesion.seen_in, f"{lesion.area_mm2 / 100:.1f}"), strict=True):
            _text(draw, column, row, str(entry), 13, INK, "ra")
    if len(reading.lesions) > LISTED:
        more = f"and {len(reading.lesions) - LISTED} more in lesions.csv"
        _text(draw, left, top + 18 * (LISTED + 1), more, 13, FAINT, "la")


def _text(
    draw: ImageDraw,
    x: float,
    y: float,
    text: str,
    size: int,
    color: tuple[int, int, int],
    anchor: str,
    halo: bool = False,
) -> None:
    """Text at a place in final pixels; a halo keeps it readable on dark uptake."""
    draw.text(
        (x * OVERSAMPLING, y * OVERSAMPLING),
        text,
        fill=color,
        font=_font(size),
        anchor=anchor,
        stroke_width=2 * OVERSAMPLING if halo else 0,
        stroke_fill=(255, 255, 255),
    )


def _text_size(draw: ImageDraw, text: str, size: int) -> tuple[float, float]:
    left, top, right, bottom = draw.textbbox((0, 0), text, font=_font(size), stroke_width=2 * OVERSAMPLING)
    return (bottom - top, right - left)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size * OVERSAMPLING)
