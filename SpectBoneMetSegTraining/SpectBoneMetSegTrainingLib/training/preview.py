"""Preview of a training: the EMA network's prediction on one validation scan, as arrays and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ..dataset.cases import IGNORE, LESION, LabelledCrop
from .sampling.patches import target_channels
from .validation import THRESHOLD, CasePredictor

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

__all__ = ["NUMBERS", "PICTURE", "Preview", "draw_preview", "load_preview", "make_preview", "save_preview"]

NUMBERS, PICTURE = "preview.npz", "preview.png"
#: Layout of the picture in pixels; it is drawn OVERSAMPLING times as large first, so that lines are smooth.
PANEL_HEIGHT, OVERSAMPLING, MARGIN, CAPTION = 420, 2, 10, 46
Colour = tuple[int, int, int]
INK, TRUTH, PREDICTED = (25, 25, 25), (0, 92, 185), (214, 0, 28)


@dataclass(frozen=True)
class Preview:
    """Prediction of one validation scan during training.

    Attributes:
        step: gradient steps taken so far.
        dice: pooled DSC over all validation patients at this step.
        counts: {view: (rows, columns) float32}, anterior frame.
        labels: {output: (rows, columns) uint8}.
        probabilities: {output: (rows, columns) float32}; outputs are views, or "union" alone.
    """

    step: int
    dice: float
    counts: dict[str, NDArray[np.float32]]
    labels: dict[str, NDArray[np.uint8]]
    probabilities: dict[str, NDArray[np.float32]]


def make_preview(step: int, dice: float, crop: LabelledCrop, predict: CasePredictor, network: NetworkConfig) -> Preview:
    """Predict a scan for a preview.

    Args:
        step: gradient steps taken so far.
        dice: pooled DSC over all validation patients.
        crop: the scan, with labels.
        predict: returns the probability map of a scan.
        network: names the outputs.
    """
    label, weight = target_channels(crop, network.outputs)
    probability = predict(crop)
    shown = [name for name in network.outputs if name == "union" or name in crop.counts]
    maps = np.where(weight > 0, np.where(label > 0, LESION, 0), IGNORE).astype(np.uint8)
    channel = {name: network.outputs.index(name) for name in shown}
    return Preview(
        step,
        dice,
        {name: crop.counts[name] for name in VIEW_NAMES if name in crop.counts},
        {name: maps[..., channel[name]] for name in shown},
        {name: probability[..., channel[name]] for name in shown},
    )


def save_preview(folder: Path, preview: Preview) -> None:
    """Write preview.npz and preview.png, each replaced as a whole.

    Raises:
        OSError: a file cannot be written.
    """
    arrays = {
        f"{what}_{name}": array
        for what, group in (("counts", preview.counts), ("labels", preview.labels), ("p", preview.probabilities))
        for name, array in group.items()
    }
    for name in (NUMBERS, PICTURE):
        with whole_file(folder / name) as part, part.open("wb") as file:
            if name == PICTURE:
                draw_preview(preview).save(file, "PNG")
            else:
                about = {"step": np.array(preview.step), "dice": np.array(preview.dice)}
                np.savez_compressed(file, allow_pickle=False, **arrays, **about)


def load_preview(folder: Path) -> Preview | None:
    """Read the newest preview of a job; None if there is none yet."""
    try:
        with np.load(folder / NUMBERS, allow_pickle=False) as saved:
            arrays = dict(saved)
        step, dice = int(arrays["step"]), float(arrays["dice"])
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return Preview(step, dice, _group(arrays, "counts"), _group(arrays, "labels"), _group(arrays, "p"))


def draw_preview(preview: Preview) -> Image:
    """Draw the views in inverted grey, both from the front: labelled outlines blue, predicted ones red."""
    from PIL import Image, ImageDraw

    panels = list(preview.counts) if "union" not in preview.labels else ["union"]
    rows, columns = next(iter(preview.counts.values())).shape
    width = round(PANEL_HEIGHT * columns / rows)
    whole = (MARGIN + len(panels) * (width + MARGIN), CAPTION + PANEL_HEIGHT + MARGIN)
    image = Image.new("RGB", (whole[0] * OVERSAMPLING, whole[1] * OVERSAMPLING), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for i, name in enumerate(panels):
        left = (MARGIN + i * (width + MARGIN)) * OVERSAMPLING
        counts = preview.counts[name] if name != "union" else np.sum(list(preview.counts.values()), axis=0)
        size = (width * OVERSAMPLING, PANEL_HEIGHT * OVERSAMPLING)
        image.paste(_grey(counts).resize(size, Image.Resampling.BICUBIC).convert("RGB"), (left, CAPTION * OVERSAMPLING))
        step = np.array([size[1] / rows, size[0] / columns])
        corner = np.array([CAPTION * OVERSAMPLING, left]) + step / 2
        for mask, colour in (
            (preview.labels[name] == LESION, TRUTH),
            (preview.probabilities[name] >= THRESHOLD, PREDICTED),
        ):
            _draw_outlines(draw, mask, step, corner, colour)
        title = {"union": "Aggregate", "anterior": "Anterior", "posterior": "Posterior, from the front"}[name]
        _text(draw, (left / OVERSAMPLING, CAPTION - 20), title, INK)
    _text(draw, (MARGIN, 6), f"step {preview.step}", INK)
    _text(draw, (MARGIN + 85, 6), "label", TRUTH)
    _text(draw, (MARGIN + 130, 6), "prediction", PREDICTED)
    return image.resize(whole, Image.Resampling.BOX)


def most_labelled(crops: list[LabelledCrop]) -> LabelledCrop:
    """Return the scan with the most labelled pixels."""
    return max(crops, key=lambda crop: sum(int((label == LESION).sum()) for label in crop.labels.values()))


def _group(arrays: dict[str, NDArray[Any]], what: str) -> dict[str, NDArray[Any]]:
    return {name.split("_", 1)[1]: array for name, array in arrays.items() if name.startswith(f"{what}_")}


def _grey(counts: NDArray[np.float32]) -> Image:
    from PIL import Image
    from SpectBoneMetSegLib.scan.display import display_window

    low, high = display_window(counts)
    return Image.fromarray(255 - np.clip((counts - low) / (high - low) * 255, 0, 255).astype(np.uint8))


def _draw_outlines(
    draw: ImageDraw, mask: NDArray[np.bool_], step: NDArray[np.float64], corner: NDArray[np.float64], colour: Colour
) -> None:
    from SpectBoneMetSegLib.lesions.components import number_lesions, outlines_of

    for pieces in outlines_of(number_lesions(mask)).values():
        for piece in pieces:
            closed = (np.vstack((piece, piece[:1])) * step + corner)[:, ::-1]
            draw.line([tuple(point) for point in closed.tolist()], fill=colour, width=OVERSAMPLING * 2, joint="curve")


def _text(draw: ImageDraw, position: tuple[float, float], text: str, colour: Colour) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(14 * OVERSAMPLING)
    draw.text((position[0] * OVERSAMPLING, position[1] * OVERSAMPLING), text, fill=colour, font=font)
