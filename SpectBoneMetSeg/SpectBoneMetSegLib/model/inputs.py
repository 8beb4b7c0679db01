"""Convert counts to the network's input channels: square roots of counts in units of the body's level.

Counts vary widely between patients, so that a fixed range is not suitable (Lin et al. 2022, Sec. 2.1). Each image is
divided by its body's level; the square root stabilises the variance of the Poisson noise (Anscombe 1948).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .config import BODY_LEVEL, InputName, InputScaling, NetworkConfig, pooling_divisor

#: Increased only for changes that no parameter of `InputScaling` can express; models of all versions up to this one are
#: read with the preprocessing of their training.
PREPROCESSING_VERSION = 1


def smoothed(counts: ArrayLike, scaling: InputScaling = BODY_LEVEL) -> NDArray[np.float32]:
    """Return the (rows, columns) image in which body and level are measured.

    Args:
        counts: (rows, columns) counts; negative ones count as zero.
        scaling: gives the width of the Gaussian filter.
    """
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(np.maximum(np.asarray(counts, np.float32), 0), scaling.smoothing_pixels))


def body_scale(counts: ArrayLike, scaling: InputScaling = BODY_LEVEL) -> float:
    """Return the level of the body in an image, in counts per pixel, by which `normalise_counts` divides.

    The level is a percentile of the smoothed image: hot spots of a few per cent of the pixels and the noise of a short
    acquisition hardly change it, and it is proportional to the counts.

    Args:
        counts: (rows, columns) counts; negative ones count as zero.
        scaling: definition of the level.

    Returns:
        The level, always above zero; 1 for an image without counts.
    """
    return _scale_of(smoothed(counts, scaling), scaling)


def _scale_of(smooth: NDArray[np.float32], scaling: InputScaling) -> float:
    """Return the level of the body in a smoothed image."""
    body = body_mask(smooth, scaling)
    return scaling.level_factor * float(np.percentile(smooth[body], scaling.level_percentile)) if body.any() else 1.0


def body_mask(image: NDArray[np.float32], scaling: InputScaling = BODY_LEVEL) -> NDArray[np.bool_]:
    """Segment body from air by the image's high level; all False for an image without counts.

    Args:
        image: (rows, columns) counts, not negative; smooth it first if noise matters.
        scaling: definition of the body.

    Returns:
        (rows, columns) bool.
    """
    high = float(np.percentile(image, scaling.high_percentile))
    if high <= 0:
        # Less than a tenth of the field holds counts: use the maximum instead.
        high = float(image.max())
    if high <= 0:
        return np.zeros(image.shape, bool)
    body = image >= scaling.air_fraction * high
    if scaling.tissue_fraction > 0:
        body &= image >= scaling.tissue_fraction * float(np.percentile(image[body], scaling.tissue_percentile))
    return body


def normalise_counts(image: ArrayLike, scale: float, scaling: InputScaling = BODY_LEVEL) -> NDArray[np.float32]:
    """Return sqrt(counts / scale), compressed and clipped as in `scaling`; float32, the shape of `image`.

    Raises:
        ValueError: `scale` is not positive.
    """
    if not scale > 0:
        raise ValueError(f"the body's level must be positive, not {scale}")
    relative = np.maximum(np.asarray(image, dtype=np.float32), 0) / np.float32(scale)
    inputs = np.sqrt(relative)
    if scaling.knee is not None:
        inputs = np.where(inputs > scaling.knee, scaling.knee + np.log1p(np.maximum(inputs - scaling.knee, 0)), inputs)
    return np.minimum(inputs, np.float32(scaling.maximum)).astype(np.float32, copy=False)


def network_inputs(
    anterior: ArrayLike | None,
    posterior_mirrored: ArrayLike | None,
    inputs: tuple[InputName, ...],
    scaling: InputScaling,
    scales: Mapping[str, float] | None = None,
) -> NDArray[np.float32]:
    """Compute the network's input channels in the order of `inputs`, each in units of its own body level.

    Args:
        anterior: (rows, columns) counts of the crop, or None.
        posterior_mirrored: counts of the posterior view, mirrored into the anterior frame, or None.
        inputs: the network's channel names. "aggregate" is the sum of the views (Eq. 4), or the only view.
        scaling: scaling of the network.
        scales: `view_scales` of the region that the model was trained on, if another is read; None measures them here.

    Returns:
        (rows, columns, len(inputs)) float32; zeros in the channel of a missing view.

    Raises:
        ValueError: no view, or views of different shapes.
    """
    views = _views(anterior, posterior_mirrored)
    if scales is None:
        scales = {name: body_scale(views[name], scaling) for name in inputs if name in views}
    empty = np.zeros_like(views["aggregate"])
    channels = [normalise_counts(views[name], scales[name], scaling) if name in views else empty for name in inputs]
    return np.stack(channels, axis=-1)


def pad_to_divisor(inputs: NDArray[Any], network: NetworkConfig) -> NDArray[Any]:
    """Zero-pad inputs below and to the right to a size that the network accepts.

    Args:
        inputs: (rows, columns, channels) of any size.
        network: defines the divisor, see `pooling_divisor`.
    """
    divisor = pooling_divisor(network)
    rows, columns = inputs.shape[:2]
    return np.pad(inputs, ((0, -rows % divisor), (0, -columns % divisor), (0, 0)))


def view_scales(
    anterior: ArrayLike | None,
    posterior_mirrored: ArrayLike | None,
    scaling: InputScaling,
    inputs: tuple[InputName, ...] = ("anterior", "posterior", "aggregate"),
    smooth: Mapping[str, NDArray[np.float32]] | None = None,
) -> dict[str, float]:
    """Return the body level of every channel for the views that exist.

    Arguments and errors as in `network_inputs`.

    Args:
        anterior: as in `network_inputs`.
        posterior_mirrored: as in `network_inputs`.
        scaling: scaling of the network.
        inputs: the channels to measure.
        smooth: `smoothed` views that are known already.
    """
    known, views = smooth or {}, _views(anterior, posterior_mirrored)
    return {
        name: _scale_of(known[name], scaling) if name in known else body_scale(view, scaling)
        for name, view in views.items()
        if name in inputs
    }


def _views(anterior: ArrayLike | None, posterior_mirrored: ArrayLike | None) -> dict[str, NDArray[np.float32]]:
    views = {
        name: np.asarray(view, dtype=np.float32)
        for name, view in (("anterior", anterior), ("posterior", posterior_mirrored))
        if view is not None
    }
    shapes = {view.shape for view in views.values()}
    if len(shapes) != 1:
        raise ValueError(f"the network reads one or two views of one shape, not {sorted(shapes)}")
    views["aggregate"] = np.sum(list(views.values()), axis=0)
    return views
