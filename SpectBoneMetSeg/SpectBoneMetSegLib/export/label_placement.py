"""Place labels next to outlines, without overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Label", "Rectangle", "place_labels"]

#: (top, left, bottom, right).
Rectangle = tuple[float, float, float, float]
#: (top, left, start of the leader on the outline; None if the label is next to the outline).
Label = tuple[float, float, tuple[float, float] | None]

#: Sine and cosine of the directions tried, right side before left.
DIRECTIONS = [(float(np.sin(angle)), float(np.cos(angle))) for angle in 2 * np.pi * np.arange(16) / 16]
#: Distances tried, in units of the gap.
DISTANCES = (1, 3, 6, 10, 16, 24)
#: A label further than this from its outline, in units of the gap, gets a leader.
LEADER = 1.5


def place_labels(
    outlines: dict[int, NDArray[np.float64]], sizes: dict[int, tuple[float, float]], bounds: Rectangle, gap: float
) -> dict[int, Label]:
    """Return a position for each outline's label.

    Args:
        outlines: per number the (n, 2) corners of its outline, (row, column) in drawing pixels.
        sizes: per number its label's (height, width).
        bounds: of the panel.
        gap: smallest distance between outline and label, in pixels.

    Returns:
        {number: label} for every outline that reaches into the panel, at the nearest free position inside the panel; if
        none is free, at the nearest one.
    """
    boxes = {number: _box(corners) for number, corners in outlines.items()}
    taken = list(boxes.values())
    placed: dict[int, Label] = {}
    for number, box in boxes.items():
        if _overlap(box, bounds) <= 0:
            continue
        inside = [option for option in _options(box, sizes[number], gap) if _within(option, bounds)]
        if not inside:
            continue
        label = next((option for option in inside if all(_overlap(option, other) <= 0 for other in taken)), inside[0])
        taken.append(label)
        anchor, away = _nearest(outlines[number], label)
        placed[number] = (label[0], label[1], anchor if away > LEADER * gap else None)
    return placed


def _options(box: Rectangle, size: tuple[float, float], gap: float) -> list[Rectangle]:
    """Return candidate boxes around an outline's box, nearest first."""
    row, column = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_height, half_width = (box[2] - box[0] + size[0]) / 2, (box[3] - box[1] + size[1]) / 2
    options = []
    for distance in DISTANCES:
        for down, right in DIRECTIONS:
            # Distance in this direction at which the two boxes separate, plus the gap.
            reach = min(half_height / max(abs(down), 1e-9), half_width / max(abs(right), 1e-9)) + gap * distance
            top = row + reach * down - size[0] / 2
            left = column + reach * right - size[1] / 2
            options.append((top, left, top + size[0], left + size[1]))
    return options


def _box(corners: NDArray[np.float64]) -> Rectangle:
    (top, left), (bottom, right) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return (top, left, bottom, right)


def _overlap(one: Rectangle, two: Rectangle) -> float:
    """Return the area of the intersection of two boxes."""
    height = min(one[2], two[2]) - max(one[0], two[0])
    width = min(one[3], two[3]) - max(one[1], two[1])
    return max(0.0, height) * max(0.0, width)


def _within(box: Rectangle, bounds: Rectangle) -> bool:
    return box[0] >= bounds[0] and box[1] >= bounds[1] and box[2] <= bounds[2] and box[3] <= bounds[3]


def _nearest(corners: NDArray[np.float64], label: Rectangle) -> tuple[tuple[float, float], float]:
    """Return the corner of an outline nearest to a label's box, and its distance from the box."""
    nearest = np.clip(corners, label[:2], label[2:])
    away = np.linalg.norm(corners - nearest, axis=1)
    row, column = corners[np.argmin(away)].tolist()
    return (row, column), float(away.min())
