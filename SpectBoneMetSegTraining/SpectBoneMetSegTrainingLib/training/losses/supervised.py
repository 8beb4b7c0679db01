"""Supervised segmentation loss for small, rare lesions: cross-entropy plus soft Tversky over the batch.

Source: Salehi et al. 2017 (Tversky, arXiv:1706.05721). Over the batch instead of per image, because
most images hold few lesion pixels or none, for which a per-image overlap is undefined.
"""

from __future__ import annotations

from .tensors import Tensor

#: Tversky weights of false positives and false negatives: missing a small lesion costs more.
FALSE_POSITIVE_WEIGHT, FALSE_NEGATIVE_WEIGHT = 0.4, 0.6
#: Weight of lesion pixels in the cross-entropy; about one pixel in a hundred is one.
LESION_WEIGHT = 3.0
EPSILON = 1e-6


def segmentation_loss(probability: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean weighted cross-entropy plus one minus the Tversky index of every output channel.

    Args:
        probability: (batch, rows, columns, outputs) float32.
        label: the same shape.
        weight: the same shape; weight 0 leaves a pixel out ("ignore").

    Returns:
        Scalar.
    """
    from keras import ops

    p = probability
    axes = (0, 1, 2)
    hit = ops.sum(weight * p * label, axes)
    false_positive = ops.sum(weight * p * (1 - label), axes)
    false_negative = ops.sum(weight * (1 - p) * label, axes)
    missed = FALSE_POSITIVE_WEIGHT * false_positive + FALSE_NEGATIVE_WEIGHT * false_negative
    # One pixel of smoothing: a batch without lesions costs as little as its false alarms are few.
    tversky = (hit + 1.0) / (hit + missed + 1.0)
    return cross_entropy(p, label, weight, LESION_WEIGHT) + ops.mean(1 - tversky)


def cross_entropy(probability: Tensor, target: Tensor, weight: Tensor, lesions: float = 1.0) -> Tensor:
    """Mean cross-entropy of a probability to a target from 0 to 1; arguments as in `segmentation_loss`.

    Args:
        lesions: how many times the lesion part of the target counts.
    """
    from keras import ops

    # Added, not clipped: a clipped probability has no gradient, so a saturated pixel would never learn again.
    lesion, background = ops.log(probability + EPSILON), ops.log(1 - probability + EPSILON)
    entropy = -(lesions * target * lesion + (1 - target) * background)
    return ops.sum(weight * entropy) / (ops.sum(weight) + EPSILON)
