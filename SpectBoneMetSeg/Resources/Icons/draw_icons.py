"""Draw the modules' icons: `python draw_icons.py` writes SpectBoneMetSeg.png and SpectBoneMetSegTraining.png.

A chest in inverted grey as a bone scan shows it: with two outlined areas of uptake for the module that reads, with a
rising learning curve for the training module.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIZE, OVERSAMPLING = 128, 4
PAPER, BONE, HOT, OUTLINE, RIM = (250, 250, 250), (150, 150, 150), (30, 30, 30), (214, 0, 28), (90, 100, 110)
PALE_BONE, CURVE = (205, 205, 205), (0, 122, 90)
SCALE = SIZE * OVERSAMPLING / 128
ROOT = Path(__file__).resolve().parents[3]


def draw_reading() -> Image.Image:
    """The icon of SpectBoneMetSeg, 128 x 128 pixels with transparent corners."""
    image, pen = _chest(BONE)
    for x, y, radius in ((36, 52, 8), (84, 78, 6)):
        pen.ellipse(_box(x - radius, y - radius, x + radius, y + radius), fill=HOT)
        ring = radius + 6
        pen.ellipse(_box(x - ring, y - ring, x + ring, y + ring), outline=OUTLINE, width=round(4 * SCALE))
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def draw_training() -> Image.Image:
    """The icon of SpectBoneMetSegTraining, 128 x 128 pixels with transparent corners."""
    image, pen = _chest(PALE_BONE)
    points = [(20.0, 104.0), (38.0, 72.0), (60.0, 50.0), (84.0, 37.0), (108.0, 30.0)]
    steps = [value * SCALE for point in points for value in point]
    pen.line(steps, fill=CURVE, width=round(7 * SCALE), joint="curve")
    for x, y in points:
        pen.ellipse(_box(x - 7, y - 7, x + 7, y + 7), fill=PAPER, outline=CURVE, width=round(4 * SCALE))
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _chest(bone: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A spine with six pairs of ribs on paper, large, and a pen to go on with."""
    image = Image.new("RGBA", (SIZE * OVERSAMPLING,) * 2, (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle(_box(4, 4, 124, 124), radius=18 * SCALE, fill=PAPER, outline=RIM, width=round(3 * SCALE))
    pen.rounded_rectangle(_box(60, 14, 68, 114), radius=4 * SCALE, fill=bone)
    for level in range(6):
        top, half = 22 + 14 * level, 30 + 3 * level
        pen.arc(_box(64 - half, top, 64 + half, top + 34), 190, 350, fill=bone, width=round(5 * SCALE))
    return image, pen


def _box(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left * SCALE, top * SCALE, right * SCALE, bottom * SCALE]


if __name__ == "__main__":
    for name, icon in (("SpectBoneMetSeg", draw_reading()), ("SpectBoneMetSegTraining", draw_training())):
        icon.save(ROOT / name / "Resources" / "Icons" / f"{name}.png", optimize=True)
