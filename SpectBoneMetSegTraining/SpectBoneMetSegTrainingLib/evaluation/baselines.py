"""What brightness alone can do: thresholds and Chan-Vese, to stand beside a model's figures.

If these did well, the data would be too easy. Each works on the counts of one view, smoothed a little, and knows
nothing of anatomy. The oracle stands at the other end: if it did badly, what is labelled could not be seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.inputs import body_mask

from ..dataset.cases import Truth, load_background, load_case
from ..dataset.opened import Data, opened
from .metrics import Counts
from .oracle import oracle
from .predictions import count_case

Mask = NDArray[np.bool_]
SMOOTHING_PIXELS = 1.0
MEDIAN_FACTORS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)


def _smooth(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(counts, SMOOTHING_PIXELS))


def otsu(counts: NDArray[np.float32]) -> Mask:
    """Otsu's threshold inside the body."""
    from skimage.filters import threshold_otsu

    image = _smooth(counts)
    return np.asarray(image > threshold_otsu(image[body_mask(image)]))


def times_median(factor: float) -> Callable[[NDArray[np.float32]], Mask]:
    """Above `factor` times the median of the body."""

    def mark(counts: NDArray[np.float32]) -> Mask:
        image = _smooth(counts)
        return image > factor * np.median(image[body_mask(image)])

    return mark


def chan_vese(counts: NDArray[np.float32]) -> Mask:
    """Morphological Chan-Vese (Marquez-Neila et al. 2014) on square-root counts, 40 iterations from Otsu's mask."""
    from skimage.segmentation import morphological_chan_vese

    image = np.sqrt(_smooth(counts))
    return np.asarray(morphological_chan_vese(image, 40, init_level_set=otsu(counts).astype(np.int8)) > 0)


def baselines() -> dict[str, Callable[[NDArray[np.float32]], Mask]]:
    """All baselines by name."""
    found: dict[str, Callable[[NDArray[np.float32]], Mask]] = {"Otsu": otsu, "Chan-Vese": chan_vese}
    found.update({f"{factor} x median": times_median(factor) for factor in MEDIAN_FACTORS})
    return found


def evaluate_baselines(
    data: Data, cases: list[str], truth: Truth = "agreed", region: Region = "thorax"
) -> dict[str, dict[str, float | int | None]]:
    """Pooled figures over both views of every baseline, and of the oracle where the data set holds backgrounds.

    Flagged cases (superscan, cold lesions) are left out, as in `predictions.evaluate_cases`.
    """
    marks = baselines()
    total = {name: Counts() for name in marks}
    if (opened(data).folder / "background").is_dir():
        total["oracle"] = Counts()
    for case in cases:
        crop = load_case(data, case, truth, region)
        if crop.flags:
            continue
        found = {name: {view: mark(image) for view, image in crop.counts.items()} for name, mark in marks.items()}
        if "oracle" in total:
            known = load_background(data, case, region)
            found["oracle"] = {view: oracle(image, known[view]) for view, image in crop.counts.items()}
        for name, marked in found.items():
            total[name] += sum(count_case(crop, marked).values(), Counts())
    return {name: counts.summary() for name, counts in total.items()}
