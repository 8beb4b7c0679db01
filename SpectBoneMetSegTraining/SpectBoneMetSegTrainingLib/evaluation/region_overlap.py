"""How well a network finds the skeleton's regions: the Dice of each, pooled over cases and views, sides apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.engines import Answer
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM
from SpectBoneMetSegLib.scan.region_sides import regions_of_views
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS, REGIONS, class_map

from ..dataset.cases import load_case
from .predictions import inputs_of

Ids = NDArray[np.uint8]


def predicted_regions(
    folder: Path,
    cases: Iterable[str],
    answer: Callable[[NDArray[np.float32]], Answer],
    network: NetworkConfig,
    region: Region,
    taught: Region,
) -> Iterator[tuple[Ids, Ids]]:
    """(true, predicted) classes, as in `skeleton_regions.class_map`, of every view of which the regions are known.

    Args:
        answer: of an engine, `engines.Engine.answer`.
        region: to predict. taught: whose level of counts the model knows, as in `predictions.predict_cases`.
    """
    for name in cases:
        crop = load_case(folder, name, region=region, regions=True)
        if not crop.regions:
            continue
        known = None if taught == region else load_case(folder, name, region=taught)
        regions = answer(inputs_of(crop, network, known)).regions
        if regions is None:
            return
        numbered = regions_of_views(regions, network.outputs, REFERENCE_SPACING_MM)
        for view, true in crop.regions.items():
            rows, columns = true.shape
            yield true, class_map(numbered[view][:rows, :columns])


def region_dice(pairs: Iterable[tuple[Ids, Ids]]) -> dict[str, float]:
    """{region: Dice} of the regions that there are, and "bones", the mean of those that are bones.

    Pooled: pixels of all views together, so that a sliver of a bone in one view does not count as the bone in another.
    """
    size = len(REGIONS) + 1
    confusion = np.zeros((size, size), np.int64)
    for true, found in pairs:
        confusion += np.bincount(true.ravel().astype(np.int64) * size + found.ravel(), minlength=size**2).reshape(
            size, size
        )
    both, total = np.diag(confusion), confusion.sum(0) + confusion.sum(1)
    there = confusion.sum(1) > 0
    dice = {name: round(float(2 * both[i] / total[i]), 4) for i, name in enumerate(REGIONS, start=1) if there[i]}
    bones = [value for name, value in dice.items() if name in BONE_REGIONS]
    return {**dice, "bones": round(float(np.mean(bones)), 4)} if bones else dice
