"""Picture of a result and the ground truth of a simulated scan: found, missed, too faint and unread lesions.

    python -m SpectBoneMetSegTrainingLib.evaluation.truth_picture RESULT SCAN TRUTH PICTURE.png

RESULT is the results folder of SCAN, TRUTH a label file of the whole anterior frame (1 = lesion, 2 = too faint to be
labelled). Both are drawn on the sum of the views, from the front.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.notice import RESEARCH_USE
from SpectBoneMetSegLib.export.overview import outlines_of
from SpectBoneMetSegLib.export.picture_parts import dashed_box, dashed_outline, grey_picture
from SpectBoneMetSegLib.scan.boxes import Intervals
from SpectBoneMetSegLib.scan.display import display_window
from SpectBoneMetSegLib.scan.planar import PlanarView

from ..dataset.cases import IGNORE, LESION
from ..dataset.files import read_image, read_json
from .matching import EIGHT_CONNECTED

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

__all__ = ["ComparedAreas", "compare", "draw_comparison"]

#: Pixels of the picture per pixel of the scan; height of the title strip and of the text strip; margin, in pixels.
SCALE, HEADER, FOOTER, MARGIN = 2, 40, 64, 24
RED, GREEN, BLUE, GREY, INK = (214, 0, 28), (0, 128, 60), (0, 92, 185), (120, 120, 120), (25, 25, 25)
#: Visible on dark bone and on white.
ORANGE = (235, 120, 0)


@dataclass(frozen=True)
class ComparedAreas:
    """Numbered areas of the whole anterior frame, (rows, columns) uint16 each.

    Attributes:
        detections: detections of the model.
        false_alarms: detections without a lesion in the ground truth.
        found: true lesions inside the box that was read, touched by a detection.
        missed: true lesions inside the box without a detection.
        unread: true lesions outside the box.
        faint: too faint to be labelled, not evaluated.
    """

    detections: NDArray[np.uint16]
    false_alarms: NDArray[np.uint16]
    found: NDArray[np.uint16]
    missed: NDArray[np.uint16]
    unread: NDArray[np.uint16]
    faint: NDArray[np.uint16]

    @property
    def sentence(self) -> str:
        """The numbers in one sentence."""
        found, missed, unread, false_alarms = (
            int(areas.max()) for areas in (self.found, self.missed, self.unread, self.false_alarms)
        )
        return (
            f"Of {found + missed} true lesions in the box that was read {found} were found (green) and {missed} missed "
            f"(blue); {unread} lie outside it. False alarms: {false_alarms}. Dashed orange: too faint to count."
        )


def compare(mask: NDArray[np.uint8], truth: NDArray[np.uint8], box: Intervals) -> ComparedAreas:
    """Compare a predicted mask with the ground truth; a lesion is found if any of its pixels is predicted.

    Args:
        mask: (rows, columns), 1 where the model predicts a lesion.
        truth: (rows, columns) of BACKGROUND, LESION and IGNORE.
        box: rows and columns that were read, half open.
    """
    from scipy import ndimage

    (first, end), (left, right) = box
    inside = np.zeros(truth.shape, bool)
    inside[first:end, left:right] = True

    def numbered(area: NDArray[np.bool_]) -> NDArray[np.uint16]:
        return np.asarray(ndimage.label(area, EIGHT_CONNECTED)[0], np.uint16)

    def touching(areas: NDArray[np.uint16], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the pixels of the areas that overlap `other`."""
        return np.isin(areas, np.unique(areas[other & (areas > 0)])) & (areas > 0)

    detections, lesions = numbered(mask > 0), numbered(truth == LESION)
    read = touching(lesions, inside)
    hit = touching(lesions, mask > 0)
    return ComparedAreas(
        detections,
        numbered((detections > 0) & ~touching(detections, truth > 0)),
        numbered(hit),
        numbered(read & ~hit),
        numbered((lesions > 0) & ~read & ~hit),
        numbered(truth == IGNORE),
    )


def draw_comparison(result: Path, scan: Path, truth: Path, picture: Path) -> ComparedAreas:
    """Draw prediction and ground truth side by side.

    Args:
        result: results folder of the scan.
        scan: the scan.
        truth: label file of the ground truth.
        picture: PNG file to write.

    Raises:
        UserError: the scan cannot be read, a file is missing, or their grids differ.
    """
    from PIL import Image, ImageDraw
    from SpectBoneMetSegLib.loading import read_scan
    from SpectBoneMetSegLib.scan.aggregation import aggregate

    view = aggregate(read_scan(scan))
    mask, label = (read_image(path)[0].astype(np.uint8) for path in (result / "mask.nrrd", truth))
    if not mask.shape == label.shape == view.shape:
        raise UserError(f"{result}, {truth} and {scan} do not belong together: their grids differ.")
    crop = read_json(result / "receipt.json")["crop"]
    box = (tuple(crop["rows"]), tuple(crop["columns"]))
    compared = compare(mask, label, box)
    rows, columns = view.shape
    width, height = columns * SCALE, rows * SCALE
    image = Image.new("RGB", (2 * width + 3 * MARGIN, height + HEADER + FOOTER), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    grey = grey_picture(view, (-0.5, -0.5, rows - 0.5, columns - 0.5), (width, height), _black(view))
    panels = (
        ("Prediction of the model", ((compared.detections, RED, False),)),
        (
            "Ground truth of the simulator",
            (
                (compared.faint, ORANGE, True),
                (compared.unread, GREY, False),
                (compared.missed, BLUE, False),
                (compared.found, GREEN, False),
            ),
        ),
    )
    for number, (title, layers) in enumerate(panels):
        left = MARGIN + number * (width + MARGIN)
        image.paste(grey, (left, HEADER))
        draw.text((left + width / 2, HEADER / 2), title, fill=INK, font_size=18, anchor="mm")
        corners = np.array([[box[0][0], box[1][0]], [box[0][1], box[1][1]]]) * SCALE + (HEADER, left)
        dashed_box(draw, corners, (HEADER, left, HEADER + height, left + width), BLUE, 1)
        for areas, color, dashed in layers:
            _outline(draw, areas, (HEADER, left), color, dashed=dashed)
    text = compared.sentence.replace("; ", ";\n", 1).replace(". False", ".\nFalse", 1)
    draw.multiline_text((MARGIN, HEADER + height + 6), text, fill=INK, font_size=13)
    draw.text((image.width - MARGIN, image.height - 8), RESEARCH_USE, fill=GREY, font_size=12, anchor="rs")
    picture.parent.mkdir(parents=True, exist_ok=True)
    image.save(picture)
    return compared


def _black(view: PlanarView) -> float:
    return float(display_window(view.counts)[1])


def _outline(
    draw: ImageDraw,
    areas: NDArray[np.uint16],
    corner: tuple[int, int],
    color: tuple[int, int, int],
    *,
    dashed: bool,
) -> None:
    for pieces in outlines_of(areas).values():
        for piece in pieces:
            polygon = (piece + 0.5) * SCALE + corner
            if dashed:
                dashed_outline(draw, polygon, color, 2)
            else:
                closed = np.vstack((polygon, polygon[:1]))[:, ::-1]
                draw.line([tuple(point) for point in closed.tolist()], fill=color, width=2)


if __name__ == "__main__":
    try:
        print(draw_comparison(*map(Path, sys.argv[1:5])).sentence)
    except UserError as error:
        sys.exit(str(error))
