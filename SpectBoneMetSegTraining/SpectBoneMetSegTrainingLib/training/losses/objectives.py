"""What one step of a method minimises: named parts of the loss that are added up.

Batches are those of `batches.BatchSource`, with "probability" of the network and, for "strong", "teacher": the averaged
network's probability of the weak views. Of a network with regions, "region_probability" is what it says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..setup.config import TrainingConfig
from .region import (
    ALPHA,
    Combination,
    Form,
    RegionLossSettings,
    corrected_unsupervised,
    published_unsupervised,
    region_loss,
    unit_range,
)
from .skeleton import REGION_WEIGHT, skeleton_loss
from .supervised import cross_entropy, segmentation_loss
from .tensors import Tensor

#: Weight of the mean teacher's cross-entropy, which few pixels of a patch carry, beside the supervised loss.
TEACHER_WEIGHT = 3.0
#: Body is where an input, the square root of counts relative to the body's level, is above this: about a seventh of the
#: level, as BODY_FRACTION of the reading module has it.
BODY_INPUT = 0.39

Seen = Mapping[str, Any]
Losses = Callable[[Seen, Any], dict[str, Tensor]]


def losses_of(config: TrainingConfig) -> Losses:
    """The loss of a method: from what a step has seen and the consistency weight to named scalars to add up."""
    lesions = _lesion_losses(config)
    if not config.network.regions:
        return lesions

    def with_regions(seen: Seen, consistency: Tensor) -> dict[str, Tensor]:
        regions = skeleton_loss(seen["region_probability"], seen["regions"])
        return {**lesions(seen, consistency), "regions": REGION_WEIGHT * regions}

    return with_regions


def _lesion_losses(config: TrainingConfig) -> Losses:
    """What `losses_of` minimises about the lesions."""
    form: Form = "published" if config.published else "corrected"
    combination: Combination = "convex" if config.convex else "sum"
    settings = RegionLossSettings(form=form, combination=combination)
    if config.method == "unsupervised":
        return lambda seen, _: {"unsupervised": unsupervised_loss(seen, settings)}
    if config.method == "semi":
        return lambda seen, _: {"semi": semi_supervised_loss(seen, settings)}
    if config.method == "strong":
        return strong_losses
    return lambda seen, _: {"supervised": segmentation_loss(seen["probability"], seen["label"], seen["weight"])}


def describe_loss(config: TrainingConfig) -> str:
    """The loss of a method in words, for the model's card."""
    form = "as published" if config.published else "corrected"
    supervised = "weighted cross-entropy + batch soft Tversky"
    if config.method == "unsupervised":
        return f"Lin et al. 2022, Eq. 7, {form}"
    if config.method == "semi":
        sum_or_convex = f"(1 - {ALPHA}) l_U + {ALPHA} l_S" if config.convex else f"l_U + {ALPHA} l_S"
        return f"Lin et al. 2022, Eq. 6-8, {form}, {sum_or_convex}"
    if config.method == "strong":
        return f"{supervised}; of unlabelled patches cross-entropy to a mean teacher's probability"
    return supervised


def unsupervised_loss(seen: Seen, settings: RegionLossSettings) -> Tensor:
    """Eq. 7 of every patch."""
    image = scaled_image(seen)
    if settings.form == "published":
        return published_unsupervised(seen["probability"], image, settings.area_weight)
    return corrected_unsupervised(seen["probability"], image, body_of(seen), settings.area_weight)


def semi_supervised_loss(seen: Seen, settings: RegionLossSettings) -> Tensor:
    """Eq. 6: Eq. 7 of every patch, labelled or not, combined with Eq. 8 of the labelled ones."""
    weight = seen["weight"] * seen["labelled"]
    return region_loss(seen["probability"], scaled_image(seen), seen["label"], weight, body_of(seen), settings)


def strong_losses(seen: Seen, consistency: Tensor) -> dict[str, Tensor]:
    """Labelled patches against their labels; strong views against the teacher's probability of the weak ones.

    Source: mean teacher, Tarvainen & Valpola 2017 (arXiv:1703.01780). Cross-entropy to a probability is least where
    both agree, so a doubtful pixel is pushed neither way. A pasted lesion is lesion whatever the teacher says.
    """
    from keras import ops

    probability, label, weight = seen["probability"], seen["label"], seen["weight"]
    supervised = segmentation_loss(probability[0::2], label[0::2], weight[0::2])
    target = ops.maximum(seen["teacher"], label[1::2])
    unlabelled = cross_entropy(probability[1::2], target, weight[1::2])
    return {"supervised": supervised, "consistency": TEACHER_WEIGHT * consistency * unlabelled}


def scaled_image(seen: Seen) -> Tensor:
    """g of Eq. 7: each output's own image (of the union: the sum of the views, Eq. 4), every patch from 0 to 1.

    Ours: on the square-root scale of the network's inputs, on which one hot spot does not flatten everything else.
    """
    return unit_range(seen["image"])


def body_of(seen: Seen) -> Tensor:
    """1 where the output's image shows body, 0 in air, outside the field and in a missing view."""
    from keras import ops

    return ops.cast(seen["image"] > BODY_INPUT, "float32")
