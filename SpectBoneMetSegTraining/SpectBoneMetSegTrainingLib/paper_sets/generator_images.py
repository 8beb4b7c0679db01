"""Cases as images for the generator, and its images as cases."""

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

__all__ = ["Pair", "image_of", "sampled_example"]

Array = NDArray[np.float32]

#: Square root of counts relative to the body's level that becomes 1; hotter pixels are cut. Nine times the level.
BRIGHTEST = 3.0
#: Lesions of fewer reference pixels are dropped from samples.
SMALLEST_LESION = 4


@dataclass(frozen=True)
class Pair:
    """What the generator learns of a case.

    Attributes:
        image: (size, size, 4) float32 from -1 to 1, channels as in `dcgan.CHANNELS`.
        levels: counts per pixel of the body in the anterior and in the posterior view (`inputs.body_scale`).
    """

    image: Array
    levels: tuple[float, float]


def image_of(example: Example, size: int) -> Pair:
    """A case with two views, made smaller.

    Counts are averaged over blocks, divided by the body's level and put on a square-root scale, as the segmentation
    network sees them. "Ignore" is no lesion here.

    Raises:
        UserError: only one view, or a shape that is no multiple of `size`.
    """
    shape = next(iter(example.counts.values())).shape
    if len(example.counts) != 2 or shape[0] % size or shape[1] % size:
        raise UserError(f"The generator needs both views, of a multiple of {size} pixels; leave other cases out.")
    levels = [body_scale(example.counts[view]) for view in VIEW_NAMES]
    channels = [
        np.minimum(np.sqrt(_shrunk(example.counts[view], size) / level), BRIGHTEST) / BRIGHTEST
        for view, level in zip(VIEW_NAMES, levels, strict=True)
    ]
    channels += [_shrunk(label_map(example.lesions, view, shape) == 1, size) for view in VIEW_NAMES]
    return Pair((2 * np.stack(channels, axis=-1) - 1).astype(np.float32), (levels[0], levels[1]))


def sampled_example(image: Array, levels: tuple[float, float], side: int, rng: np.random.Generator) -> Example:
    """A generated image as a case of `side` x `side` pixels.

    Ours: it is enlarged with splines, and counts are drawn from Poisson's distribution around it, as a camera would
    have counted; without that a sample would be told by its smoothness alone. Lesion pixels that touch in either view
    are one lesion.

    Args:
        image: (size, size, 4) from -1 to 1.
        levels: counts per pixel of the body in each view.
    """
    from scipy import ndimage

    zoom = side / image.shape[0]
    # Pixel areas, not pixel centres, are what is enlarged.
    large = ndimage.zoom((image + 1) / 2, (zoom, zoom, 1), order=3, mode="nearest", grid_mode=True)
    counts = {
        view: rng.poisson((np.clip(large[..., i], 0, 1) * BRIGHTEST) ** 2 * levels[i]).astype(np.float32)
        for i, view in enumerate(VIEW_NAMES)
    }
    marks = {view: large[..., 2 + i] > 0.5 for i, view in enumerate(VIEW_NAMES)}
    numbers = number_lesions(np.any(list(marks.values()), axis=0))
    lesions = []
    for number in range(1, int(numbers.max()) + 1):
        masks = {view: mark & (numbers == number) for view, mark in marks.items()}
        masks = {view: mask for view, mask in masks.items() if mask.sum() >= SMALLEST_LESION}
        if masks:
            about: dict[str, Any] = {"kind": "generated"}
            lesions.append(Instance(number, masks, dict.fromkeys(masks, True), about))
    return Example(counts, tuple(lesions))


def _shrunk(image: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Means over blocks: (size, size)."""
    rows, columns = (extent // size for extent in image.shape)
    return image.astype(np.float64).reshape(size, rows, size, columns).mean((1, 3))
