"""Conversion of cases to images for the generator, and of its images to cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.components import number_lesions
from SpectBoneMetSegLib.model.inputs import body_scale
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ..dataset.cases import Instance, label_map
from ..dataset.examples import Example

__all__ = ["TrainingImage", "image_of", "sampled_example"]

Array = NDArray[np.float32]

#: Square root of counts over the body's level that is scaled to 1; hotter pixels (9 times the level) are clipped.
BRIGHTEST = 3.0
#: Lesions with fewer reference pixels are removed from samples.
SMALLEST_LESION = 4


@dataclass(frozen=True)
class TrainingImage:
    """A case as training image of the generator.

    Attributes:
        image: (size, size, 4) float32 from -1 to 1, channels as in `dcgan.CHANNELS`.
        levels: counts per pixel of the body in the anterior and in the posterior view (`inputs.body_scale`).
    """

    image: Array
    levels: tuple[float, float]


def image_of(example: Example, size: int) -> TrainingImage:
    """Downsample a case with two views to `size` x `size` pixels.

    Counts are averaged over blocks, divided by the body's level and square-root scaled, like the input of the
    segmentation network. "Ignore" counts as background.

    Raises:
        UserError: only one view, or a shape that is not a multiple of `size`.
    """
    shape = next(iter(example.counts.values())).shape
    if len(example.counts) != 2 or shape[0] % size or shape[1] % size:
        raise UserError(f"The generator needs both views, of a multiple of {size} pixels; leave other cases out.")
    levels = [body_scale(example.counts[view]) for view in VIEW_NAMES]
    channels = [
        np.minimum(np.sqrt(_downsampled(example.counts[view], size) / level), BRIGHTEST) / BRIGHTEST
        for view, level in zip(VIEW_NAMES, levels, strict=True)
    ]
    channels += [_downsampled(label_map(example.lesions, view, shape) == 1, size) for view in VIEW_NAMES]
    return TrainingImage((2 * np.stack(channels, axis=-1) - 1).astype(np.float32), (levels[0], levels[1]))


def sampled_example(image: Array, levels: tuple[float, float], side: int, rng: np.random.Generator) -> Example:
    """Convert a generated image to a case of `side` x `side` pixels.

    Ours: the image is upsampled with splines, and counts are drawn from a Poisson distribution around it, as in a
    camera; otherwise a sample could be recognised by its smoothness alone. Connected lesion pixels of the union of the
    views are one lesion.

    Args:
        image: (size, size, 4) from -1 to 1.
        levels: counts per pixel of the body in each view.
        side: rows and columns of the case.
        rng: random numbers of the counts.
    """
    from scipy import ndimage

    zoom = side / image.shape[0]
    # grid_mode scales pixel areas instead of pixel centres.
    upsampled = ndimage.zoom((image + 1) / 2, (zoom, zoom, 1), order=3, mode="nearest", grid_mode=True)
    counts = {
        view: rng.poisson((np.clip(upsampled[..., i], 0, 1) * BRIGHTEST) ** 2 * levels[i]).astype(np.float32)
        for i, view in enumerate(VIEW_NAMES)
    }
    label_masks = {view: upsampled[..., 2 + i] > 0.5 for i, view in enumerate(VIEW_NAMES)}
    numbers = number_lesions(np.any(list(label_masks.values()), axis=0))
    lesions = []
    for number in range(1, int(numbers.max()) + 1):
        masks = {view: label_mask & (numbers == number) for view, label_mask in label_masks.items()}
        masks = {view: mask for view, mask in masks.items() if mask.sum() >= SMALLEST_LESION}
        if masks:
            about: dict[str, Any] = {"kind": "generated"}
            lesions.append(Instance(number, masks, dict.fromkeys(masks, True), about))
    return Example(counts, tuple(lesions))


def _downsampled(image: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Average over blocks, to (size, size)."""
    rows, columns = (extent // size for extent in image.shape)
    return image.astype(np.float64).reshape(size, rows, size, columns).mean((1, 3))
