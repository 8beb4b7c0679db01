"""Draw the module's icon: `python draw_icons.py` writes SpectBoneMetSeg.png beside this file.

A chest in inverted grey as a bone scan shows it, with two outlined areas of uptake.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIZE, OVERSAMPLING = 128, 4
PAPER, BONE, HOT, OUTLINE, RIM = (250, 250, 250), (150, 150, 150), (30, 30, 30), (214, 0, 28), (90, 100, 110)


def draw() -> Image.Image:
    """The icon, 128 x 128 pixels with transparent corners."""
    scale = SIZE * OVERSAMPLING / 128
    image = Image.new("RGBA", (SIZE * OVERSAMPLING,) * 2, (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)

    def box(left: float, top: float, right: float, bottom: float) -> list[float]:
        return [left * scale, top * scale, right * scale, bottom * scale]

    pen.rounded_rectangle(box(4, 4, 124, 124), radius=18 * scale, fill=PAPER, outline=RIM, width=round(3 * scale))
    pen.rounded_rectangle(box(60, 14, 68, 114), radius=4 * scale, fill=BONE)
    for level in range(6):
        top, half = 22 + 14 * level, 30 + 3 * level
        pen.arc(box(64 - half, top, 64 + half, top + 34), 190, 350, fill=BONE, width=round(5 * scale))
    for x, y, radius in ((36, 52, 8), (84, 78, 6)):
        pen.ellipse(box(x - radius, y - radius, x + radius, y + radius), fill=HOT)
        ring = radius + 6
        pen.ellipse(box(x - ring, y - ring, x + ring, y + ring), outline=OUTLINE, width=round(4 * scale))
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("SpectBoneMetSeg.png"), optimize=True)
