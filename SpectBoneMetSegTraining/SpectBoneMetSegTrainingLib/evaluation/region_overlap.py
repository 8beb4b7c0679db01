"""Segmentation quality of the skeletal regions: Dice of each, pooled over cases, views and sides."""

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
    regions: NDArray[np.float32] | None, network: NetworkConfig, shape: tuple[int, int]
) -> dict[ViewName, Ids]:
    """Return {view: (rows, columns) classes of `skeleton_regions.class_map`}; {} for a network without regions.

    Args:
        regions: region output of a network, as in `engines.NetworkOutput.regions`; None without.
        network: names the outputs.
        shape: (rows, columns) of the case.
    """
    if regions is None:
        return {}
    numbered = region_maps(regions, network.outputs, REFERENCE_SPACING_MM)
    rows, columns = shape
    return {view: class_map(numbered[view][:rows, :columns]) for view in network.outputs if view != "union"}


def confusion(true: Ids, predicted: Ids) -> Confusion:
    """Return the (CLASSES, CLASSES) confusion matrix of one view, in pixels: true class by predicted class."""
    pairs = true.ravel().astype(np.int64) * CLASSES + predicted.ravel()
    return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def region_dice(views: Iterable[Confusion]) -> dict[str, float]:
    """Return {region: Dice} of the regions present, and their mean over bones as "bones".

    Pixels of all views are pooled, so that a sliver of a bone in one view does not weigh as much as the whole bone.

    Args:
        views: the `confusion` of each view.
    """
    total = sum(views, start=np.zeros((CLASSES, CLASSES), np.int64))
    hits, sizes = np.diag(total), total.sum(0) + total.sum(1)
    present = total.sum(1) > 0
    dice = {name: round(float(2 * hits[i] / sizes[i]), 4) for i, name in enumerate(REGIONS, start=1) if present[i]}
    bones = [value for name, value in dice.items() if name in BONE_REGIONS]
    return {**dice, "bones": round(float(np.mean(bones)), 4)} if bones else dice
