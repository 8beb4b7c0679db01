"""Body mask of a crop, for losses and metrics that must not count air."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from SpectBoneMetSegLib.model.config import BODY_LEVEL
from SpectBoneMetSegLib.model.inputs import body_mask


def body_of(counts: ArrayLike) -> NDArray[np.bool_]:
    """Compute the body mask, (rows, columns) bool, of (rows, columns) counts, by the rule that finds the body's level.

    Holes, such as lungs and cold lesions, are filled. Empty for an image without counts.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(np.maximum(np.asarray(counts, np.float32), 0), BODY_LEVEL.smoothing_pixels)
    return np.asarray(ndimage.binary_fill_holes(body_mask(smooth)), bool)
