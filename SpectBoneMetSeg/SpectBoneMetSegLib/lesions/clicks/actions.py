"""Actions that clicks and drags of the mouse over a scan stand for, and the lesions after them.

| from | to | action |
|---|---|---|
| a click on no lesion | | outline one there |
| a click on a lesion | | decide on it |
| a lesion | another lesion | join both, round any other |
| a lesion | no lesion | enlarge it on all sides up to that point |
| no lesion | a lesion | shrink it on all sides down to that point |
| no lesion | no lesion, across one | cut it |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...scan.planar import ViewName, WholeBodyScan
from .change import NEAR, add_lesion, cut_lesion, join_lesions, resize_lesion
from .checks import labelmap_of
from .positions import Ids, Position, lesion_near, line_between, pixel_at

__all__ = ["Action", "Kind", "Stroke", "action_of", "lesions_after"]

Kind = Literal["outline", "decide", "join", "grow", "shrink", "cut"]


@dataclass(frozen=True)
class Stroke:
    """A press and a release of the mouse.

    Attributes:
        start: (row, column) of the press on the anterior frame.
        end: (row, column) of the release on the anterior frame; it may lie outside.
        slack: tolerance in pixels: largest distance from a lesion that still selects it, largest movement of a click.
        view: the view that was clicked; None for an image of both views.
    """

    start: Position
    end: Position
    slack: float = 0.0
    view: ViewName | None = None

    @property
    def is_click(self) -> bool:
        """Whether the mouse moved less than `slack` between press and release."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])) <= self.slack


@dataclass(frozen=True)
class Action:
    """The action of a stroke and the IDs of its lesions; the first ID is kept.

    Attributes:
        kind: what the stroke does.
        lesions: IDs of the lesions that it changes.
    """

    kind: Kind
    lesions: tuple[int, ...] = ()


def action_of(ids: Ids, stroke: Stroke) -> Action | None:
    """Return the action of a stroke over the lesions `ids`, (rows, columns) on the anterior frame; None if none."""
    if not np.isfinite([*stroke.start, *stroke.end]).all():
        return None
    slack = min(stroke.slack, NEAR)
    start, end = lesion_near(ids, stroke.start, 0), lesion_near(ids, stroke.end, 0)
    from_near, to_near = lesion_near(ids, stroke.start, slack), lesion_near(ids, stroke.end, slack)
    if stroke.is_click:
        if from_near:
            return Action("decide", (from_near,))
        return None if pixel_at(stroke.start, ids.shape) is None else Action("outline")
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
    # The stroke began just outside the edge of a lesion.
    return Action("grow", (from_near,)) if from_near else None


def lesions_after(
    ids: Ids,
    stroke: Stroke,
    action: Action,
    scan: WholeBodyScan,
    probabilities: Mapping[ViewName, NDArray[np.float32]],
) -> Ids:
    """Return the lesions after an action that draws; new lesions get numbers above those of `ids`.

    Args:
        ids: (rows, columns) lesion IDs on the anterior frame.
        stroke: press and release of the mouse.
        action: of the stroke, any except "decide".
        scan: its counts.
        probabilities: per view on the anterior frame; may be empty.

    Raises:
        UserError: the action is not possible; the message gives the reason.
    """
    spacing = scan.frame.spacing
    ids = labelmap_of(ids, scan.frame.shape)
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


def _distance(mask: NDArray[np.bool_], position: Position, spacing: tuple[float, float]) -> float:
    """Return the distance in mm from a pixel to the nearest pixel of a mask."""
    rows, columns = np.nonzero(mask)
    row, column = (round(float(value)) for value in position)
    return float(np.sqrt((((rows - row) * spacing[0]) ** 2 + ((columns - column) * spacing[1]) ** 2).min()))


def _clamped(position: Position, ids: Ids) -> tuple[int, int]:
    row, column = (min(max(round(float(value)), 0), size - 1) for value, size in zip(position, ids.shape, strict=True))
    return row, column
