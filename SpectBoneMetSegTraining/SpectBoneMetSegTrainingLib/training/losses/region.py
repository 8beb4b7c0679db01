"""The paper's region losses (Lin et al. 2022, Eq. 6-8), as published and corrected.

The paper's text gives the terms of Eq. 7 (Chan and Vese 2001) with v = 0.004 and alpha = 0.4, and "u = 0", which we
interpret as mu, the weight of the length term. Eq. 6-8 themselves are lost in our copy. The *published* form is thus
rebuilt from the work the paper builds on, Chen and Frey 2020 (arXiv:2001.10155), and its public code
github.com/junyuchen245/Unsuprevised_Seg_via_CNN, Unsupervised_Seg/losses.py: classes ACWE (Eq. 7) and ACWE_label
(Eq. 8, there after Chen et al., CVPR 2019). Taken from there, and not stated in the paper: sums over the whole batch,
c1 and c2 over the whole batch and divided by the number of non-zero probabilities, the clip to 0..1, images scaled to
0..1 one by one, the slices of the length term. Ours: the weight in `published_supervised` (no effect if it is 1
everywhere), and the treatment of several outputs as several images.

Defects of the published form: c1 and c2 are biased towards zero, and NaN for an empty or a full prediction; a clipped
probability has no gradient; large images and batches weigh more; air is included. The *corrected* form takes means per
image inside the body, with sums of probability as denominators. Defects that remain: Eq. 7 per pixel is an intensity
threshold, (c1 + c2) / 2 + v / (2 (c1 - c2)), the area term erases lesions fainter than sqrt(v) of any size, and a
length term of weight 1 erases lesions of up to 3 x 3 pixels.

Shapes: probability p, image g, label u, weight and body are (batch, rows, columns, outputs) of the same float type; g,
weight and body may have one channel for all outputs. Losses are scalars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .tensors import Tensor, divide_or_zero

Form = Literal["published", "corrected"]
Combination = Literal["sum", "convex"]

#: The paper's constants (Sec. 2.4): alpha of Eq. 6, v of Eq. 7, mu of Eq. 8.
ALPHA, AREA_WEIGHT, LENGTH_WEIGHT = 0.4, 0.004, 0.0
#: Added to denominators.
EPSILON = 1e-6
#: Added under the square root of the length term, as in the referenced code.
LENGTH_EPSILON = 1e-8

#: Axes of the pixels.
PIXELS = (1, 2)


@dataclass(frozen=True)
class RegionLossSettings:
    """Form and constants of the region loss.

    Attributes:
        form: "published" (rebuilt) or "corrected".
        combination: of Eq. 6, which is lost: "sum" is l_U + alpha l_S, "convex" is (1 - alpha) l_U + alpha l_S.
        alpha: the paper's alpha.
        area_weight: the paper's v.
        length_weight: the paper's mu.
    """

    form: Form = "corrected"
    combination: Combination = "sum"
    alpha: float = ALPHA
    area_weight: float = AREA_WEIGHT
    length_weight: float = LENGTH_WEIGHT


def region_loss(
    probability: Tensor,
    image: Tensor,
    label: Tensor,
    weight: Tensor,
    body: Tensor,
    settings: RegionLossSettings,
) -> Tensor:
    """Compute Eq. 6: the unsupervised loss of every image combined with the supervised loss of the labelled ones.

    Args:
        probability: the paper's p.
        image: the paper's g.
        label: the paper's u.
        weight: weight of the label; 0 for "ignore" pixels and whole images without a label. l_U needs no label and
            includes these pixels.
        body: 1 inside the body, 0 in air and padding; not used by the published form.
        settings: form, combination and constants.
    """
    if settings.form == "published":
        unsupervised = published_unsupervised(probability, image, settings.area_weight)
        supervised = published_supervised(probability, label, weight, settings.length_weight)
    else:
        unsupervised = corrected_unsupervised(probability, image, body, settings.area_weight)
        supervised = corrected_supervised(probability, label, weight * body, settings.length_weight)
    return combine(unsupervised, supervised, settings.combination, settings.alpha)


def combine(unsupervised: Tensor, supervised: Tensor, combination: Combination, alpha: float = ALPHA) -> Tensor:
    """Combine Eq. 6: l_U + alpha l_S ("sum") or (1 - alpha) l_U + alpha l_S ("convex")."""
    if combination == "sum":
        return unsupervised + alpha * supervised
    return (1 - alpha) * unsupervised + alpha * supervised


def unit_range(image: Tensor) -> Tensor:
    """Scale each image of (batch, rows, columns, 1) to 0..1, the image g of the losses, as in the referenced code.

    v = 0.004 refers to this scale. A constant image becomes 0.
    """
    from keras import ops

    low = ops.min(image, PIXELS, keepdims=True)
    high = ops.max(image, PIXELS, keepdims=True)
    return divide_or_zero(image - low, high - low)


def published_unsupervised(probability: Tensor, image: Tensor, area_weight: float = AREA_WEIGHT) -> Tensor:
    """Compute Eq. 7 as in the referenced code: sum_inside (g - c1)^2 + sum_outside (g - c2)^2 + v Area(inside).

    All sums run over the batch. NaN if p is 0 everywhere or 1 everywhere, as published.
    """
    from keras import ops

    p = ops.clip(probability, 0, 1)
    g = image
    c1 = ops.sum(p * g) / ops.cast(ops.count_nonzero(p), p.dtype)
    c2 = ops.sum((1 - p) * g) / ops.cast(ops.count_nonzero(1 - p), p.dtype)
    inside = ops.sum(p * (g - c1) ** 2)
    outside = ops.sum((1 - p) * (g - c2) ** 2)
    area = ops.sum(p)
    return inside + outside + area_weight * area


def published_supervised(
    probability: Tensor, label: Tensor, weight: Tensor, length_weight: float = LENGTH_WEIGHT
) -> Tensor:
    """Compute Eq. 8 as in the referenced code: sum p (u - 1)^2 + (1 - p) u^2 + mu Length, over the batch.

    Args:
        probability: p.
        label: u.
        weight: 0 excludes a pixel from the region terms; the length depends on p alone.
        length_weight: mu.
    """
    from keras import ops

    p, u = ops.clip(probability, 0, 1), label
    region = ops.sum(weight * (p * (u - 1) ** 2 + (1 - p) * u**2))
    return region + length_weight * _published_length(p) if length_weight else region


def corrected_unsupervised(
    probability: Tensor, image: Tensor, body: Tensor, area_weight: float = AREA_WEIGHT
) -> Tensor:
    """Compute Eq. 7 per image and output as a mean over the body's pixels; mean over images that show a body.

    c1 and c2 are the means of g inside and outside, weighted by p and 1 - p.

    Args:
        probability: p.
        image: g.
        body: 1 inside the body; 0 excludes a pixel (air, padding, "ignore").
        area_weight: v.
    """
    from keras import ops

    g = image
    p_in, p_out = body * probability, body * (1 - probability)
    c1, c2 = region_means(probability, image, body)
    inside = ops.sum(p_in * (g - c1) ** 2, PIXELS)
    outside = ops.sum(p_out * (g - c2) ** 2, PIXELS)
    area = ops.sum(p_in, PIXELS)
    return _mean_over_images(inside + outside + area_weight * area, ops.sum(p_in + p_out, PIXELS))


def corrected_supervised(
    probability: Tensor, label: Tensor, weight: Tensor, length_weight: float = LENGTH_WEIGHT
) -> Tensor:
    """Compute Eq. 8 per image and output as a mean over the weighted pixels; mean over images with a label.

    Args:
        probability: p.
        label: u.
        weight: 0 excludes a pixel ("ignore", air, or a whole image without a label).
        length_weight: mu.
    """
    from keras import ops

    p, u = probability, label
    region = ops.sum(weight * (p * (u - 1) ** 2 + (1 - p) * u**2), PIXELS)
    if length_weight:
        region += length_weight * ops.sum(weight * _gradient_length(p), PIXELS)
    return _mean_over_images(region, ops.sum(weight * ops.ones_like(p), PIXELS))


def region_means(probability: Tensor, image: Tensor, body: Tensor) -> tuple[Tensor, Tensor]:
    """Return c1 and c2 of Eq. 7, the means of g inside and outside: (batch, 1, 1, outputs), 0 for an empty region."""
    from keras import ops

    p_in, p_out = body * probability, body * (1 - probability)
    c1 = ops.sum(p_in * image, PIXELS, keepdims=True) / (ops.sum(p_in, PIXELS, keepdims=True) + EPSILON)
    c2 = ops.sum(p_out * image, PIXELS, keepdims=True) / (ops.sum(p_out, PIXELS, keepdims=True) + EPSILON)
    return c1, c2


def _mean_over_images(total: Tensor, pixels: Tensor) -> Tensor:
    """Return the mean of total / pixels, (batch, outputs) each, over those with pixels; 0 without any."""
    from keras import ops

    present = ops.cast(pixels > 0, total.dtype)
    return divide_or_zero(ops.sum(divide_or_zero(total, pixels)), ops.sum(present))


def _published_length(p: Tensor) -> Tensor:
    """Sum |grad p| with the slices of the referenced code, which combine differences of neighbouring pixels."""
    from keras import ops

    down = p[:, 1:, :, :] - p[:, :-1, :, :]
    right = p[:, :, 1:, :] - p[:, :, :-1, :]
    squares = down[:, 1:, :-2, :] ** 2 + right[:, :-2, 1:, :] ** 2
    return ops.sum(ops.sqrt(squares + LENGTH_EPSILON))


def _gradient_length(p: Tensor) -> Tensor:
    """Return |grad p| per pixel by forward differences, 0 (within 1e-4) where p is constant; same shape as p."""
    from keras import ops

    down = ops.pad(p[:, 1:, :, :] - p[:, :-1, :, :], ((0, 0), (0, 1), (0, 0), (0, 0)))
    right = ops.pad(p[:, :, 1:, :] - p[:, :, :-1, :], ((0, 0), (0, 0), (0, 1), (0, 0)))
    return ops.sqrt(down**2 + right**2 + LENGTH_EPSILON) - LENGTH_EPSILON**0.5
