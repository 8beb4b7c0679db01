"""Loss of the skeletal regions: overlapping sigmoid outputs at half resolution."""

from __future__ import annotations

from typing import Any

from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS

from .supervised import EPSILON

#: Weight relative to the loss of the lesions.
REGION_WEIGHT = 0.25
#: Smoothing of the Dice in pixels; small, because a clavicle has only about twenty pixels in a patch.
SMOOTHING = 5.0


def skeleton_loss(probability: Any, classes: Any) -> Any:
    """Compute mean cross-entropy plus one minus the mean soft Dice of the regions in the batch.

    Args:
        probability: (batch, rows, columns, views x regions) float32.
        classes: (batch, rows, columns, views) integers, 0 for no region, else 1 + index in REGIONS; larger values are
            unknown and excluded.

    Returns:
        The loss, a scalar.
    """
    from keras import ops

    count = len(REGIONS)
    classes = ops.cast(classes, "int32")
    known = ops.cast(classes <= count, "float32")[..., None]
    target = ops.cast(classes[..., None] == ops.arange(1, count + 1, dtype="int32"), "float32")
    views = ops.reshape(probability, (*ops.shape(classes), count))
    entropy = -(target * ops.log(views + EPSILON) + (1 - target) * ops.log(1 - views + EPSILON))
    cross_entropy = ops.sum(known * entropy) / (count * ops.sum(known) + EPSILON)
    axes = (0, 1, 2, 3)
    overlap = ops.sum(known * views * target, axes)
    sizes = ops.sum(known * views, axes) + ops.sum(known * target, axes)
    dice = (2 * overlap + SMOOTHING) / (sizes + SMOOTHING)
    # Only regions in the batch: empty ones would dominate the mean and hide the small bones.
    shown = ops.cast(ops.sum(known * target, axes) > 0, "float32")
    return cross_entropy + ops.sum(shown * (1 - dice)) / (ops.sum(shown) + EPSILON)
