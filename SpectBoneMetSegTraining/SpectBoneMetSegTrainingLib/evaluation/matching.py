"""One-to-one matching of detections to lesions by intersection over union (IoU)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dataset.cases import IGNORE

Mask = NDArray[np.bool_]

#: Minimum IoU of a match; low, because lesions have few pixels and readers differ much.
MINIMUM_IOU = 0.1
EIGHT_CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Matching:
    """Result of a matching.

    Attributes:
        pairs: (index of the lesion, (rows, columns) mask of its detection).
        unmatched: detections without a lesion that touch no "ignore" pixel.
    """

    pairs: list[tuple[int, Mask]]
    unmatched: int


def match_lesions(mask: Mask, label: NDArray[np.uint8], lesions: Sequence[Mask]) -> Matching:
    """Match 8-connected detections to lesions, one to one, with IoU >= MINIMUM_IOU.

    The number of pairs is maximised first, then their summed IoU. "Ignore" pixels of a detection do not count in its
    IoU.

    Args:
        mask: (rows, columns) bool, predicted.
        label: (rows, columns) of BACKGROUND, LESION, IGNORE.
        lesions: (rows, columns) bool mask of every labelled lesion, LESION in `label`; they may overlap.
    """
    from scipy import ndimage
    from scipy.optimize import linear_sum_assignment

    parts, count = ndimage.label(mask, EIGHT_CONNECTED)
    ignored = label == IGNORE
    areas = np.bincount(parts[~ignored], minlength=count + 1)[1:]
    iou = np.zeros((len(lesions), count))
    for row, lesion in enumerate(lesions):
        common = np.bincount(parts[lesion], minlength=count + 1)[1:]
        iou[row] = common / np.maximum(areas + lesion.sum() - common, 1)
    # The added constant exceeds any sum of IoUs, so that the number of pairs comes first.
    valid = iou >= MINIMUM_IOU
    rows, columns = linear_sum_assignment(np.where(valid, iou + min(iou.shape, default=0) + 1, 0), maximize=True)
    pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if valid[i, j]]
    free = set(range(1, count + 1)) - {j + 1 for _, j in pairs} - set(np.unique(parts[ignored]).tolist())
    return Matching([(i, np.asarray(parts == j + 1)) for i, j in pairs], len(free))
