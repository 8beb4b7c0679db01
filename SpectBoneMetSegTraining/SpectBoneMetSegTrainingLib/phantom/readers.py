"""Simulated readers: three people who outline the same lesions differently and miss some.

A reader draws at 30-50 % of a lesion's maximum (a habit of the reader, wavering from lesion to lesion), with an
unsteady hand, and overlooks faint lesions. How much they differ was set so that pairs overlap about as two physicians
did in the literature (DSC about 0.70).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.planar import VIEW_NAMES, ViewName

from ..agreement import Consensus, agree
from .hospital import SimulatedCase
from .truth import LesionView

READERS = 3
LEVELS = (0.30, 0.50)
LEVEL_WAVER = 0.04
HAND = 0.10
HAND_PIXELS = 1.6
#: Contrast at which half of the lesions are seen, and how sharply that changes.
SEEN_CONTRAST = (0.22, 0.07)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reader:
    """A reader's habits: outline level, and how much more contrast (or less) than others the reader needs."""

    level: float
    caution: float


def draw_readers(rng: np.random.Generator) -> tuple[Reader, ...]:
    """READERS readers at random."""
    return tuple(Reader(float(rng.uniform(*LEVELS)), float(rng.normal(0, 0.05))) for _ in range(READERS))


def annotate(case: SimulatedCase, reader: Reader, rng: np.random.Generator) -> dict[ViewName, Mask]:
    """{view: (rows, columns) bool} what this reader marks in both views, anterior frame."""
    from scipy.special import expit

    shape = case.expected["anterior"].shape
    marks = {view: np.zeros(shape, bool) for view in VIEW_NAMES}
    for lesion in case.lesions:
        waver = float(rng.normal(0, LEVEL_WAVER))
        for view, shown in lesion.views.items():
            middle, width = SEEN_CONTRAST
            seen = rng.random() < expit((shown.contrast - middle - reader.caution) / width)
            if seen and shown.mask.any():
                marks[view][shown.box] |= _drawn(shown, reader.level + waver, rng)
    return marks


def consensus(
    case: SimulatedCase, seed: tuple[int, ...]
) -> tuple[list[dict[ViewName, Mask]], dict[ViewName, Consensus]]:
    """First-round marks of every reader, and the agreed truth per view (`agreement.agree`)."""
    rng = np.random.default_rng(seed)
    readers = draw_readers(rng)
    rounds: dict[int, list[dict[ViewName, Mask]]] = {}

    def marks_of(number: int) -> list[dict[ViewName, Mask]]:
        if number not in rounds:
            rounds[number] = [annotate(case, reader, rng) for reader in readers]
        return rounds[number]

    first = marks_of(0)

    def marks_in(view: ViewName) -> Callable[[int], list[Mask]]:
        return lambda number: [marks[view] for marks in marks_of(number)]

    return first, {view: agree(marks_in(view), rng) for view in VIEW_NAMES}


def _drawn(shown: LesionView, level: float, rng: np.random.Generator) -> Mask:
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.normal(size=shown.profile.shape), HAND_PIXELS, mode="nearest")
    unsteady = shown.profile + HAND * noise / max(float(noise.std()), 1e-6) * np.minimum(shown.profile * 2, 1)
    return ndimage.binary_fill_holes(unsteady >= level) & (shown.profile > 0.08)
