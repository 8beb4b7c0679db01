"""What could be seen at best: the oracle knows the scan without metastases, noise-free, and sees the noisy one.

Whatever the oracle cannot find or outline is hidden by noise, not by anatomy: its figures say whether what is labelled
can be seen at all. A model that reads the scan alone stays below it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.inputs import body_mask

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Gaussian sigma (pixels of the reference grid) in which lesions are looked for and outlined: somewhat less than the
#: camera's own, since what is looked at is blurred already.
SMOOTHING_PIXELS = 1.0
#: Significance that a lesion has at its top and everywhere, in standard deviations of the noise; least area.
TOP_SIGNIFICANCE, SIGNIFICANCE, MINIMUM_PIXELS = 6.5, 3.5, 6
#: Two tops are two lesions where the ridge between them falls below this share of the lower one.
RIDGE = 0.7
#: The outline of a lesion lies at this share of its robust maximum, as in the labels (`phantom.scan.ground_truth`): the
#: 90th percentile of its pixels above TOP_FLOOR of the highest one.
OUTLINE_LEVEL, TOP_PERCENTILE, TOP_FLOOR = 0.5, 90.0, 0.4
#: How far the outline may lie outside the significant pixels.
REACH_PIXELS = 2


def oracle(counts: Image, background: Image) -> Mask:
    """Where a scan holds more than its background, outlined as labels are.

    A lesion with its maximum on the edge of the image is left out: most of it lies outside.

    Args:
        counts: (rows, columns) of one view.
        background: the same without metastases and noise, in the same scale.

    Returns:
        (rows, columns) bool.
    """
    from scipy import ndimage

    # A capture is white from some count on: what lies above cannot be seen in either.
    known = np.minimum(background, counts.max()).astype(np.float32)
    smooth = ndimage.gaussian_filter((counts - known).astype(np.float32), SMOOTHING_PIXELS)
    significance = _significance(smooth, known)
    lesions = _one_by_one(significance)
    result = np.zeros(counts.shape, bool)
    for number, box in enumerate(ndimage.find_objects(lesions), 1):
        wide = tuple(slice(max(edge.start - REACH_PIXELS, 0), edge.stop + REACH_PIXELS) for edge in box)
        lesion = lesions[wide] == number
        if significance[wide][lesion].max() < TOP_SIGNIFICANCE or lesion.sum() < MINIMUM_PIXELS:
            continue
        image = smooth[wide]
        top = np.unravel_index(int(np.where(lesion, image, -np.inf).argmax()), image.shape)
        place = [edge.start + int(step) for edge, step in zip(wide, top, strict=True)]
        if any(step in (0, size - 1) for step, size in zip(place, counts.shape, strict=True)):
            continue
        others = (lesions[wide] != number) & (lesions[wide] > 0)
        near = ndimage.binary_dilation(lesion, iterations=REACH_PIXELS) & ~others
        result[wide] |= ndimage.binary_fill_holes(near & (image >= OUTLINE_LEVEL * _robust_top(image[lesion])))
    return result


def _robust_top(values: Image) -> float:
    return float(np.percentile(values[values >= TOP_FLOOR * values.max()], TOP_PERCENTILE))


def _significance(smooth: Image, background: Image) -> Image:
    """Smoothed excess in standard deviations; zero outside the body, where stray counts are no excess of it.

    Poisson noise gives the deviation. It is measured in the body too, most of which holds no excess, since grey levels
    of a capture are noisier than counts; never taken for less, since a vendor's filter that lowers it also changes
    edges, which must not pass for lesions.
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


def _one_by_one(significance: Image) -> NDArray[np.int32]:
    """(rows, columns) number of the lesion that every significant pixel belongs to: watersheds between their tops."""
    from scipy import ndimage
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    found = significance > SIGNIFICANCE
    heights = np.log(np.maximum(significance, SIGNIFICANCE))
    # A top stands -log(RIDGE) above every ridge that leads to a higher one: what a flooding from below leaves dry.
    flooded = reconstruction(heights + np.log(RIDGE), heights)
    tops, count = ndimage.label((heights - flooded > -np.log(RIDGE) - 1e-6) & found, np.ones((3, 3)))
    if not count:
        return np.zeros(significance.shape, np.int32)
    return np.asarray(watershed(-significance, tops, mask=found, connectivity=2), np.int32)
