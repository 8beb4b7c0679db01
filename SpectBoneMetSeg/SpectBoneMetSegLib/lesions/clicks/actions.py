"""What a click or a drag of the mouse over a scan means, and the lesions after it.

| from | to | means |
|---|---|---|
| a click on no lesion | | outline one there |
| a click on a lesion | | decide on it |
| a lesion | another one | join both |
| a lesion | no lesion | draw it larger on all sides, until it reaches there |
| no lesion | a lesion | draw it smaller on all sides, until it ends there |
| no lesion | no lesion, across one | cut it |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...scan.planar import ViewName, WholeBodyScan
from .change import (
    NEAR,
    Ids,
    Position,
    add_lesion,
    cut_lesion,
    join_lesions,
    lesion_near,
    line_between,
    resize_lesion,
)

__all__ = ["Action", "Kind", "Stroke", "action_of", "lesions_after"]

Kind = Literal["outline", "decide", "join", "grow", "shrink", "cut"]


@dataclass(frozen=True)
class Stroke:
    """A press and a release of the mouse.

    Attributes:
        start: (row, column) on the anterior frame; the end may lie outside of it.
        end: (row, column) on the anterior frame; the end may lie outside of it.
        slack: pixels that a hand strays: how near to a lesion still means it, and how far a click may move.
        view: the view that was clicked in; None in a picture of both.
    """

    start: Position
    end: Position
    slack: float = 0.0
    view: ViewName | None = None

    @property
    def is_click(self) -> bool:
        """Whether the mouse stayed where it was pressed."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])) <= self.slack


@dataclass(frozen=True)
class Action:
    """What a stroke means, and for which lesions: the first one is that whose number stays."""

    kind: Kind
    lesions: tuple[int, ...] = ()


def action_of(ids: Ids, stroke: Stroke) -> Action | None:
    """What a stroke means beside lesions numbered `ids`, (rows, columns) on the anterior frame; None for nothing."""
    slack = min(stroke.slack, NEAR)
    start, end = lesion_near(ids, stroke.start, 0), lesion_near(ids, stroke.end, 0)
    from_near, to_near = lesion_near(ids, stroke.start, slack), lesion_near(ids, stroke.end, slack)
    if stroke.is_click:
        if from_near:
            return Action("decide", (from_near,))
        return Action("outline") if _inside(stroke.start, ids) else None
    if from_near and to_near and from_near != to_near:
        return Action("join", (from_near, to_near))
    if start and not end:
        return Action("grow", (start,))
    if end and not start:
        return Action("shrink", (end,))
    if start and end:
        return None
    crossed = np.unique(ids[line_between(ids.shape, _clamped(stroke.start, ids), _clamped(stroke.end, ids))])
    crossed = crossed[crossed > 0]
    if crossed.size:
        return Action("cut", tuple(int(number) for number in crossed))
    # Taken by its edge from outside.
    return Action("grow", (from_near,)) if from_near else None


def lesions_after(
    ids: Ids,
    stroke: Stroke,
    action: Action,
    scan: WholeBodyScan,
    probabilities: Mapping[ViewName, NDArray[np.float32]],
) -> Ids:
    """The lesions after a stroke that draws; new ones have numbers beyond those of `ids`.

    Args:
        ids: (rows, columns) on the anterior frame.
        action: of the stroke, any but "decide".
        scan: its counts.
        probabilities: per view on the anterior frame; may be empty.

    Raises:
        ValueError: what is meant cannot be done; says why.
    """
    spacing = scan.frame.spacing
    if action.kind == "outline":
        return add_lesion(ids, scan, probabilities, stroke.start, stroke.view)
    if action.kind == "join":
        return join_lesions(ids, stroke.start, stroke.end)
    if action.kind == "cut":
        return cut_lesion(ids, _clamped(stroke.start, ids), _clamped(stroke.end, ids))
    own = ids == action.lesions[0]
    if action.kind == "grow":
        return resize_lesion(ids, stroke.start, _distance(own, stroke.end, spacing), spacing)
    return resize_lesion(ids, stroke.end, -_distance(~own, stroke.end, spacing), spacing)


def _distance(mask: NDArray[np.bool_], place: Position, spacing: tuple[float, float]) -> float:
    """mm from the pixel of a place to the nearest one of a mask."""
    rows, columns = np.nonzero(mask)
    row, column = (round(float(value)) for value in place)
    return float(np.sqrt((((rows - row) * spacing[0]) ** 2 + ((columns - column) * spacing[1]) ** 2).min()))


def _inside(place: Position, ids: Ids) -> bool:
    return all(0 <= round(float(value)) < size for value, size in zip(place, ids.shape, strict=True))


def _clamped(place: Position, ids: Ids) -> tuple[int, int]:
    row, column = (min(max(round(float(value)), 0), size - 1) for value, size in zip(place, ids.shape, strict=True))
    return row, column
