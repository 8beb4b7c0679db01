"""Regions of the skeleton and what lies beside it, by number: what a region map holds, per view.

Of paired regions the patient's left has the number as it stands, the right RIGHT_OFFSET more; 0 is none of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BONE_REGIONS", "NUMBERS", "OTHER_REGIONS", "REGIONS", "RIGHT_OFFSET", "class_map"]

BONE_REGIONS = {
    "skull": 1,
    "cervical spine": 2,
    "thoracic spine": 3,
    "lumbar spine": 4,
    "sacrum": 5,
    "pelvis": 6,
    "ribs": 7,
    "scapula": 8,
    "humerus": 9,
    "femur": 10,
    "sternum": 11,
    "clavicle": 12,
    "forearm and hand": 13,
    "lower leg and foot": 14,
}
OTHER_REGIONS = {"bladder": 20, "kidney": 21, "injection site": 22}
RIGHT_OFFSET = 50
#: All regions in the order of a network's channels; sides are told from the midline, not learnt.
REGIONS = (*BONE_REGIONS, *OTHER_REGIONS)
#: Their numbers in the same order.
NUMBERS = (*BONE_REGIONS.values(), *OTHER_REGIONS.values())


def class_map(regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Region numbers as classes without sides: 0 for none, else 1 + place in REGIONS; any shape.

    >>> class_map(np.array([0, 57, 7, 20], np.uint8)).tolist()
    [0, 7, 7, 15]
    """
    table = np.zeros(256, np.uint8)
    for place, number in enumerate(NUMBERS, start=1):
        table[[number, number + RIGHT_OFFSET]] = place
    return table[regions]
