"""How a view is shown: its grey window and the marks of its sides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .planar import PlanarView

#: Share of the body's pixels that may be darker than black; bladder, kidneys and lesions fill about this much.
SATURATED = 0.01

#: Below this part of the mean of the non-empty pixels a pixel is air, not body.
AIR = 0.25


def display_window(counts: NDArray[np.float32]) -> tuple[float, float]:
    """(white, black) counts of an inverted grey display: from nothing to a high percentile of the body's own counts.

    Percentiles of the body and not of the field, so that the amount of air around the patient does not matter; not the
    maximum, so that a full bladder or a hot lesion does not bleach the skeleton.
    """
    filled = counts[counts > 0]
    if not filled.size:
        return (0.0, 1.0)
    body = filled[filled > AIR * filled.mean()]
    return (0.0, max(1.0, float(np.quantile(body, 1 - SATURATED))))


def side_marks(view: PlanarView) -> tuple[str, str]:
    """The patient's sides at the first and at the last column of a view: ("R", "L") from the front."""
    return ("R", "L") if view.ijk_to_ras[0, 0] < 0 else ("L", "R")
