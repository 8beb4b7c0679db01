"""Geometric augmentation (Lin et al. 2022, Sec. 3.2.1): flip, rotation and translation, both views jointly.

The paper gives no ranges; those here are ours. The flip is left to right only, because all patients are head up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dataset.cases import Instance
from ..dataset.examples import Example

__all__ = ["Transform", "apply_transform", "draw_transform"]

ROTATION_DEGREES, SHIFT_PIXELS = 10.0, 10.0
#: Share of every labelled lesion that must stay in the field; otherwise another transform is drawn.
KEPT_SHARE = 0.9
#: Number of draws before the fallback, a plain flip.
MAX_DRAWS = 30
#: Tolerance of the coverage of a pixel, so that rounding does not move an outline.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Transform:
    """A flip, then a rotation, then a translation of both views.

    Attributes:
        flip: whether left and right are swapped.
        degrees: rotation about the centre.
        shift: translation in pixels, (rows, columns).
    """

    flip: bool
    degrees: float
    shift: tuple[float, float]


def draw_transform(example: Example, rng: np.random.Generator) -> Transform:
    """Draw a random transform that keeps the labelled lesions in the field."""
    for _ in range(MAX_DRAWS):
        shift = tuple(rng.uniform(-SHIFT_PIXELS, SHIFT_PIXELS, 2).round(3).tolist())
        degrees = round(float(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)), 3)
        transform = Transform(flip=bool(rng.random() < 0.5), degrees=degrees, shift=(shift[0], shift[1]))
        if _keeps_lesions(example, transform):
            return transform
    return Transform(flip=True, degrees=0.0, shift=(0.0, 0.0))


def apply_transform(example: Example, transform: Transform) -> Example:
    """Transform a case: counts with linear interpolation, zero outside the field, and lesions alike.

    A pixel belongs to a transformed lesion if more than half of it is covered. A lesion outside the field is removed
    from that view. The names of bones change sides with a flip.
    """
    counts = {view: np.maximum(_transformed(image, transform), 0) for view, image in example.counts.items()}
    lesions = []
    for lesion in example.lesions:
        masks = {
            view: _transformed(mask.astype(np.float32), transform) > 0.5 + TOLERANCE
            for view, mask in lesion.masks.items()
        }
        masks = {view: mask for view, mask in masks.items() if mask.any()}
        if masks:
            about = _swap_sides(lesion.about) if transform.flip else lesion.about
            labelled = {view: lesion.labelled[view] for view in masks}
            lesions.append(Instance(lesion.id, masks, labelled, about))
    return replace(example, counts=counts, lesions=tuple(lesions))


def _transformed(image: NDArray[np.float32], transform: Transform) -> NDArray[np.float32]:
    from scipy import ndimage

    # scipy needs the inverse: from a pixel of the result to its position in the image.
    matrix, offset = _inverse(transform, image.shape)
    return np.asarray(ndimage.affine_transform(image, matrix, offset, order=1, mode="constant"), np.float32)


def _inverse(transform: Transform, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = np.deg2rad(transform.degrees)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.diag([1.0, -1.0 if transform.flip else 1.0]) @ rotation
    centre = (np.array(shape) - 1) / 2
    return matrix, centre - matrix @ (centre + np.array(transform.shift))


def _keeps_lesions(example: Example, transform: Transform) -> bool:
    """Return whether KEPT_SHARE of the pixels of every labelled lesion stay inside the field."""
    for lesion in example.lesions:
        for view, mask in lesion.masks.items():
            if not lesion.labelled[view]:
                continue
            matrix, offset = _inverse(transform, mask.shape)
            positions = (np.argwhere(mask) - offset) @ np.linalg.inv(matrix).T
            inside = ((positions >= 0) & (positions <= np.array(mask.shape) - 1)).all(1)
            if inside.mean() < KEPT_SHARE:
                return False
    return True


def _swap_sides(about: dict[str, Any]) -> dict[str, Any]:
    def swap(text: str) -> str:
        return re.sub(r"\b(left|right)\b", lambda found: {"left": "right", "right": "left"}[found[0]], text)

    return {key: swap(value) if isinstance(value, str) else value for key, value in about.items()}
