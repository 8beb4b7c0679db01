"""Geometric augmentation (Lin et al. 2022, Sec. 3.2.1): flip, rotation and translation, both views jointly.

The paper names the three and no ranges; those here are ours, and the flip is left to right only, because no patient's
head points to the feet.
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
#: Of every labelled lesion at least this share stays in the field, or another motion is drawn.
KEPT_SHARE = 0.9
#: Draws before a lesion at the rim gets a plain flip.
DRAWS = 30
#: Shares of a pixel that differ by less are the same: a turn by nothing but rounding must not move an outline.
TIE = 1e-4


@dataclass(frozen=True)
class Transform:
    """Flip left to right, then turn about the middle by degrees, then shift by (rows, columns) pixels."""

    flip: bool
    degrees: float
    shift: tuple[float, float]


def draw_transform(example: Example, rng: np.random.Generator) -> Transform:
    """A random motion that leaves the labelled lesions in the field."""
    for _ in range(DRAWS):
        shift = tuple(rng.uniform(-SHIFT_PIXELS, SHIFT_PIXELS, 2).round(3).tolist())
        degrees = round(float(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)), 3)
        motion = Transform(bool(rng.random() < 0.5), degrees, (shift[0], shift[1]))
        if _keeps_lesions(example, motion):
            return motion
    return Transform(True, 0.0, (0.0, 0.0))


def apply_transform(example: Example, motion: Transform) -> Example:
    """The case after a motion: counts interpolated linearly, zero where nothing was measured; lesions move with them.

    A pixel belongs to a moved lesion where more than half of it would. A lesion that left the field is gone from that
    view. The names of bones change sides with a flip.
    """
    counts = {view: np.maximum(_moved(image, motion), 0) for view, image in example.counts.items()}
    lesions = []
    for lesion in example.lesions:
        masks = {view: _moved(mask.astype(np.float32), motion) > 0.5 + TIE for view, mask in lesion.masks.items()}
        masks = {view: mask for view, mask in masks.items() if mask.any()}
        if masks:
            about = _sides_swapped(lesion.about) if motion.flip else lesion.about
            labelled = {view: lesion.labelled[view] for view in masks}
            lesions.append(Instance(lesion.id, masks, labelled, about))
    return replace(example, counts=counts, lesions=tuple(lesions))


def _moved(image: NDArray[np.float32], motion: Transform) -> NDArray[np.float32]:
    from scipy import ndimage

    # scipy asks for the way back: from a pixel of the result to its place in the image.
    matrix, offset = _way_back(motion, image.shape)
    return np.asarray(ndimage.affine_transform(image, matrix, offset, order=1, mode="constant"), np.float32)


def _way_back(motion: Transform, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = np.deg2rad(motion.degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.diag([1.0, -1.0 if motion.flip else 1.0]) @ turn
    middle = (np.array(shape) - 1) / 2
    return matrix, middle - matrix @ (middle + np.array(motion.shift))


def _keeps_lesions(example: Example, motion: Transform) -> bool:
    """Whether KEPT_SHARE of the pixels of every labelled lesion stay inside the field."""
    for lesion in example.lesions:
        for view, mask in lesion.masks.items():
            if not lesion.labelled[view]:
                continue
            matrix, offset = _way_back(motion, mask.shape)
            places = (np.argwhere(mask) - offset) @ np.linalg.inv(matrix).T
            inside = ((places >= 0) & (places <= np.array(mask.shape) - 1)).all(1)
            if inside.mean() < KEPT_SHARE:
                return False
    return True


def _sides_swapped(about: dict[str, Any]) -> dict[str, Any]:
    def swap(text: str) -> str:
        return re.sub(r"\b(left|right)\b", lambda found: {"left": "right", "right": "left"}[found[0]], text)

    return {key: swap(value) if isinstance(value, str) else value for key, value in about.items()}
