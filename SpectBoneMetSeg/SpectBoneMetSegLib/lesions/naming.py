"""Names, colours and IDs of lesions."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .results import Reading

#: A lesion's name is this text and its number.
LESION_NAME = "Abnormal uptake"

#: Step of hue from one number to the next, as a fraction of the colour circle (golden ratio): neighbours differ much.
HUE_STEP = 0.618034


def lesion_name(number: int) -> str:
    """Return the default name of a lesion."""
    return f"{LESION_NAME} {number}"


def areas_named(numbers: Sequence[int]) -> str:
    """Return lesions as the subject of a sentence: "Area 1", "Areas 1, 2 and 5"."""
    if len(numbers) == 1:
        return f"Area {numbers[0]}"
    return f"Areas {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def lesion_color(number: int) -> tuple[float, float, float]:
    """Return RGB 0..1 of lesion `number`: distinct from its neighbours', visible on white and on grey."""
    hue = (number - 1) * HUE_STEP % 1.0
    brightness = (0.85, 0.65)[(number - 1) // 8 % 2]
    return colorsys.hsv_to_rgb(hue, 0.9, brightness)


def lesion_ids(reading: Reading) -> NDArray[np.uint16]:
    """Return (rows, columns) uint16 lesion IDs of the union mask in the anterior frame.

    Raises:
        ValueError: the number of components of the mask is not that of the reading's lesions.
    """
    ids = reading.lesion_ids
    count = int(ids.max())
    if count != len(reading.lesions):
        raise ValueError(f"the mask holds {count} lesions, the reading {len(reading.lesions)}")
    return ids
