"""How well a network finds the skeleton's regions: the Dice of each, pooled over cases and views, sides apart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, ViewName
from SpectBoneMetSegLib.scan.region_sides import region_maps
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS, REGIONS, class_map

Ids = NDArray[np.uint8]
Confusion = NDArray[np.int64]

#: Classes of `skeleton_regions.class_map`.
CLASSES = len(REGIONS) + 1


def region_classes(
    answer: NDArray[np.float32] | None, network: NetworkConfig, shape: tuple[int, int]
) -> dict[ViewName, Ids]:
    """{view: (rows, columns) of `skeleton_regions.class_map`} of what a network answers; {} of one without regions.

    Args:
        answer: as in `engines.NetworkOutput.regions`.
        shape: (rows, columns) of the case.
    """
    if answer is None:
        return {}
    numbered = region_maps(answer, network.outputs, REFERENCE_SPACING_MM)
    rows, columns = shape
    return {view: class_map(numbered[view][:rows, :columns]) for view in network.outputs if view != "union"}


def confusion(true: Ids, found: Ids) -> Confusion:
    """(CLASSES, CLASSES) pixels of one view by their true class and the one that was found."""
    pairs = true.ravel().astype(np.int64) * CLASSES + found.ravel()
    return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def region_dice(views: Iterable[Confusion]) -> dict[str, float]:
    """{region: Dice} of the regions that there are, and "bones", the mean of those that are bones.

    Pooled: pixels of all views together, so that a sliver of a bone in one view does not count as the bone in another.

    Args:
        views: the `confusion` of each.
    """
    total = sum(views, start=np.zeros((CLASSES, CLASSES), np.int64))
    hits, sizes = np.diag(total), total.sum(0) + total.sum(1)
    there = total.sum(1) > 0
    dice = {name: round(float(2 * hits[i] / sizes[i]), 4) for i, name in enumerate(REGIONS, start=1) if there[i]}
    bones = [value for name, value in dice.items() if name in BONE_REGIONS]
    return {**dice, "bones": round(float(np.mean(bones)), 4)} if bones else dice
