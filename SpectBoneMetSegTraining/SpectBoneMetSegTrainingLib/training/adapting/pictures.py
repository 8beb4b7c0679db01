"""Picture of a scan with reference outlines and those of models, as PNG, both views as seen from the front."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.export.picture_parts import dashed_outline, write_text
from SpectBoneMetSegLib.lesions.components import number_lesions, outlines_of
from SpectBoneMetSegLib.scan.display import display_window

from ...dataset.cases import IGNORE, LESION, LabelledCrop

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["COLOURS", "scan_picture"]

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

INK: Colour = (0, 0, 0)
#: Distinguishable with colour blindness; the parent model and ignored areas are dashed.
COLOURS: dict[str, Colour] = {
    "reference": (0, 92, 185),
    "parent": (230, 140, 0),
    "model": (200, 0, 90),
    "ignored": (120, 120, 120),
}
#: Titles of the views. Both are on the anterior frame, where the patient's right side is on the left.
TITLES = {"anterior": "Anterior", "posterior": "Posterior (mirrored)"}
#: Least size of the letters in pixels, and their share of a view's width: a page shrinks wide pictures.
LETTERS, LETTERS_SHARE = 15, 1 / 40
#: Pixels of the picture per pixel of the scan, and rows shown above and below all outlines.
ZOOM, AROUND = 3, 30


def scan_picture(crop: LabelledCrop, masks: Sequence[tuple[str, Mapping[str, Mask]]]) -> str:
    """Return the picture as a data URI.

    Args:
        crop: counts and labels.
        masks: (name in COLOURS, {view: (rows, columns)}); "parent" is dashed.
    """
    from PIL import Image, ImageDraw

    shown = [("ignored", _labels(crop, IGNORE)), ("reference", _labels(crop, LESION)), *masks]
    first, end = _rows(crop, [by_view for _, by_view in shown])
    panels = []
    for view in (name for name in crop.counts if name in crop.labels or "anterior" in crop.labels):
        counts = crop.counts[view]
        low, high = display_window(counts)
        grey = 255 - np.clip((counts[first:end] - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        size = (grey.shape[1] * ZOOM, grey.shape[0] * ZOOM)
        picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
        draw = ImageDraw.Draw(picture)
        for name, by_view in shown:
            mask = by_view.get(view)
            if mask is None or not mask[first:end].any():
                continue
            for piece in (p for pieces in outlines_of(number_lesions(mask[first:end])).values() for p in pieces):
                corners = (piece + 0.5) * ZOOM
                if name in ("parent", "ignored"):
                    dashed_outline(draw, corners, COLOURS[name], 2)
                else:
                    closed = np.vstack((corners, corners[:1]))[:, ::-1]
                    draw.line([tuple(point) for point in closed.tolist()], fill=COLOURS[name], width=2)
        panels.append(_captioned(picture, view))
    whole = Image.new("RGB", (sum(panel.width for panel in panels) + 8 * (len(panels) - 1), panels[0].height), "white")
    left = 0
    for panel in panels:
        whole.paste(panel, (left, 0))
        left += panel.width + 8
    stream = io.BytesIO()
    whole.quantize(palette=_palette(), dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _captioned(picture: Image, view: str) -> Image:
    """Return the picture of a view below its title, with the patient's sides marked."""
    from PIL import Image, ImageDraw

    size = max(LETTERS, round(LETTERS_SHARE * picture.width))
    strip, inset = 3 * size // 2, size // 2
    panel = Image.new("RGB", (picture.width, picture.height + strip), "white")
    panel.paste(picture, (0, strip))
    draw = ImageDraw.Draw(panel)
    write_text(draw, panel.width // 2, strip // 2, TITLES[view], size, INK)
    for side, x, anchor in (("R", inset, "la"), ("L", panel.width - inset, "ra")):
        write_text(draw, x, strip + inset, side, size, INK, anchor, halo=2)
    return panel


def _palette() -> Image:
    """Return a palette of some greys and the outline colours: with more colours, noise makes the PNG large."""
    from PIL import Image

    greys = [(value, value, value) for value in range(0, 256, 5)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in (*greys, *COLOURS.values()) for part in colour])
    return palette


def _labels(crop: LabelledCrop, value: int) -> dict[str, Mask]:
    return {str(view): label == value for view, label in crop.labels.items()}


def _rows(crop: LabelledCrop, masks: Sequence[Mapping[str, Mask]]) -> tuple[int, int]:
    """Return the rows around all masks; all rows if the masks are empty."""
    height = next(iter(crop.counts.values())).shape[0]
    occupied = np.zeros(height, bool)
    for by_view in masks:
        for mask in by_view.values():
            occupied |= mask.any(1)
    found = np.flatnonzero(occupied)
    if not found.size:
        return 0, height
    return max(0, int(found[0]) - AROUND), min(height, int(found[-1]) + 1 + AROUND)
