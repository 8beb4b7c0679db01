"""Random training patches from labelled crops: both views are always moved together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.config import InputName, InputScaling, OutputName
from SpectBoneMetSegLib.model.inputs import network_inputs

from ...dataset.cases import IGNORE, LESION, LabelledCrop, merge_labels

Array = NDArray[np.float32]

ROTATION_DEGREES = 10.0
ZOOM = (0.88, 1.14)
THINNING = (0.35, 1.0)
BRIGHTNESS = 0.12
LEVEL_JITTER = 2.0
DROP_VIEW = 0.12
LESION_SHARE = 0.6
UNKNOWN_REGION = 255
#: Area in pixels of a lesion whose pixels weigh as much as others: 3 cm2. Smaller lesions' pixels weigh more.
USUAL_AREA, AREA_EXPONENT, WEIGHT_LIMITS = 59.0, -0.5, (0.4, 2.5)


@dataclass(frozen=True)
class Patch:
    """One training example: inputs (n, n, channels), label and weight (n, n, outputs); float32.

    Attributes:
        regions: (n / 2, n / 2, outputs) uint8, what `LabelledCrop.regions` says at every second pixel; UNKNOWN_REGION
            where nothing is known.
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
    """Thin, turn, scale, flip and cut a patch; LESION_SHARE of the patches of a case with lesions are centred near one.

    Args:
        crop: labelled case.
        size: rows and columns of the patch in pixels.
        inputs: the network's input channels by name.
        outputs: its output channels by name.
        scaling: how counts become inputs; with a knee, patches are also taken for up to LEVEL_JITTER times as bright or
            dark, as no body's level is known exactly.
        by_instance: every lesion is as likely to be in the middle, however large, and a lesion's pixels weigh by its
            area to the power of AREA_EXPONENT (`instance_weights`).
    """
    # A shorter acquisition thins both views alike.
    keep = rng.uniform(*THINNING) if rng.random() < 0.5 else 1.0
    counts = {view: _thin(image, keep, rng) for view, image in crop.counts.items()}
    views = list(crop.counts)
    # The only view of a scan stays.
    dropped = str(rng.choice(views)) if len(views) == 2 and rng.random() < DROP_VIEW else None
    shown = {view: image for view, image in counts.items() if view != dropped}
    if scaling.knee is not None:
        factor = float(np.exp(rng.uniform(-1, 1) * np.log(LEVEL_JITTER)))
        scaling = replace(scaling, level_factor=scaling.level_factor * factor)
    channels = network_inputs(shown.get("anterior"), shown.get("posterior"), inputs, scaling)
    label, weight = target_channels(crop, outputs, dropped)
    emphasis = instance_weights(label) if by_instance else np.zeros((*label.shape[:2], 0), np.float32)
    stack = np.concatenate([channels, label, weight, emphasis], axis=-1)
    matrix, offset = _place(_centre(_one_lesion(label, rng) if by_instance else label, size, rng), size, rng)
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
    """Cut a patch as it is, for data sets that are augmented already: at a random place, LESION_SHARE of those of a
    case with lesions around one; zero outside the crop.

    Args:
        crop: a case.
        size: rows and columns of the patch in pixels.
        inputs: the network's input channels by name.
        outputs: its output channels by name.
        scaling: how counts become inputs.
    """
    channels = network_inputs(crop.counts.get("anterior"), crop.counts.get("posterior"), inputs, scaling)
    label, weight = target_channels(crop, outputs)
    room = [max(0, extent - size) for extent in label.shape[:2]]
    places = np.argwhere(label.any(-1))
    if len(places) and rng.random() < LESION_SHARE:
        place = places[int(rng.integers(len(places)))] - rng.integers(0, size, 2)
        row, column = (int(np.clip(place[axis], 0, room[axis])) for axis in (0, 1))
    else:
        row, column = (int(rng.integers(room[axis] + 1)) for axis in (0, 1))

    def piece(array: Array) -> Array:
        cut = array[row : row + size, column : column + size]
        missing = [(0, size - cut.shape[0]), (0, size - cut.shape[1]), (0, 0)]
        return np.pad(cut, missing).astype(np.float32)

    regions = region_channels(crop, outputs)[row : row + size : 2, column : column + size : 2]
    missing = [(0, (size + 1) // 2 - regions.shape[0]), (0, (size + 1) // 2 - regions.shape[1]), (0, 0)]
    regions = np.pad(regions, missing, constant_values=UNKNOWN_REGION)
    return Patch(piece(channels), piece(label), piece(weight), regions)


def target_channels(
    crop: LabelledCrop, outputs: tuple[OutputName, ...], dropped: str | None = None
) -> tuple[Array, Array]:
    """Label and weight (rows, columns, outputs) of a case; "ignore" and a missing or dropped view weigh nothing."""
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
    """(rows, columns, outputs) region classes; UNKNOWN_REGION for the union and for a view of which none are known.

    Where only some regions were looked for, what is none of them is not known to be nothing.
    """
    unknown = np.full(next(iter(crop.counts.values())).shape, UNKNOWN_REGION, np.uint8)
    shown = {view: regions for view, regions in crop.regions.items() if view != dropped}
    if crop.regions_named is not None:
        shown = {view: np.where(regions == 0, np.uint8(UNKNOWN_REGION), regions) for view, regions in shown.items()}
    return np.stack([shown.get(name, unknown) if name != "union" else unknown for name in outputs], axis=-1)


def _thin(image: Array, keep: float, rng: np.random.Generator) -> Array:
    """Poisson thinning: the scan as an acquisition of `keep` times the time would have given it."""
    if keep >= 1:
        return image
    # Regridded counts are no whole numbers: rounding up as often as the fraction says keeps their mean.
    whole = np.floor(image + rng.random(image.shape)).astype(np.int64)
    return rng.binomial(whole, keep).astype(np.float32)


def instance_weights(label: Array) -> Array:
    """(rows, columns, outputs) weight of every pixel: 1 off the lesions, on one (its area / USUAL_AREA) to the power
    of AREA_EXPONENT, within WEIGHT_LIMITS.

    Ours: a lesion then counts the square root of its area, between one vote a lesion and one a pixel.
    """
    weights = np.ones_like(label)
    for channel in range(label.shape[-1]):
        lesions = _instances(label[..., channel] > 0)
        areas = np.maximum(np.bincount(lesions.ravel()), 1)
        each = np.clip((areas / USUAL_AREA) ** AREA_EXPONENT, *WEIGHT_LIMITS)
        each[0] = 1.0
        weights[..., channel] = each[lesions]
    return weights


def _instances(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    from scipy import ndimage

    labelled, _ = ndimage.label(mask, np.ones((3, 3)))
    return np.asarray(labelled, np.int32)


def _one_lesion(label: Array, rng: np.random.Generator) -> Array:
    """The label with one lesion of all views alone, each as likely."""
    lesions = _instances(label.any(-1))
    return np.asarray(label * (lesions == 1 + int(rng.integers(max(int(lesions.max()), 1))))[..., None])


def _centre(label: Array, size: int, rng: np.random.Generator) -> tuple[float, float]:
    extent = np.array(label.shape[:2])
    # A crop smaller than the patch has one centre.
    low = np.minimum(0.35 * size, extent / 2)
    places = np.argwhere(label.any(-1))
    if len(places) and rng.random() < LESION_SHARE:
        place = places[int(rng.integers(len(places)))] + rng.uniform(-0.35, 0.35, 2) * size
    else:
        place = rng.uniform(low, extent - low)
    return tuple(np.clip(place, low, extent - low))


def _place(
    centre: tuple[float, float], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and offset from a patch's pixels to those of the crop: turned, scaled and flipped around `centre`."""
    angle = np.deg2rad(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
    zoom = rng.uniform(*ZOOM)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    matrix = matrix @ np.diag([1.0, flip])
    return matrix, np.array(centre) - matrix @ np.full(2, (size - 1) / 2)


def _cut(stack: Array, matrix: NDArray[np.float64], offset: NDArray[np.float64], size: int) -> Array:
    """A (size, size, channels) patch; zero outside the crop."""
    from scipy import ndimage

    channels = [
        ndimage.affine_transform(stack[..., i], matrix, offset, (size, size), order=1, mode="constant")
        for i in range(stack.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def _cut_regions(
    regions: NDArray[np.uint8], matrix: NDArray[np.float64], offset: NDArray[np.float64], size: int
) -> NDArray[np.uint8]:
    """Every second pixel of a patch, nearest; UNKNOWN_REGION outside the crop."""
    from scipy import ndimage

    half = (size + 1) // 2
    if (regions == UNKNOWN_REGION).all():
        return np.full((half, half, regions.shape[-1]), UNKNOWN_REGION, np.uint8)
    # The centre of two by two pixels of the patch lies half a pixel from the first of them.
    start = offset + matrix @ np.full(2, 0.5)
    channels = [
        ndimage.affine_transform(
            regions[..., i], 2 * matrix, start, (half, half), order=0, mode="constant", cval=UNKNOWN_REGION
        )
        for i in range(regions.shape[-1])
    ]
    return np.stack(channels, axis=-1)
