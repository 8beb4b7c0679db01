"""Objectives of the training methods: named terms whose sum is the loss.

Batches are those of `batches.BatchSource`, plus "probability", the network's output, and for "strong" "teacher", the
mean teacher's probability for the weakly augmented patches (pseudo-labels). For a network with regions there is
"region_probability", too.
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

#: Weight of the consistency loss relative to the supervised loss; few pixels of a patch contribute to it.
TEACHER_WEIGHT = 3.0
#: A pixel is body if its input, the square root of counts relative to the body's level, is above this: about a seventh
#: of the level, as BODY_FRACTION of the reading library.
BODY_INPUT = 0.39

#: A batch with the network's outputs.
Tensors = Mapping[str, Any]
#: (batch, weight of the consistency loss) -> terms of the loss.
Losses = Callable[[Tensors, Any], dict[str, Tensor]]


def losses_of(config: TrainingConfig) -> Losses:
    """Return the loss function of a method, whose named terms are summed."""
    lesions = _lesion_losses(config)
    if not config.network.regions:
        return lesions

    def with_regions(batch: Tensors, consistency: Tensor) -> dict[str, Tensor]:
        regions = skeleton_loss(batch["region_probability"], batch["regions"])
        return {**lesions(batch, consistency), "regions": REGION_WEIGHT * regions}

    return with_regions


def _lesion_losses(config: TrainingConfig) -> Losses:
    """Return the loss function of the lesions, without that of the regions."""
    form: Form = "published" if config.published else "corrected"
    combination: Combination = "convex" if config.convex else "sum"
    settings = RegionLossSettings(form=form, combination=combination)
    if config.method == "unsupervised":
        return lambda batch, _: {"unsupervised": unsupervised_loss(batch, settings)}
    if config.method == "semi":
        return lambda batch, _: {"semi": semi_supervised_loss(batch, settings)}
    if config.method == "strong":
        return strong_losses
    return lambda batch, _: {"supervised": segmentation_loss(batch["probability"], batch["label"], batch["weight"])}


def describe_loss(config: TrainingConfig) -> str:
    """Describe the loss of a method, for the model card."""
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


def unsupervised_loss(batch: Tensors, settings: RegionLossSettings) -> Tensor:
    """Compute the unsupervised loss, Eq. 7, of every patch."""
    image = scaled_image(batch)
    if settings.form == "published":
        return published_unsupervised(batch["probability"], image, settings.area_weight)
    return corrected_unsupervised(batch["probability"], image, body_of(batch), settings.area_weight)


def semi_supervised_loss(batch: Tensors, settings: RegionLossSettings) -> Tensor:
    """Compute the semi-supervised loss, Eq. 6: Eq. 7 of all patches combined with Eq. 8 of labelled ones."""
    weight = batch["weight"] * batch["labelled"]
    return region_loss(batch["probability"], scaled_image(batch), batch["label"], weight, body_of(batch), settings)


def strong_losses(batch: Tensors, consistency: Tensor) -> dict[str, Tensor]:
    """Compute the mean-teacher loss: supervised loss of labelled patches, consistency loss of unlabelled ones.

    The consistency loss is the cross-entropy of strongly augmented patches to the teacher's soft pseudo-labels of the
    weakly augmented ones. Source: mean teacher, Tarvainen & Valpola 2017 (arXiv:1703.01780). Because pseudo-labels are
    probabilities, an uncertain pixel is pushed neither way. A pasted lesion is lesion regardless of the teacher.
    """
    from keras import ops

    probability, label, weight = batch["probability"], batch["label"], batch["weight"]
    supervised = segmentation_loss(probability[0::2], label[0::2], weight[0::2])
    target = ops.maximum(batch["teacher"], label[1::2])
    unlabelled = cross_entropy(probability[1::2], target, weight[1::2])
    return {"supervised": supervised, "consistency": TEACHER_WEIGHT * consistency * unlabelled}


def scaled_image(batch: Tensors) -> Tensor:
    """Return g of Eq. 7: the image of each output (for the union the sum of both views, Eq. 4), from 0 to 1.

    Our choice: the square-root scale of the network's inputs, on which one hot spot does not compress everything else.
    """
    return unit_range(batch["image"])


def body_of(batch: Tensors) -> Tensor:
    """Return 1 where the image of an output shows body; 0 in air, outside the field and in a missing view."""
    from keras import ops

    return ops.cast(batch["image"] > BODY_INPUT, "float32")
