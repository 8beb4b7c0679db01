"""Draw the report's pictures: both views with outlines at two intensities, and the regions of the skeleton.

They are legible in grey print: outlines have a white border, regions differ by edges and numbers.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...lesions.components import outlines_of
from ...lesions.results import Reading
from ...lesions.seen import faint_views
from ...scan.display import display_window, side_marks
from ...scan.planar import PlanarView, ViewName
from ...scan.skeleton_regions import RIGHT_OFFSET
from ..picture_parts import dashed_outline, grey_picture, write_numbers, write_text

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["BRIGHT", "DARK", "map_picture", "view_picture"]

#: Height of a picture in pixels; printed at 140 mm it has 210 pixels per inch.
HEIGHT = 1180
#: Counts that are black, relative to the usual display: BRIGHT shows faint uptake, DARK the shape of hot uptake.
BRIGHT, DARK = 0.45, 1.6
INK, OUTLINE, WHITE = (25, 25, 25), (200, 0, 30), (255, 255, 255)
FONT_SIZE = 32
#: Width of the white halo around text on the picture.
HALO = 4
#: Rows with less than this fraction of the highest row sum are air; this much of it is shown around the body.
AIR_ROW, AIR_MM = 0.02, 30.0


def view_picture(reading: Reading, name: ViewName, level: float) -> tuple[bytes, float]:
    """Return a view with its outlines as PNG, and the counts per pixel that are black.

    Args:
        reading: the reading.
        name: name of the view.
        level: counts that are black, relative to the usual display.
    """
    view = reading.scan.views[name]
    black = max(1.0, level * display_window(view.counts)[1])
    first, end = _body_rows(reading, view)
    image, scale = _grey(view, black, first, end)
    from PIL import ImageDraw

    draw = ImageDraw.Draw(image)
    faint = {lesion.id for lesion in reading.lesions if name in faint_views(lesion)}
    drawn = {
        number: [(piece + 0.5 - (first, 0)) * scale for piece in pieces]
        for number, pieces in outlines_of(reading.view_masks[name]).items()
    }
    for number, pieces in drawn.items():
        for piece in pieces:
            points = [tuple(point) for point in np.vstack((piece, piece[:1]))[:, ::-1].tolist()]
            draw.line(points, fill=WHITE, width=6, joint="curve")
            if number in faint:
                dashed_outline(draw, piece, OUTLINE, 2)
            else:
                draw.line(points, fill=OUTLINE, width=3, joint="curve")
    bounds = (0, 0, image.height, image.width)
    write_numbers(draw, drawn, bounds, FONT_SIZE, OUTLINE, HALO, gap=5, leader=2)
    _mark_sides(draw, view, image.size)
    return _png(image), black


def map_picture(reading: Reading, name: ViewName) -> bytes | None:
    """Return the regions of the skeleton over a pale view as PNG; None without region maps."""
    regions = reading.regions.get(name)
    if regions is None:
        return None
    from PIL import Image, ImageDraw

    view = reading.scan.views[name]
    first, end = _body_rows(reading, view)
    image, scale = _grey(view, 2.2 * display_window(view.counts)[1], first, end)
    size, regions = image.size, regions[first:end]
    large = np.asarray(Image.fromarray(regions).resize(size, Image.Resampling.NEAREST))
    shades = np.full((256, 3), 255.0)
    for number in np.unique(regions[regions > 0]).tolist():
        shades[number] = _shade(number % RIGHT_OFFSET)
    painted = np.asarray(image, float) * shades[large] / 255
    edges = np.zeros(large.shape, bool)
    for axis in (0, 1):
        differs = np.diff(large.astype(int), axis=axis) != 0
        edges |= np.pad(differs, [(0, 1) if axis == other else (0, 0) for other in (0, 1)])
    painted[edges] = (70, 70, 70)
    image = Image.fromarray(painted.round().astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for number in np.unique(regions[regions > 0]).tolist():
        row, column = _inside(regions == number)
        write_text(draw, (column + 0.5) * scale[1], (row + 0.5) * scale[0], str(number), 26, INK, halo=HALO)
    _mark_sides(draw, view, size)
    return _png(image)


def _body_rows(reading: Reading, view: PlanarView) -> tuple[int, int]:
    """Return first and end row of the body, common to all views, with a margin; the field may be much longer.

    If the views differ in their number of rows, all rows of `view` are returned.
    """
    views, rows = reading.scan.views.values(), view.shape[0]
    if any(each.shape[0] != rows for each in views):
        return 0, rows
    summed = sum(each.counts.sum(axis=1, dtype=float) for each in views)
    inside = np.flatnonzero(np.asarray(summed) > AIR_ROW * np.max(summed))
    air = round(AIR_MM / reading.scan.frame.spacing[0])
    return max(0, int(inside[0]) - air), min(rows, int(inside[-1]) + 1 + air)


def _grey(view: PlanarView, black: float, first: int, end: int) -> tuple[Image, NDArray[np.float64]]:
    """Return rows of a view in inverted grey with the aspect ratio in mm, and picture pixels per pixel of the view."""
    rows, columns = end - first, view.shape[1]
    width = round(HEIGHT * columns * view.spacing[1] / (rows * view.spacing[0]))
    width = min(max(width, HEIGHT // 8), HEIGHT)
    edges = (first - 0.5, -0.5, end - 0.5, columns - 0.5)
    return grey_picture(view, edges, (width, HEIGHT), black), np.array([HEIGHT / rows, width / columns])


def _inside(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the pixel of a region that is farthest from its edge, for its number."""
    from scipy import ndimage

    (window,) = ndimage.find_objects(mask.astype(np.uint8))
    depth = ndimage.distance_transform_edt(np.pad(mask[window], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row) + window[0].start, int(column) + window[1].start


def _shade(number: int) -> tuple[float, float, float]:
    """Return a light colour for a region; neighbouring numbers also differ in brightness."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.35, (1.0, 0.86)[number % 2])
    return 255 * red, 255 * green, 255 * blue


def _mark_sides(draw: ImageDraw, view: PlanarView, size: tuple[int, int]) -> None:
    near, far = side_marks(view)
    write_text(draw, 18, 24, near, 32, INK, halo=HALO)
    write_text(draw, size[0] - 18, 24, far, 32, INK, halo=HALO)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=(150, 150, 150), width=2)


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "PNG", compress_level=4)
    return stream.getvalue()
