"""Directions that a file states: which way its columns and rows run in the patient.

Only directions of a coronal plane are believed, because no other plane shows a whole body from the front or from
behind; the axial ones that formats fall back to say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..scan.planar import ViewName
from .frames import Frame

__all__ = ["Across", "Down", "orient_as_stated", "plane_directions", "toward"]

Across = Literal["", "left", "right"]
Down = Literal["", "feet", "head"]

#: Cosine from which on a direction counts as one along a patient axis.
ALONG = 0.9
_TOWARD = (("left", "right"), ("back", "front"), ("head", "feet"))


def toward(direction: Sequence[float] | NDArray[np.float64]) -> str:
    """Where an LPS direction points: left, right, back, front, head or feet; "" for an oblique one or none."""
    vector = np.asarray(direction, float)
    length = float(np.linalg.norm(vector))
    if vector.shape != (3,) or not np.isfinite(length) or length == 0:
        return ""
    axis = int(np.abs(vector).argmax())
    if abs(vector[axis]) < ALONG * length:
        return ""
    return _TOWARD[axis][0 if vector[axis] > 0 else 1]


def plane_directions(across: str, down: str, name: str) -> tuple[Across, Down]:
    """(where the columns run, where the rows run) of a picture whose axes point `across` and `down`.

    Axial directions, which formats fall back to, are ("", "").

    Raises:
        UserError: a plane in which no whole-body view lies, or columns along the body.
    """
    if across in ("left", "right") and down in ("head", "feet"):
        return ("left" if across == "left" else "right"), ("head" if down == "head" else "feet")
    if across in ("left", "right", "") and down in ("front", "back", ""):
        return "", ""
    raise UserError(
        f"{name} says that its columns run to the patient's {across or 'oblique'} and its rows to the "
        f"{down or 'oblique'}, which is no view from the front or from behind; give the planar whole-body views."
    )


def orient_as_stated(frame: Frame, side: ViewName, warnings: list[str]) -> Frame:
    """The frame with its head at the top and its columns as the detector on that side sees them.

    What was turned is added to `warnings` by name.
    """
    counts = frame.counts
    if frame.down == "head":
        counts = counts[::-1]
        warnings.append(f"{frame.name} says that its rows run from the feet up: the {side} view was turned.")
    if frame.across and frame.across != ("left" if side == "anterior" else "right"):
        counts = counts[:, ::-1]
        warnings.append(
            f"{frame.name} says that the columns of its {side} view run to the patient's {frame.across}, mirrored "
            "from what the detector sees: it was turned."
        )
    return replace(frame, counts=np.ascontiguousarray(counts), across="", down="")
