"""From the expected image to the numbers in a file: uneven detectors, Poisson counts, what vendors do to them.

Vendors' filters, resolution recovery with noise suppression, and screen captures leave noise that is not Poisson.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .acquisition import Camera

Image = NDArray[np.float32]

OUTSIDE_COUNTS = 0.2
#: Distance of photomultiplier tubes, mm; the sweep smears their pattern along the rows, so that columns remain.
TUBE_MM = (55.0, 75.0)


def apply_nonuniformity(image: Image, camera: Camera, rng: np.random.Generator) -> Image:
    """The image as the detector's uneven columns see it: a slow drift and the pattern of the tubes in equal parts."""
    from scipy import ndimage

    count = image.shape[1]
    drift = ndimage.gaussian_filter1d(rng.normal(size=count), 6, mode="nearest")
    tubes = np.cos(2 * np.pi * (np.arange(count) * camera.spacing / rng.uniform(*TUBE_MM) + rng.random()))
    noise = drift / drift.std() + tubes / tubes.std()
    return np.asarray((image * (1 + camera.unevenness * noise / noise.std())).astype(np.float32))


def field_of_view(camera: Camera, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of an image of this shape over which the detector passed.

    What lies outside holds nothing, not even stray counts.
    """
    first, end = camera.swept or (0, shape[0])
    beyond = max((shape[1] - camera.width / camera.spacing) / 2, 0.0)
    left = min(round(beyond), (shape[1] - 1) // 2)
    return slice(max(first, 0), max(end, 0)), slice(left, shape[1] - left)


def mask_to_field(image: Image, camera: Camera) -> Image:
    """The image (rows, columns), zero where the detector never was."""
    inside = field_of_view(camera, image.shape)
    cut = np.zeros_like(image)
    cut[inside] = image[inside]
    return cut


def detect_counts(expected: Image, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint16]:
    """What the file holds of an expected image (rows, columns).

    Poisson counts, stray ones outside the body included, then the vendor's filter, enhancement and capture or the
    archive's ceiling, as the camera has them.
    """
    inside = field_of_view(camera, expected.shape)
    counts = np.zeros(expected.shape, np.float32)
    counts[inside] = np.minimum(rng.poisson(expected[inside] + OUTSIDE_COUNTS), 65535)
    if camera.smoothing > 0:
        from scipy import ndimage

        counts = np.rint(ndimage.gaussian_filter(counts, camera.smoothing))
    if camera.enhancement > 0:
        counts = enhance(counts, camera.enhancement)
    if camera.capture > 0:
        counts = quantise(counts, camera.capture)
    if camera.ceiling > 0:
        counts = np.minimum(counts, camera.ceiling)
    return np.minimum(counts, 65535).astype(np.uint16)


def enhance(counts: Image, strength: float) -> Image:
    """Noise suppression, then resolution recovery, as vendors' processing of planar scans does in one form or other.

    A local Wiener filter after Lee (IEEE Trans. PAMI 2, 1980) keeps of each pixel's difference from its surroundings
    the share that Poisson noise does not explain; an unsharp mask of this strength follows. Whole counts, about the
    same total.
    """
    from scipy import ndimage

    width = 2.0
    mean = ndimage.gaussian_filter(counts, width)
    variance = ndimage.gaussian_filter(counts * counts, width) - mean * mean
    # The window holds 4 pi sigma^2 pixels' worth of noise; its variance falls short by one of them.
    noise = mean * (1 - 1 / (4 * np.pi * width**2))
    share = np.clip(1 - noise / np.maximum(variance, 1e-6), 0, 1)
    # What is kept at edges and foci is filtered a little too, or they would stand out as grainy islands.
    kept = ndimage.gaussian_filter(counts, 0.7) - mean
    calm = mean + ndimage.gaussian_filter(share, 1.5) * kept
    sharp = np.clip(calm + np.float32(strength) * (calm - ndimage.gaussian_filter(calm, 2.0)), 0, None)
    total = float(counts.sum(dtype=np.float64))
    # Rounding empties the air, so the rest is raised a little to hold the total.
    whole = float(np.rint(sharp).sum(dtype=np.float64))
    return np.asarray(np.rint(sharp * np.float32(total / whole)) if whole > 0 else np.rint(sharp))


def quantise(counts: Image, white: float) -> Image:
    """An 8-bit capture: grey values 0-255 with `white` counts and more at 255."""
    return np.rint(np.minimum(counts, white) * np.float32(255 / white))
