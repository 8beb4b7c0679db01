"""Numbers of the regions in a region map: bones, bladder, kidneys and injection site.

For paired regions the number itself is the patient's left, plus RIGHT_OFFSET the right; 0 is no region.
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
#: All regions in the order of a network's channels; sides are derived from the midline, not learnt.
REGIONS = (*BONE_REGIONS, *OTHER_REGIONS)
#: Their numbers in the same order.
NUMBERS = (*BONE_REGIONS.values(), *OTHER_REGIONS.values())


def class_map(regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert region numbers of any shape to classes without sides: 0 for none, else 1 + index in REGIONS.

    >>> class_map(np.array([0, 57, 7, 20], np.uint8)).tolist()
    [0, 7, 7, 15]
    """
    table = np.zeros(256, np.uint8)
    for index, number in enumerate(NUMBERS, start=1):
        table[[number, number + RIGHT_OFFSET]] = index
    return table[regions]
