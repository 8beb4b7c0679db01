"""Directions of columns and rows in the patient, as a file states them.

Only directions of a coronal plane are used, because no other plane shows a whole body from the front or from behind.
Axial directions are the formats' default and are ignored.
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

#: Cosine from which a direction counts as parallel to a patient axis.
ALONG = 0.9
_TOWARD = (("left", "right"), ("back", "front"), ("head", "feet"))


def toward(direction: Sequence[float] | NDArray[np.float64]) -> str:
    """Return where an LPS direction points: left, right, back, front, head or feet; "" if oblique or zero."""
    vector = np.asarray(direction, float)
    length = float(np.linalg.norm(vector))
    if vector.shape != (3,) or not np.isfinite(length) or length == 0:
        return ""
    axis = int(np.abs(vector).argmax())
    if abs(vector[axis]) < ALONG * length:
        return ""
    return _TOWARD[axis][0 if vector[axis] > 0 else 1]


def plane_directions(across: str, down: str, name: str) -> tuple[Across, Down]:
    """Validate the directions of an image's columns (`across`) and rows (`down`).

    Returns:
        Both directions; ("", "") for axial ones, which are the formats' default.

    Raises:
        UserError: a plane that cannot show a whole-body view, or columns along the body.
    """
    if across in ("left", "right") and down in ("head", "feet"):
        return ("left" if across == "left" else "right"), ("head" if down == "head" else "feet")
    if across in ("left", "right", "") and down in ("front", "back", ""):
        return "", ""
    raise UserError(
        f"{name} states that its columns run to the patient's {across or 'oblique'} and its rows to the "
        f"{down or 'oblique'}, which is no view from the front or from behind; give the planar whole-body views."
    )


def orient_as_stated(frame: Frame, side: ViewName, warnings: list[str]) -> Frame:
    """Flip a frame to have the head at the top and the columns as the detector on that side sees them.

    A message for each flip is added to `warnings`.
    """
    counts = frame.counts
    if frame.down == "head":
        counts = counts[::-1]
        warnings.append(f"{frame.name} states that its rows run from the feet up: the {side} view was flipped.")
    if frame.across and frame.across != ("left" if side == "anterior" else "right"):
        counts = counts[:, ::-1]
        warnings.append(
            f"{frame.name} states that the columns of its {side} view run to the patient's {frame.across}, mirrored "
            "from what the detector sees: it was flipped."
        )
    return replace(frame, counts=np.ascontiguousarray(counts), across="", down="")
