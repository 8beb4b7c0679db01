"""Which mark is which lesion: one to one by intersection over union."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..dataset.cases import IGNORE

Mask = NDArray[np.bool_]

#: Two outlines are the same lesion from here on: low, because lesions are a few pixels and readers differ much.
MINIMUM_IOU = 0.1
EIGHT_CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Matching:
    """Attributes:
    pairs: (index of the lesion, (rows, columns) mask of its mark).
    unmatched: connected marks that are no lesion's and touch no "ignore" pixel.
    """

    pairs: list[tuple[int, Mask]]
    unmatched: int


def match_lesions(marked: Mask, label: NDArray[np.uint8], lesions: Sequence[Mask]) -> Matching:
    """Pair 8-connected marks with lesions, at most one each, IoU at least MINIMUM_IOU; most pairs, then most overlap.

    "Ignore" pixels of a mark do not count in its IoU.

    Args:
        marked: (rows, columns) bool.
        label: (rows, columns) of BACKGROUND, LESION, IGNORE.
        lesions: (rows, columns) bool of every labelled lesion, LESION in `label`; they may overlap.
    """
    from scipy import ndimage
    from scipy.optimize import linear_sum_assignment

    parts, count = ndimage.label(marked, EIGHT_CONNECTED)
    ignored = label == IGNORE
    areas = np.bincount(parts[~ignored], minlength=count + 1)[1:]
    iou = np.zeros((len(lesions), count))
    for row, lesion in enumerate(lesions):
        common = np.bincount(parts[lesion], minlength=count + 1)[1:]
        iou[row] = common / np.maximum(areas + lesion.sum() - common, 1)
    # Above any sum of overlaps, so that the number of pairs goes first.
    enough = iou >= MINIMUM_IOU
    rows, columns = linear_sum_assignment(np.where(enough, iou + min(iou.shape, default=0) + 1, 0), maximize=True)
    pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if enough[i, j]]
    free = set(range(1, count + 1)) - {j + 1 for _, j in pairs} - set(np.unique(parts[ignored]).tolist())
    return Matching([(i, np.asarray(parts == j + 1)) for i, j in pairs], len(free))
