"""Out-of-distribution warnings: how often a model warns of whole-body scans, unchanged and degraded.

python Testing/benchmarks/unlike.py DATA --model NAME
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from SpectBoneMetSegLib.model.appearance import appearance_warnings
from SpectBoneMetSegLib.model.store import find_model
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM
from SpectBoneMetSegTrainingLib.dataset.cases import cases_of, load_case

Image = NDArray[np.float32]
RNG = np.random.default_rng(0)


def level(image: Image) -> float:
    """Return a typical count of bone."""
    return float(np.percentile(image[image > 0.2 * np.percentile(image, 90)], 75))


#: Degradations, applied to both views.
DEGRADED: dict[str, Callable[[Image], Image]] = {
    "as they are": lambda image: image,
    "a twentieth of the counts": lambda image: RNG.binomial(np.rint(image).astype(int), 0.05),
    "smoothed, sigma 2 pixels": lambda image: ndimage.gaussian_filter(image, 2),
    "smoothed, sigma 1 pixel": lambda image: ndimage.gaussian_filter(image, 1),
    "median of 3 x 3": lambda image: ndimage.median_filter(image, 3),
    "sharpened": lambda image: np.maximum(image + 2 * (image - ndimage.gaussian_filter(image, 1.5)), 0),
    "square root": lambda image: np.sqrt(image * image.max()),
    "square": lambda image: image**2 / np.percentile(image, 99.5),
    "logarithm": lambda image: 20 * np.log1p(image),
    "a third of bone added to all": lambda image: image + RNG.poisson(np.full(image.shape, 0.3 * level(image))),
    "cut at 1.5 of bone": lambda image: np.minimum(image, 1.5 * level(image)),
    "upper half alone": lambda image: image[: len(image) // 2],
}
#: Factors of wrong pixel sizes.
SIZES = (1.6, 1 / 1.6)


def main() -> None:
    """Print a line for each degradation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--split", default="test")
    args = parser.parse_args()
    appearance = find_model(args.model).card.appearance
    cases = cases_of(args.data, args.split)
    warned = dict.fromkeys([*DEGRADED, *(f"pixels taken for {size:.2f} times as large" for size in SIZES)], 0)
    for case in cases:
        views = load_case(args.data, case, region="whole-body").counts
        for name, degrade in DEGRADED.items():
            degraded = {view: np.asarray(degrade(image), np.float32) for view, image in views.items()}
            warned[name] += bool(appearance_warnings(degraded, REFERENCE_SPACING_MM, appearance, case))
        for name, size in zip(list(warned)[len(DEGRADED) :], SIZES, strict=True):
            warned[name] += bool(appearance_warnings(views, REFERENCE_SPACING_MM * size, appearance, case))
    for name, count in warned.items():
        print(f"{name:40}{count:5} of {len(cases)} scans with a warning, {count / len(cases):.0%}")


if __name__ == "__main__":
    main()
