"""`overview.png`: both views as acquired and their aggregate, with the outlines, displayed as bone scans are read.

Inverted grey (dark = hot), posterior seen from behind, R and L on every panel, below each a grey bar with its counts.
Left: whole bodies in a dark window, which shows faint uptake. Right: the region that was read, enlarged, in a lighter
window in which spine and sternum do not saturate, with the numbers of the table; of a whole-body reading the part that
contains the lesions. An outline is dashed in a view in which its lesion is faint.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..common.dates import format_date
from ..common.notice import RESEARCH_USE
from ..lesions.components import outlines_of
from ..lesions.extent import cut_by_box, headline
from ..lesions.naming import lesion_ids
from ..lesions.results import Lesion, Reading
from ..lesions.seen import faint_views, seen_text
from ..scan.display import display_window, side_marks
from ..scan.planar import VIEW_NAMES, PlanarView
from ..scan.thorax import ThoraxCrop
from .label_placement import Rectangle
from .picture_parts import (
    dashed_box,
    dashed_outline,
    grey_picture,
    region_black,
    text_size,
    wrapped,
    write_numbers,
    write_text,
)
from .png import write_png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["display_window", "outlines_of", "region_in_view", "render_overview", "side_marks", "write_overview"]

#: Outlines are drawn larger by this factor and then reduced (anti-aliasing).
OVERSAMPLING = 2
BODY_HEIGHT, THORAX_HEIGHT = 960, 456
WIDEST_PANEL = 2.5
MARGIN, HEADER, CAPTION, FOOTER = 16, 52, 24, 34
#: Width of the white halo around a number on the picture.
HALO = 2
LISTED, ROW, TABLE_END = 22, 18, 20
#: Notes below the panels: height of a line, characters per 100 pixels, largest number of lines.
NOTE_LINE, LETTERS_IN_100, NOTE_LINES = 17, 15.5, 8
#: Grey bars, and the strip below the panels that contains them.
BAR_WIDTH, BAR_HEIGHT, BAR_STRIP = 60, 7, 18
#: Enlarged part of a whole-body reading: margin around the lesions, and smallest and largest height (mm).
AROUND_MM, ENLARGED_MM = 60.0, (450.0, 900.0)

INK, FAINT, OUTLINE, CROP_LINE = (25, 25, 25), (105, 105, 105), (214, 0, 28), (0, 92, 185)


@dataclass(frozen=True)
class _Panel:
    """One image.

    Attributes:
        title: above the image.
        view: None if not acquired.
        outlines: {lesion ID: (n, 2) polygons of its pieces on the view's grid}.
        faint: IDs that are drawn dashed.
        black: counts that are black for the whole body.
    """

    title: str
    view: PlanarView | None
    outlines: dict[int, list[NDArray[np.float64]]]
    faint: frozenset[int] = frozenset()
    black: float = 1.0


def write_overview(reading: Reading, path: str) -> None:
    """Write the overview as a PNG file; OSError when it cannot be written."""
    write_png(render_overview(reading), path)


def render_overview(reading: Reading) -> NDArray[np.uint8]:
    """Return the overview as a (height, width, 3) uint8 picture; its size depends on the field's aspect ratio."""
    from PIL import Image, ImageDraw

    panels = _panels(reading)
    frame = reading.scan.frame
    body = (-0.5, -0.5, frame.shape[0] - 0.5, frame.shape[1] - 0.5)
    part, title = _enlarged(reading)
    body_width = _width(body, frame, BODY_HEIGHT)
    part_width = _width(part, frame, THORAX_HEIGHT)
    right = MARGIN + len(panels) * (body_width + MARGIN)
    # The table is drawn in place of the fourth enlargement; with one view below the only one.
    table_width = _columns(reading)[-1][1] + TABLE_END
    width = right + part_width + MARGIN + max(part_width, table_width) + MARGIN
    notes = wrapped(_notes(reading), round((width - 2 * MARGIN) / 100 * LETTERS_IN_100), NOTE_LINES)
    bottom = HEADER + CAPTION + BODY_HEIGHT
    below = bottom + BAR_STRIP
    height = below + (MARGIN // 2 + NOTE_LINE * len(notes) if notes else 0) + FOOTER
    image = Image.new("RGB", (width, height), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    _write_header(draw, reading, width, height)
    for index, panel in enumerate(panels):
        left = MARGIN + index * (body_width + MARGIN)
        box = (left, HEADER + CAPTION, left + body_width, bottom)
        _draw_panel(image, panel, reading, body, box, numbered=reading.crop.method == "whole-body")
        left, top = right + (index % 2) * (part_width + MARGIN), HEADER + CAPTION
        top += (index // 2) * (BODY_HEIGHT - THORAX_HEIGHT)
        enlarged = replace(panel, title=f"{panel.title}, {title}")
        box = (left, top, left + part_width, top + THORAX_HEIGHT)
        _draw_panel(image, enlarged, reading, part, box, numbered=True)
    left = right + (part_width + MARGIN if len(panels) == 3 else 0)
    _write_list(draw, reading, left, bottom - THORAX_HEIGHT)
    for index, line in enumerate(notes):
        write_text(draw, MARGIN, below + MARGIN // 2 + index * NOTE_LINE, line, 13, INK, "la")
    return np.asarray(image)


def region_in_view(edges: Rectangle, frame: PlanarView, view: PlanarView) -> Rectangle:
    """Convert pixel edges of the anterior frame to pixel edges of a view's own grid.

    Left and right are exchanged in the posterior view as acquired.

    Args:
        edges: (top, left, bottom, right).
        frame: the anterior whole-body frame.
        view: the view.
    """
    ijk = np.array([[edges[1], edges[0], 0.0, 1.0], [edges[3], edges[2], 0.0, 1.0]])
    ras = frame.ijk_to_ras @ ijk.T
    columns, rows = (np.linalg.inv(view.ijk_to_ras) @ ras)[:2]
    return (float(rows.min()), float(columns.min()), float(rows.max()), float(columns.max()))


def _panels(reading: Reading) -> list[_Panel]:
    """Return the panels: anterior, posterior and, if there are two views, their sum."""
    views, titles = reading.scan.views, ("Anterior", "Posterior (from behind)")
    panels = [
        _panel(
            title,
            views.get(name),
            reading.view_masks.get(name),
            frozenset(lesion.id for lesion in reading.lesions if name in faint_views(lesion)),
        )
        for name, title in zip(VIEW_NAMES, titles, strict=True)
    ]
    if len(views) == 2:
        aggregate = reading.scan.frame.with_counts(reading.aggregate)
        panels.append(_panel("Aggregate (from the front)", aggregate, lesion_ids(reading)))
    return panels


def _panel(
    title: str, view: PlanarView | None, ids: NDArray[np.uint16] | None, faint: frozenset[int] = frozenset()
) -> _Panel:
    outlines = {} if ids is None else outlines_of(ids)
    return _Panel(title, view, outlines, faint, 1.0 if view is None else display_window(view.counts)[1])


def _enlarged(reading: Reading) -> tuple[Rectangle, str]:
    """Return the pixel edges in the anterior frame of the enlarged part, and its name."""
    frame, edges = reading.scan.frame, _edges(reading.crop)
    if edges[2] - edges[0] < 0.6 * frame.shape[0]:
        return edges, "thorax" if reading.crop.method == "profiles" else "box"
    around = AROUND_MM / frame.spacing[0]
    least, most = (min(mm / frame.spacing[0], frame.shape[0]) for mm in ENLARGED_MM)
    first, end = _lesion_rows(reading, most)
    size = min(max(end - first + 2 * around, least), most)
    top = round(min(max((first + end - size) / 2, 0), frame.shape[0] - size))
    return (top - 0.5, edges[1], top + round(size) - 0.5, edges[3]), "enlarged"


def _lesion_rows(reading: Reading, most: float) -> tuple[int, int]:
    """Return the first row and the end of the lesions of a whole body; of as many as possible within `most` rows."""
    from scipy.ndimage import find_objects

    rows = [rows for rows, _ in find_objects(reading.lesion_ids)]
    if not rows:
        # The upper half, where most lesions occur.
        return 0, reading.scan.frame.shape[0] // 2
    starts = [part.start for part in rows]
    groups = [[part for part in rows if start <= part.start and part.stop <= start + most] for start in starts]
    best = max(groups, key=len) or rows
    return min(part.start for part in best), max(part.stop for part in best)


def _edges(crop: ThoraxCrop) -> Rectangle:
    return (crop.rows[0] - 0.5, crop.columns[0] - 0.5, crop.rows[1] - 0.5, crop.columns[1] - 0.5)


def _width(edges: Rectangle, frame: PlanarView, height: int) -> int:
    """Return the width in pixels of a panel, with the aspect ratio in mm, limited for regions that are very flat."""
    width = height * (edges[3] - edges[1]) * frame.spacing[1] / (edges[2] - edges[0]) / frame.spacing[0]
    return round(min(max(60, width), WIDEST_PANEL * height))


def _draw_panel(
    image: Image,
    panel: _Panel,
    reading: Reading,
    edges: Rectangle,
    box: tuple[int, int, int, int],
    *,
    numbered: bool,
) -> None:
    """Draw one panel: `edges` of the anterior frame in `box` (left, top, right, bottom)."""
    from PIL import ImageDraw

    draw, view = ImageDraw.Draw(image), panel.view
    left, top, right, bottom = box
    write_text(draw, (box[0] + box[2]) // 2, box[1] - CAPTION + 3, panel.title, 14, INK, "ma")
    if view is not None:
        region = region_in_view(edges, reading.scan.frame, view)
        black = panel.black
        if (edges[2] - edges[0]) < reading.scan.frame.shape[0]:
            black = region_black(view, region, black)
        image.paste(grey_picture(view, region, (right - left, bottom - top), black), (left, top))
        step = np.array([(bottom - top) / (region[2] - region[0]), (right - left) / (region[3] - region[1])])
        shift = np.array([top, left]) - np.array(region[:2]) * step
        drawn = {number: [piece * step + shift for piece in pieces] for number, pieces in panel.outlines.items()}
        bounds = (top, left, bottom, right)
        _draw_outlines(image, drawn, panel.faint, box)
        crop = np.array(region_in_view(_edges(reading.crop), reading.scan.frame, view)).reshape(2, 2) * step + shift
        if edges != _edges(reading.crop) and reading.crop.method != "whole-body":
            dashed_box(draw, crop, bounds, CROP_LINE, 1)
        if numbered:
            write_numbers(draw, drawn, bounds, 13, OUTLINE, HALO, gap=3)
        near, far = side_marks(view)
        write_text(draw, box[0] + 6, box[1] + 4, near, 16, INK, "la")
        write_text(draw, box[2] - 6, box[1] + 4, far, 16, INK, "ra")
        _grey_bar(image, box, black)
    else:
        write_text(draw, (box[0] + box[2]) // 2, (box[1] + box[3]) // 2, "not acquired", 14, FAINT, "mm")
    draw.rectangle((left, top, right - 1, bottom - 1), outline=(170, 170, 170))


def _draw_outlines(
    image: Image,
    drawn: dict[int, list[NDArray[np.float64]]],
    faint: frozenset[int],
    box: tuple[int, int, int, int],
) -> None:
    """Draw the outlines of lesions over a panel, anti-aliased, faint ones dashed."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    if not drawn:
        return
    left, top, right, bottom = box
    large = Pillow.new("L", ((right - left) * OVERSAMPLING, (bottom - top) * OVERSAMPLING))
    draw = ImageDraw.Draw(large)
    for number, piece in ((number, piece) for number, pieces in drawn.items() for piece in pieces):
        corners = (piece - (top, left)) * OVERSAMPLING
        if number in faint:
            dashed_outline(draw, corners, 255, OVERSAMPLING)
        else:
            closed = np.vstack((corners, corners[:1]))[:, ::-1]
            draw.line([tuple(point) for point in closed.tolist()], fill=255, width=OVERSAMPLING, joint="curve")
    image.paste(OUTLINE, box, large.reduce(OVERSAMPLING))


def _grey_bar(image: Image, box: tuple[int, int, int, int], black: float) -> None:
    """Draw a bar from white to black with the counts per pixel at both ends, below the right corner of a panel."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    draw, label = ImageDraw.Draw(image), f"{black:.0f} counts"
    right = box[2] - text_size(draw, label, 11, HALO)[1]
    left, top = round(right - 4 - BAR_WIDTH), box[3] + (BAR_STRIP - BAR_HEIGHT) // 2
    ramp = np.tile(np.linspace(255, 0, BAR_WIDTH).astype(np.uint8), (BAR_HEIGHT, 1))
    image.paste(Pillow.fromarray(ramp).convert("RGB"), (left, top))
    draw.rectangle((left, top, left + BAR_WIDTH, top + BAR_HEIGHT), outline=(170, 170, 170))
    middle = top + BAR_HEIGHT / 2
    write_text(draw, left - 4, middle, "0", 11, INK, "rm")
    write_text(draw, right, middle, label, 11, INK, "lm")


def _write_header(draw: ImageDraw, reading: Reading, width: int, height: int) -> None:
    case = reading.scan.case if len(reading.scan.case) <= 60 else reading.scan.case[:57] + "..."
    write_text(draw, MARGIN, 8, f"{case}: {headline(reading)}", 18, INK, "la")
    model, device = reading.receipt.get("model"), reading.receipt.get("device")
    if isinstance(model, dict):
        model = " ".join(str(model[key]) for key in ("name", "version") if key in model)
    day = format_date(reading.scan.source.description.get("study_date", ""))
    facts = [f"model {model}" if model else "", f"device {device}" if device else "", f"scan of {day}" if day else ""]
    write_text(draw, MARGIN, 31, ", ".join(fact for fact in facts if fact), 13, FAINT, "la")
    write_text(draw, width / 2, height - FOOTER / 2, RESEARCH_USE, 14, INK, "mm")


def _notes(reading: Reading) -> list[str]:
    """Return the notes below the panels: the meaning of dashed outlines, the review, the warnings."""
    warnings = reading.receipt.get("warnings")
    dashed = "Dashed outline, (f) in the table: faint, less than 1.3 times its surroundings in that view."
    notes = [
        dashed if any(faint_views(lesion) for lesion in reading.lesions) else "",
        _review_note(reading),
        *(map(str, warnings) if isinstance(warnings, list) else ()),
    ]
    return [note for note in notes if note]


def _review_note(reading: Reading) -> str:
    """Return a physician's decisions; "" if there are none."""
    everything = (*reading.lesions, *reading.rejected)
    if not reading.erased and all(lesion.decided_by == "model" for lesion in everything):
        return ""
    decisions = [lesion.decision for lesion in everything]
    edited = sum(lesion.edited for lesion in everything)
    return (
        f"Reviewed by a physician: {decisions.count('accepted')} accepted, {decisions.count('rejected')} rejected (not "
        f"outlined), {decisions.count('open')} left open, {edited} edited manually, {reading.erased} erased."
    )


def _columns(reading: Reading) -> list[tuple[str, int, str]]:
    """Return heading, position in pixels and anchor of each column of the table; confidences only if there are any."""
    columns = [
        ("no.", 28, "ra"),
        ("seen in", 44, "la"),
        ("area (cm2)", 262, "ra"),
        ("contrast ant.", 348, "ra"),
        ("post.", 410, "ra"),
    ]
    calibrated = any(lesion.confidence is not None for lesion in reading.lesions)
    return [*columns, ("conf.", 462, "ra")] if calibrated else columns


def _write_list(draw: ImageDraw, reading: Reading, left: int, top: int) -> None:
    """Draw the table of lesions (number, views, area, contrast per view, confidence), as many rows as fit."""
    headings = _columns(reading)
    cut = set(cut_by_box(reading))
    for heading, column, anchor in headings:
        write_text(draw, left + column, top, heading, 13, FAINT, anchor)
    for index, lesion in enumerate(reading.lesions[:LISTED]):
        mark = " (cut)" if lesion.id in cut else ""
        contrasts = [_contrast(lesion, name) for name in VIEW_NAMES]
        confidence = "-" if lesion.confidence is None else f"{lesion.confidence:.2f}"
        entries = (str(lesion.id), seen_text(lesion) + mark, f"{lesion.area_mm2 / 100:.1f}", *contrasts, confidence)
        for (_, column, anchor), entry in zip(headings, entries, strict=False):
            write_text(draw, left + column, top + ROW * (index + 1), entry, 13, INK, anchor)
    if len(reading.lesions) > LISTED:
        more = f"and {len(reading.lesions) - LISTED} more in lesions.csv"
        write_text(draw, left, top + ROW * (LISTED + 1), more, 13, FAINT, "la")


def _contrast(lesion: Lesion, name: Any) -> str:
    """Return the contrast in one view as text; "-" if the lesion is not in that view or its contrast is undefined."""
    measured = lesion.views.get(name)
    if measured is None or not np.isfinite(measured.contrast):
        return "-"
    return f"{measured.contrast:.2f}" + (" (f)" if name in faint_views(lesion) else "")
