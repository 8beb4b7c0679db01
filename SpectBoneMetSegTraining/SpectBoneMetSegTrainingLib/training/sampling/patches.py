"""Random, augmented training patches from labelled crops; both views are always transformed together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.config import InputName, InputScaling, OutputName
from SpectBoneMetSegLib.model.inputs import network_inputs

from ...dataset.cases import IGNORE, LESION, LabelledCrop, merge_labels

Array = NDArray[np.float32]

#: Maximum rotation in degrees, either way.
ROTATION_DEGREES = 10.0
#: Range of the scale factor.
ZOOM = (0.88, 1.14)
#: Range of the share of counts that is kept.
THINNING = (0.35, 1.0)
#: Maximum relative change of the inputs.
BRIGHTNESS = 0.12
#: Maximum factor of the count level, either way.
LEVEL_JITTER = 2.0
#: Probability that one of two views is dropped.
DROP_VIEW = 0.12
#: Share of the patches of a case with lesions that are centred near one.
LESION_SHARE = 0.6
#: Value of pixels whose region is unknown.
UNKNOWN_REGION = 255
#: Lesion area in pixels (3 cm2) for a pixel weight of 1, exponent of the relative area, and limits of the weight.
USUAL_AREA, AREA_EXPONENT, WEIGHT_LIMITS = 59.0, -0.5, (0.4, 2.5)


@dataclass(frozen=True)
class Patch:
    """One training example.

    Attributes:
        inputs: (n, n, channels) float32.
        label: (n, n, outputs) float32, 1 on lesions.
        weight: (n, n, outputs) float32, 0 for "ignore".
        regions: (n / 2, n / 2, outputs) uint8, `LabelledCrop.regions` at every second pixel; UNKNOWN_REGION where
            unknown.
    """

    inputs: Array
    label: Array
    weight: Array
    regions: NDArray[np.uint8]


def random_patch(
    crop: LabelledCrop,
    size: int,
    inputs: tuple[InputName, ...],
    outputs: tuple[OutputName, ...],
    scaling: InputScaling,
    rng: np.random.Generator,
    *,
    by_instance: bool = False,
) -> Patch:
    """Thin, rotate, scale, flip and cut a random patch; LESION_SHARE of them are centred near a lesion, if any.

    Args:
        crop: labelled case.
        size: rows and columns of the patch in pixels.
        inputs: the network's input channels by name.
        outputs: its output channels by name.
        scaling: scaling of counts to inputs; with a knee, the count level is also multiplied or divided by up to
            LEVEL_JITTER, because it is never known exactly.
        rng: source of all random numbers.
        by_instance: all lesions are equally likely to be centred, whatever their size, and the pixels of a lesion have
            the weight of `instance_weights`.
    """
    # A shorter acquisition thins both views alike.
    keep = rng.uniform(*THINNING) if rng.random() < 0.5 else 1.0
    counts = {view: _thin(image, keep, rng) for view, image in crop.counts.items()}
    views = list(crop.counts)
    # A single view is never dropped.
    dropped = str(rng.choice(views)) if len(views) == 2 and rng.random() < DROP_VIEW else None
    shown = {view: image for view, image in counts.items() if view != dropped}
    if scaling.knee is not None:
        factor = float(np.exp(rng.uniform(-1, 1) * np.log(LEVEL_JITTER)))
        scaling = replace(scaling, level_factor=scaling.level_factor * factor)
    channels = network_inputs(shown.get("anterior"), shown.get("posterior"), inputs, scaling)
    label, weight = target_channels(crop, outputs, dropped)
    emphasis = instance_weights(label) if by_instance else np.zeros((*label.shape[:2], 0), np.float32)
    stack = np.concatenate([channels, label, weight, emphasis], axis=-1)
    matrix, offset = _transform(_centre(_one_lesion(label, rng) if by_instance else label, size, rng), size, rng)
    stack = _cut(stack, matrix, offset, size)
    first, outputs_count = channels.shape[-1], label.shape[-1]
    second, third = first + outputs_count, first + 2 * outputs_count
    known = (stack[..., second:third] > 0.5).astype(np.float32)
    brightness = np.float32(1 + rng.uniform(-BRIGHTNESS, BRIGHTNESS))
    return Patch(
        stack[..., :first] * brightness,
        (stack[..., first:second] > 0.5).astype(np.float32),
        known * stack[..., third:] if by_instance else known,
        _cut_regions(region_channels(crop, outputs, dropped), matrix, offset, size),
    )


def plain_patch(
    crop: LabelledCrop,
    size: int,
    inputs: tuple[InputName, ...],
    outputs: tuple[OutputName, ...],
    scaling: InputScaling,
    rng: np.random.Generator,
) -> Patch:
    """Cut an unchanged patch at a random position, for data sets that are already augmented.

    LESION_SHARE of the patches of a case with lesions contain one. Zero outside the crop.

    Args:
        crop: a case.
        size: rows and columns of the patch in pixels.
        inputs: the network's input channels by name.
        outputs: its output channels by name.
        scaling: scaling of counts to inputs.
        rng: source of all random numbers.
    """
    channels = network_inputs(crop.counts.get("anterior"), crop.counts.get("posterior"), inputs, scaling)
    label, weight = target_channels(crop, outputs)
    last = [max(0, extent - size) for extent in label.shape[:2]]
    pixels = np.argwhere(label.any(-1))
    if len(pixels) and rng.random() < LESION_SHARE:
        corner = pixels[int(rng.integers(len(pixels)))] - rng.integers(0, size, 2)
        row, column = (int(np.clip(corner[axis], 0, last[axis])) for axis in (0, 1))
    else:
        row, column = (int(rng.integers(last[axis] + 1)) for axis in (0, 1))

    def cut_out(array: Array) -> Array:
        cut = array[row : row + size, column : column + size]
        missing = [(0, size - cut.shape[0]), (0, size - cut.shape[1]), (0, 0)]
        return np.pad(cut, missing).astype(np.float32)

    regions = region_channels(crop, outputs)[row : row + size : 2, column : column + size : 2]
    missing = [(0, (size + 1) // 2 - regions.shape[0]), (0, (size + 1) // 2 - regions.shape[1]), (0, 0)]
    regions = np.pad(regions, missing, constant_values=UNKNOWN_REGION)
    return Patch(cut_out(channels), cut_out(label), cut_out(weight), regions)


def target_channels(
    crop: LabelledCrop, outputs: tuple[OutputName, ...], dropped: str | None = None
) -> tuple[Array, Array]:
    """Return label and weight (rows, columns, outputs); "ignore" and a missing or dropped view have weight 0."""
    shown = {view: label for view, label in crop.labels.items() if view != dropped}
    unknown = np.full_like(next(iter(crop.labels.values())), IGNORE)
    maps = []
    for name in outputs:
        if name == "union":
            maps.append(merge_labels(shown.values()))
        else:
            maps.append(shown.get(name, unknown))
    stacked = np.stack(maps, axis=-1)
    return (stacked == LESION).astype(np.float32), (stacked != IGNORE).astype(np.float32)


def region_channels(
    crop: LabelledCrop, outputs: tuple[OutputName, ...], dropped: str | None = None
) -> NDArray[np.uint8]:
    """Return (rows, columns, outputs) region classes; UNKNOWN_REGION for the union and for a view without regions.

    If only some regions were outlined, pixels outside them are unknown.
    """
    unknown = np.full(next(iter(crop.counts.values())).shape, UNKNOWN_REGION, np.uint8)
    shown = {view: regions for view, regions in crop.regions.items() if view != dropped}
    if crop.regions_named is not None:
        shown = {view: np.where(regions == 0, np.uint8(UNKNOWN_REGION), regions) for view, regions in shown.items()}
    return np.stack([shown.get(name, unknown) if name != "union" else unknown for name in outputs], axis=-1)


def _thin(image: Array, keep: float, rng: np.random.Generator) -> Array:
    """Thin counts (binomially) to an acquisition of `keep` times the duration."""
    if keep >= 1:
        return image
    # Resampled counts are not integers: stochastic rounding keeps their mean.
    whole = np.floor(image + rng.random(image.shape)).astype(np.int64)
    return rng.binomial(whole, keep).astype(np.float32)


def instance_weights(label: Array) -> Array:
    """Return (rows, columns, outputs) weights: 1 outside lesions, (area / USUAL_AREA) ** AREA_EXPONENT inside.

    The weights are limited to WEIGHT_LIMITS. Our choice: a lesion then weighs the square root of its area, between
    equal weights of lesions and equal weights of pixels.
    """
    weights = np.ones_like(label)
    for channel in range(label.shape[-1]):
        lesions = _instances(label[..., channel] > 0)
        areas = np.maximum(np.bincount(lesions.ravel()), 1)
        values = np.clip((areas / USUAL_AREA) ** AREA_EXPONENT, *WEIGHT_LIMITS)
        values[0] = 1.0
        weights[..., channel] = values[lesions]
    return weights


def _instances(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    from scipy import ndimage

    labelled, _ = ndimage.label(mask, np.ones((3, 3)))
    return np.asarray(labelled, np.int32)


def _one_lesion(label: Array, rng: np.random.Generator) -> Array:
    """Return the label with a single random lesion, all equally likely."""
    lesions = _instances(label.any(-1))
    return np.asarray(label * (lesions == 1 + int(rng.integers(max(int(lesions.max()), 1))))[..., None])


def _centre(label: Array, size: int, rng: np.random.Generator) -> tuple[float, float]:
    extent = np.array(label.shape[:2])
    # For a crop smaller than the patch there is only one centre.
    low = np.minimum(0.35 * size, extent / 2)
    pixels = np.argwhere(label.any(-1))
    if len(pixels) and rng.random() < LESION_SHARE:
        centre = pixels[int(rng.integers(len(pixels)))] + rng.uniform(-0.35, 0.35, 2) * size
    else:
        centre = rng.uniform(low, extent - low)
    return tuple(np.clip(centre, low, extent - low))


def _transform(
    centre: tuple[float, float], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a random transform (matrix, offset) from patch to crop pixels: rotation, scale and flip about `centre`."""
    angle = np.deg2rad(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
    zoom = rng.uniform(*ZOOM)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    matrix = matrix @ np.diag([1.0, flip])
    return matrix, np.array(centre) - matrix @ np.full(2, (size - 1) / 2)


def _cut(stack: Array, matrix: NDArray[np.float64], offset: NDArray[np.float64], size: int) -> Array:
    """Resample a (size, size, channels) patch; zero outside the crop."""
    from scipy import ndimage

    channels = [
        ndimage.affine_transform(stack[..., i], matrix, offset, (size, size), order=1, mode="constant")
        for i in range(stack.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def _cut_regions(
    regions: NDArray[np.uint8], matrix: NDArray[np.float64], offset: NDArray[np.float64], size: int
) -> NDArray[np.uint8]:
    """Resample every second pixel of a patch, nearest neighbour; UNKNOWN_REGION outside the crop."""
    from scipy import ndimage

    half = (size + 1) // 2
    if (regions == UNKNOWN_REGION).all():
        return np.full((half, half, regions.shape[-1]), UNKNOWN_REGION, np.uint8)
    # The centre of 2 x 2 pixels of the patch is half a pixel from the first one.
    start = offset + matrix @ np.full(2, 0.5)
    channels = [
        ndimage.affine_transform(
            regions[..., i], 2 * matrix, start, (half, half), order=0, mode="constant", cval=UNKNOWN_REGION
        )
        for i in range(regions.shape[-1])
    ]
    return np.stack(channels, axis=-1)
