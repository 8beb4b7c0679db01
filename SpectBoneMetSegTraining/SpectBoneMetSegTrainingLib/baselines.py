"""What brightness alone can do: thresholds and Chan-Vese, to stand beside a model's figures.

If these did well, the data would be too easy. Each works on the counts of one view, smoothed a little, and knows
nothing of anatomy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .dataset import LabelledCrop, load_case
from .evaluation import count_case
from .metrics import Counts

Mask = NDArray[np.bool_]
SMOOTHING_PIXELS = 1.0
MEDIAN_FACTORS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)


def _smooth(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy import ndimage

    return ndimage.gaussian_filter(counts, SMOOTHING_PIXELS)


def _body(image: NDArray[np.float32]) -> Mask:
    return image > 0.15 * np.percentile(image, 90)


def otsu(counts: NDArray[np.float32]) -> Mask:
    """Otsu's threshold inside the body."""
    from skimage.filters import threshold_otsu

    image = _smooth(counts)
    return image > threshold_otsu(image[_body(image)])


def times_median(factor: float) -> Callable[[NDArray[np.float32]], Mask]:
    """Above `factor` times the median of the body."""

    def mark(counts: NDArray[np.float32]) -> Mask:
        image = _smooth(counts)
        return image > factor * np.median(image[_body(image)])

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


def evaluate_baselines(data: Path, cases: list[str]) -> dict[str, dict[str, float | int]]:
    """Pooled figures over both views of every baseline on the crops of a data set."""
    total = {name: Counts() for name in baselines()}
    for case in cases:
        crop: LabelledCrop = load_case(data, case)
        for name, mark in baselines().items():
            for counts in count_case(crop, {view: mark(image) for view, image in crop.counts.items()}).values():
                total[name] += counts
    return {name: counts.summary() for name, counts in total.items()}
