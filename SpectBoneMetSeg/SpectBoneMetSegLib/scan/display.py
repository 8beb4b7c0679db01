"""Display settings of a view: grey window and side markers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .planar import PlanarView

#: Share of the body's pixels above the window's upper end; about that of bladder, kidneys and lesions.
SATURATED = 0.01

#: Pixels below this share of the mean of the non-empty pixels are air.
AIR = 0.25


def display_window(counts: NDArray[np.float32]) -> tuple[float, float]:
    """Return the (white, black) counts of an inverted grey display: 0 and a high percentile of the body's counts.

    The percentile is taken over the body, so that the amount of air does not matter. The maximum is not used, because
    a full bladder or a hot lesion would leave the skeleton too pale.
    """
    filled = counts[counts > 0]
    if not filled.size:
        return (0.0, 1.0)
    body = filled[filled > AIR * filled.mean()]
    return (0.0, max(1.0, float(np.quantile(body, 1 - SATURATED))))


def side_marks(view: PlanarView) -> tuple[str, str]:
    """Return the patient's sides at the first and the last column of a view: ("R", "L") for the anterior view."""
    return ("R", "L") if view.ijk_to_ras[0, 0] < 0 else ("L", "R")
