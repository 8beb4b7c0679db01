"""From the expected image to the stored counts: detector non-uniformity, Poisson noise and vendors' processing.

After vendors' filters, resolution recovery with noise suppression, or screen capture, the noise is no longer Poisson.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .acquisition import Camera

Image = NDArray[np.float32]

#: Expected stray counts per pixel.
OUTSIDE_COUNTS = 0.2
#: Range of the distance of photomultiplier tubes, mm. The sweep averages their pattern along the rows, so that only a
#: pattern of columns remains.
TUBE_MM = (55.0, 75.0)


def apply_nonuniformity(image: Image, camera: Camera, rng: np.random.Generator) -> Image:
    """Apply the non-uniform sensitivity of detector columns: a slow drift and the tubes' pattern in equal parts."""
    from scipy import ndimage

    count = image.shape[1]
    drift = ndimage.gaussian_filter1d(rng.normal(size=count), 6, mode="nearest")
    tubes = np.cos(2 * np.pi * (np.arange(count) * camera.spacing / rng.uniform(*TUBE_MM) + rng.random()))
    noise = drift / drift.std() + tubes / tubes.std()
    return np.asarray((image * (1 + camera.unevenness * noise / noise.std())).astype(np.float32))


def field_of_view(camera: Camera, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of an image over which the detector passed; outside there are no counts at all."""
    first, end = camera.swept or (0, shape[0])
    beyond = max((shape[1] - camera.width / camera.spacing) / 2, 0.0)
    left = min(round(beyond), (shape[1] - 1) // 2)
    return slice(max(first, 0), max(end, 0)), slice(left, shape[1] - left)


def mask_to_field(image: Image, camera: Camera) -> Image:
    """Set the image (rows, columns) to 0 outside the detector's field of view."""
    inside = field_of_view(camera, image.shape)
    cut = np.zeros_like(image)
    cut[inside] = image[inside]
    return cut


def detect_counts(expected: Image, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Draw the stored counts of an expected image (rows, columns).

    Poisson counts, including stray counts outside the body, pass the vendor's filter, the enhancement, and the capture
    or the archive's limit, as the camera defines them.
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
    """Apply noise suppression and resolution recovery, as vendors' software for planar scans does.

    A local Wiener filter (Lee, IEEE Trans. PAMI 2, 1980) keeps the share of each pixel's difference from its
    surroundings that Poisson noise does not explain. An unsharp mask of this strength follows. The result has whole
    counts and about the same total.
    """
    from scipy import ndimage

    width = 2.0
    mean = ndimage.gaussian_filter(counts, width)
    variance = ndimage.gaussian_filter(counts * counts, width) - mean * mean
    # The window averages 4 pi sigma^2 independent pixels, so its variance is too small by one part in as many.
    noise = mean * (1 - 1 / (4 * np.pi * width**2))
    share = np.clip(1 - noise / np.maximum(variance, 1e-6), 0, 1)
    # The kept part is smoothed slightly, otherwise edges and foci would be grainy islands.
    kept = ndimage.gaussian_filter(counts, 0.7) - mean
    calm = mean + ndimage.gaussian_filter(share, 1.5) * kept
    sharp = np.clip(calm + np.float32(strength) * (calm - ndimage.gaussian_filter(calm, 2.0)), 0, None)
    total = float(counts.sum(dtype=np.float64))
    # Rounding removes counts in air; the remaining counts are scaled to keep the total.
    whole = float(np.rint(sharp).sum(dtype=np.float64))
    return np.asarray(np.rint(sharp * np.float32(total / whole)) if whole > 0 else np.rint(sharp))


def quantise(counts: Image, white: float) -> Image:
    """Return the grey values (0-255) of an 8-bit capture; `white` counts and more become 255."""
    return np.rint(np.minimum(counts, white) * np.float32(255 / white))
