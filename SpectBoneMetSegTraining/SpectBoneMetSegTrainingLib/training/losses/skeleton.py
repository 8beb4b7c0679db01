"""The loss of the skeleton's regions: overlapping sigmoids at half resolution."""

from __future__ import annotations

from typing import Any

from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS

from .supervised import EPSILON

#: Weight beside the loss of the lesions.
REGION_WEIGHT = 0.25
#: Pixels added to both sides of the Dice quotient: few, for a clavicle has only some twenty in a patch.
SMOOTHING = 5.0


def skeleton_loss(probability: Any, classes: Any) -> Any:
    """Mean cross-entropy plus one minus the mean soft Dice of the regions that the batch shows.

    Args:
        probability: (batch, rows, columns, views x regions) float32.
        classes: (batch, rows, columns, views) whole numbers, 0 for no region, else 1 + place in REGIONS; beyond them
            nothing is known, and nothing is judged.

    Returns:
        Scalar.
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
    hit = ops.sum(known * views * target, axes)
    sizes = ops.sum(known * views, axes) + ops.sum(known * target, axes)
    dice = (2 * hit + SMOOTHING) / (sizes + SMOOTHING)
    # Of the regions that the batch shows: the others would only say "nothing" and hide the small bones.
    shown = ops.cast(ops.sum(known * target, axes) > 0, "float32")
    return cross_entropy + ops.sum(shown * (1 - dice)) / (ops.sum(shown) + EPSILON)
