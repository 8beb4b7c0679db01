"""Supervised segmentation loss for small, rare lesions: cross-entropy plus soft Tversky over the batch.

Source: Salehi et al. 2017 (Tversky, arXiv:1706.05721). The Tversky index is computed over the batch, because most
images have few lesion pixels or none, for which a per-image overlap is undefined.
"""

from __future__ import annotations

from .tensors import Tensor

#: Tversky weights of false positives and false negatives: missing a small lesion costs more.
FALSE_POSITIVE_WEIGHT, FALSE_NEGATIVE_WEIGHT = 0.4, 0.6
#: Weight of lesion pixels in the cross-entropy; about one pixel in a hundred is lesion.
LESION_WEIGHT = 3.0
#: Added to logarithms and denominators.
EPSILON = 1e-6


def segmentation_loss(probability: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Compute mean weighted cross-entropy plus one minus the Tversky index, mean over output channels.

    Args:
        probability: (batch, rows, columns, outputs) float32.
        label: the same shape, 0 or 1.
        weight: the same shape; 0 excludes a pixel ("ignore").

    Returns:
        The loss, a scalar.
    """
    from keras import ops

    p = probability
    axes = (0, 1, 2)
    true_positive = ops.sum(weight * p * label, axes)
    false_positive = ops.sum(weight * p * (1 - label), axes)
    false_negative = ops.sum(weight * (1 - p) * label, axes)
    errors = FALSE_POSITIVE_WEIGHT * false_positive + FALSE_NEGATIVE_WEIGHT * false_negative
    # Smoothing by one pixel: without lesions in the batch, the loss falls with the false positives.
    tversky = (true_positive + 1.0) / (true_positive + errors + 1.0)
    return cross_entropy(p, label, weight, LESION_WEIGHT) + ops.mean(1 - tversky)


def cross_entropy(probability: Tensor, target: Tensor, weight: Tensor, lesions: float = 1.0) -> Tensor:
    """Compute the mean cross-entropy of a probability to a soft target from 0 to 1.

    Args:
        probability: (batch, rows, columns, outputs) float32.
        target: the same shape.
        weight: the same shape; 0 excludes a pixel.
        lesions: weight of the lesion term.

    Returns:
        The loss, a scalar.
    """
    from keras import ops

    # EPSILON is added instead of clipping, because a clipped probability has no gradient.
    lesion, background = ops.log(probability + EPSILON), ops.log(1 - probability + EPSILON)
    entropy = -(lesions * target * lesion + (1 - target) * background)
    return ops.sum(weight * entropy) / (ops.sum(weight) + EPSILON)
