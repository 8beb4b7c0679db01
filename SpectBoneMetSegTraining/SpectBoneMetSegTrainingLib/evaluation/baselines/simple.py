"""Baselines that use intensity alone: global thresholds and Chan-Vese, and the oracle as upper bound.

If the baselines did well, the data would be too easy. Each works on the slightly smoothed counts of one view and knows
no anatomy. If the oracle did badly, the labelled lesions would not be visible.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.inputs import body_mask

from ...dataset.cases import Truth, load_background, load_case
from ...dataset.opened import Data, opened
from ..metrics import Counts
from ..predictions import count_case
from .oracle import oracle

Mask = NDArray[np.bool_]
#: Gaussian sigma in pixels.
SMOOTHING_PIXELS = 1.0
MEDIAN_FACTORS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)


def _smooth(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(counts, SMOOTHING_PIXELS))


def otsu(counts: NDArray[np.float32]) -> Mask:
    """Segment by Otsu's threshold inside the body."""
    from skimage.filters import threshold_otsu

    image = _smooth(counts)
    return np.asarray(image > threshold_otsu(image[body_mask(image)]))


def times_median(factor: float) -> Callable[[NDArray[np.float32]], Mask]:
    """Return a baseline that segments counts above `factor` times the median of the body."""

    def segment(counts: NDArray[np.float32]) -> Mask:
        image = _smooth(counts)
        return image > factor * np.median(image[body_mask(image)])

    return segment


def chan_vese(counts: NDArray[np.float32]) -> Mask:
    """Segment by morphological Chan-Vese (Marquez-Neila et al. 2014) on square-root counts, 40 iterations from Otsu."""
    from skimage.segmentation import morphological_chan_vese

    image = np.sqrt(_smooth(counts))
    return np.asarray(morphological_chan_vese(image, 40, init_level_set=otsu(counts).astype(np.int8)) > 0)


def baselines() -> dict[str, Callable[[NDArray[np.float32]], Mask]]:
    """Return all baselines by name."""
    found: dict[str, Callable[[NDArray[np.float32]], Mask]] = {"Otsu": otsu, "Chan-Vese": chan_vese}
    found.update({f"{factor} x median": times_median(factor) for factor in MEDIAN_FACTORS})
    return found


def evaluate_baselines(
    data: Data, cases: list[str], truth: Truth = "agreed", region: Region = "thorax"
) -> dict[str, dict[str, float | int | None]]:
    """Compute pooled figures over both views of every baseline, and of the oracle if the data set has backgrounds.

    Flagged cases (cold lesions) are left out, as in `predictions.evaluate_cases`.

    Args:
        data: data set.
        cases: names of its cases.
        truth: which reference labels.
        region: region of the body.

    Raises:
        UserError: a file is missing or unreadable.
    """
    methods = baselines()
    total = {name: Counts() for name in methods}
    if (opened(data).folder / "background").is_dir():
        total["oracle"] = Counts()
    for case in cases:
        crop = load_case(data, case, truth, region)
        if crop.flags:
            continue
        masks = {name: {view: method(image) for view, image in crop.counts.items()} for name, method in methods.items()}
        if "oracle" in total:
            background = load_background(data, case, region)
            masks["oracle"] = {view: oracle(image, background[view]) for view, image in crop.counts.items()}
        for name, mask in masks.items():
            total[name] += sum(count_case(crop, mask).values(), Counts())
    return {name: counts.summary() for name, counts in total.items()}
