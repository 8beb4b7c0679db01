"""Oracle, an upper bound: it segments a noisy simulated scan knowing its noise-free background without metastases.

Lesions that the oracle misses or outlines badly are hidden by noise, not by anatomy: its figures show whether the
labelled lesions are visible at all. A model that only has the scan stays below it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.inputs import body_mask

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Gaussian sigma (pixels of the reference grid) for detection and outline: somewhat less than the camera's own, because
#: the image is already blurred.
SMOOTHING_PIXELS = 1.0
#: Minimum significance of a lesion's peak and of all its pixels, in standard deviations of the noise; minimum area.
TOP_SIGNIFICANCE, SIGNIFICANCE, MINIMUM_PIXELS = 6.5, 3.5, 6
#: Two peaks are two lesions if the saddle between them is below this share of the lower peak.
RIDGE = 0.7
#: The outline of a lesion lies at this share of its robust peak, as in the labels (`phantom.scan.ground_truth`): the
#: 90th percentile of its pixels above TOP_FLOOR times the highest one.
OUTLINE_LEVEL, TOP_PERCENTILE, TOP_FLOOR = 0.5, 90.0, 0.4
#: Pixels by which the outline may exceed the significant pixels.
REACH_PIXELS = 2


def oracle(counts: Image, background: Image) -> Mask:
    """Segment the excess of a scan over its background, with outlines as in the labels.

    A lesion with its maximum on the border of the image is left out: most of it lies outside.

    Args:
        counts: (rows, columns) of one view.
        background: the same without metastases and noise, in the same scale.

    Returns:
        (rows, columns) bool.
    """
    from scipy import ndimage

    # A capture saturates at some count; the background must saturate there, too.
    saturated = np.minimum(background, counts.max()).astype(np.float32)
    smooth = ndimage.gaussian_filter((counts - saturated).astype(np.float32), SMOOTHING_PIXELS)
    significance = _significance(smooth, saturated)
    lesions = _split_lesions(significance)
    result = np.zeros(counts.shape, bool)
    for number, box in enumerate(ndimage.find_objects(lesions), 1):
        wide = tuple(slice(max(edge.start - REACH_PIXELS, 0), edge.stop + REACH_PIXELS) for edge in box)
        lesion = lesions[wide] == number
        if significance[wide][lesion].max() < TOP_SIGNIFICANCE or lesion.sum() < MINIMUM_PIXELS:
            continue
        image = smooth[wide]
        peak = np.unravel_index(int(np.where(lesion, image, -np.inf).argmax()), image.shape)
        position = [edge.start + int(offset) for edge, offset in zip(wide, peak, strict=True)]
        if any(index in (0, size - 1) for index, size in zip(position, counts.shape, strict=True)):
            continue
        others = (lesions[wide] != number) & (lesions[wide] > 0)
        near = ndimage.binary_dilation(lesion, iterations=REACH_PIXELS) & ~others
        result[wide] |= ndimage.binary_fill_holes(near & (image >= OUTLINE_LEVEL * _robust_top(image[lesion])))
    return result


def _robust_top(values: Image) -> float:
    return float(np.percentile(values[values >= TOP_FLOOR * values.max()], TOP_PERCENTILE))


def _significance(smooth: Image, background: Image) -> Image:
    """Return the smoothed excess in standard deviations of the noise; 0 outside the body, where counts are stray.

    The standard deviation is that of Poisson noise, or the one measured in the body if larger, because grey levels of a
    capture are noisier than counts. A smaller measured one is not used: a vendor's filter that reduces noise also
    changes edges, which must not appear as lesions.
    """
    from scipy import ndimage

    body = body_mask(background)
    if not body.any():
        return np.zeros_like(smooth)
    level = np.maximum(ndimage.gaussian_filter(background, SMOOTHING_PIXELS), 0.05)
    raw = smooth / np.sqrt(level / (4 * np.pi * SMOOTHING_PIXELS**2))
    inside = raw[body]
    spread = 1.4826 * float(np.median(np.abs(inside - np.median(inside))))
    return np.where(body, raw / np.float32(max(spread, 1.0)), np.float32(0))


def _split_lesions(significance: Image) -> NDArray[np.int32]:
    """Return (rows, columns) lesion numbers of the significant pixels, split at the watersheds between peaks."""
    from scipy import ndimage
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    significant = significance > SIGNIFICANCE
    heights = np.log(np.maximum(significance, SIGNIFICANCE))
    # A peak is -log(RIDGE) above every saddle to a higher peak (h-maxima by morphological reconstruction).
    flooded = reconstruction(heights + np.log(RIDGE), heights)
    peaks, count = ndimage.label((heights - flooded > -np.log(RIDGE) - 1e-6) & significant, np.ones((3, 3)))
    if not count:
        return np.zeros(significance.shape, np.int32)
    return np.asarray(watershed(-significance, peaks, mask=significant, connectivity=2), np.int32)
