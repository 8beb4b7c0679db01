"""Names, colours and numbers of lesions."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from .results import Reading

#: Before the number in a lesion's name.
LESION_NAME = "Abnormal uptake"

#: Neighbouring numbers get hues far apart: each step is this part of the colour circle (golden ratio).
HUE_STEP = 0.618034


def lesion_name(number: int) -> str:
    """Return the name of a lesion until a physician accepts it."""
    return f"{LESION_NAME} {number}"


def lesion_color(number: int) -> tuple[float, float, float]:
    """RGB 0..1 of lesion `number`, distinct from its neighbours', strong enough to be seen on white and on grey."""
    hue = (number - 1) * HUE_STEP % 1.0
    brightness = (0.85, 0.65)[(number - 1) // 8 % 2]
    return colorsys.hsv_to_rgb(hue, 0.9, brightness)


def lesion_ids(reading: Reading) -> NDArray[np.uint16]:
    """(rows, columns) uint16 lesion IDs of the union mask in the anterior frame.

    Raises:
        ValueError: the mask's components are not the reading's lesions.
    """
    ids = reading.lesion_ids
    count = int(ids.max())
    if count != len(reading.lesions):
        raise ValueError(f"the mask holds {count} lesions, the reading {len(reading.lesions)}")
    return ids
