"""A scan with outlines of several hands over each other, as PNG, both views from the front."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.export.picture_parts import dashed_outline
from SpectBoneMetSegLib.lesions.components import number_lesions, outlines_of
from SpectBoneMetSegLib.scan.display import display_window

from ...dataset.cases import IGNORE, LESION, LabelledCrop

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["COLOURS", "scan_picture"]

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

#: Told apart also by colour-blind people; yours is a full line, the model before dashed.
COLOURS: dict[str, Colour] = {
    "yours": (0, 92, 185),
    "before": (230, 140, 0),
    "now": (200, 0, 90),
    "ignored": (120, 120, 120),
}
#: Edge of a pixel of the scan in the picture, and the rows that are shown around everything that is marked.
ZOOM, AROUND = 3, 30


def scan_picture(crop: LabelledCrop, marks: Sequence[tuple[str, Mapping[str, Mask]]]) -> str:
    """A data URI.

    Args:
        crop: counts and labels.
        marks: (a name of COLOURS, {view: (rows, columns)}), "before" dashed.
    """
    from PIL import Image, ImageDraw

    shown = [("ignored", _labels(crop, IGNORE)), ("yours", _labels(crop, LESION)), *marks]
    first, end = _rows(crop, [masks for _, masks in shown])
    panels = []
    for view in (name for name in crop.counts if name in crop.labels or "anterior" in crop.labels):
        counts = crop.counts[view]
        low, high = display_window(counts)
        grey = 255 - np.clip((counts[first:end] - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        size = (grey.shape[1] * ZOOM, grey.shape[0] * ZOOM)
        picture = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC).convert("RGB")
        draw = ImageDraw.Draw(picture)
        for name, masks in shown:
            mask = masks.get(view)
            if mask is None or not mask[first:end].any():
                continue
            for piece in (each for pieces in outlines_of(number_lesions(mask[first:end])).values() for each in pieces):
                corners = (piece + 0.5) * ZOOM
                if name in ("before", "ignored"):
                    dashed_outline(draw, corners, COLOURS[name], 2)
                else:
                    closed = np.vstack((corners, corners[:1]))[:, ::-1]
                    draw.line([tuple(point) for point in closed.tolist()], fill=COLOURS[name], width=2)
        panels.append(picture)
    whole = Image.new("RGB", (sum(each.width for each in panels) + 8 * (len(panels) - 1), panels[0].height), "white")
    left = 0
    for each in panels:
        whole.paste(each, (left, 0))
        left += each.width + 8
    stream = io.BytesIO()
    whole.quantize(palette=_palette(), dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _palette() -> Image:
    """Some greys and every outline's own colour: counting noise makes pictures of more colours large."""
    from PIL import Image

    greys = [(value, value, value) for value in range(0, 256, 5)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in (*greys, *COLOURS.values()) for part in colour])
    return palette


def _labels(crop: LabelledCrop, value: int) -> dict[str, Mask]:
    return {str(view): label == value for view, label in crop.labels.items()}


def _rows(crop: LabelledCrop, marks: Sequence[Mapping[str, Mask]]) -> tuple[int, int]:
    """The rows around everything that is marked; all of them where nothing is."""
    height = next(iter(crop.counts.values())).shape[0]
    anything = np.zeros(height, bool)
    for masks in marks:
        for mask in masks.values():
            anything |= mask.any(1)
    found = np.flatnonzero(anything)
    if not found.size:
        return 0, height
    return max(0, int(found[0]) - AROUND), min(height, int(found[-1]) + 1 + AROUND)
