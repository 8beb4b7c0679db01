"""Simulated readers: three people who outline the same lesions differently and miss some.

A reader draws near half height between surroundings and local top, at 0.22 to 0.76 of it as real ones do (a habit of
the reader, wavering from lesion to lesion), a little inside or outside of it (another habit), with an unsteady hand,
and overlooks faint lesions. How much they differ was set so that pairs overlap about as two physicians did in the
literature (DSC about 0.70). Cold lesions are not outlined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName

from ...dataset.reader_agreement import Consensus, agree
from .ground_truth import MINIMUM_ISLAND_CM2, PROFILE_FLOOR
from .hospital_sites import SITES

if TYPE_CHECKING:
    from .ground_truth import LesionView
    from .simulate import SimulatedCase, SimulatedLesion

READERS = 3
#: Level at which a reader draws: mean and standard deviation of the readers, from lesion to lesion, and limits.
#: Measured on counts, whose noise raises a lesion's top, the outlines run lower: about half height (calibrate).
LEVEL, LEVEL_SIGMA = (0.54, 0.08), 0.11
LEVEL_LIMITS = (0.25, 0.82)
#: How far outside of that level a reader draws, mm: standard deviation of the readers, and from lesion to lesion.
OFFSET_MM, OFFSET_SIGMA_MM = 0.6, 0.8
#: Unsteadiness of the hand, in units of the lesion's maximum, and over how much of the outline it lasts.
JITTER, JITTER_MM = 0.16, 3.6
#: Mean inside / surrounding ring, excess over healthy bone and signal-to-noise at which half of the lesions are seen,
#: and how sharply that changes.
SEEN_RATIO, SEEN_CONTRAST, SEEN_SNR = (1.40, 0.05), (0.24, 0.03), (3.8, 0.5)
#: How much more of that ratio (or less) than others a reader needs: standard deviation.
CAUTION = 0.03

Mask = NDArray[np.bool_]
#: What one reader drew in one view: lesion ID -> mask in the lesion's own box (LesionView.box).
Outlines = dict[int, Mask]


@dataclass(frozen=True)
class SimulatedReader:
    """A reader's habits: outline level, how much brighter than others the reader needs a lesion, mm drawn outside."""

    level: float
    caution: float
    offset: float = 0.0


@dataclass(frozen=True)
class ReaderPanel:
    """What three readers made of one scan; all masks (rows, columns) bool, anterior frame, of the existing views.

    Attributes:
        annotations: per reader {view: mask} of the first round.
        agreed: {view: the agreed truth of the image}.
        lesions: {view: {lesion ID: its part of the agreed truth}}; lesions without a part are left out.
    """

    annotations: list[dict[ViewName, Mask]]
    agreed: dict[ViewName, Consensus]
    lesions: dict[ViewName, dict[int, Mask]]


def draw_readers(rng: np.random.Generator) -> tuple[SimulatedReader, ...]:
    """READERS readers at random."""
    return tuple(
        SimulatedReader(float(rng.normal(*LEVEL)), float(rng.normal(0, CAUTION)), float(rng.normal(0, OFFSET_MM)))
        for _ in range(READERS)
    )


def annotate(case: SimulatedCase, reader: SimulatedReader, rng: np.random.Generator) -> dict[ViewName, Outlines]:
    """{view: what this reader outlines}, of the views that exist."""
    pixel, habit = case.scan.frame.spacing[0], SITES[str(case.parameters.get("site", "a"))].level
    drawn: dict[ViewName, Outlines] = {view: {} for view in case.scan.views}
    for lesion in outlined_lesions(case):
        level = float(np.clip(habit * reader.level + rng.normal(0, LEVEL_SIGMA), *LEVEL_LIMITS))
        offset = reader.offset + float(rng.normal(0, OFFSET_SIGMA_MM))
        for view, shown in lesion.views.items():
            if rng.random() < _chance(shown, reader) and shown.mask.any():
                drawn[view][lesion.id] = _drawn(shown, level, offset / pixel, pixel, rng)
    return drawn


def _chance(shown: LesionView, reader: SimulatedReader) -> float:
    """How likely the reader sees a lesion."""
    from scipy.special import expit

    bright = expit((shown.ratio - SEEN_RATIO[0] - reader.caution) / SEEN_RATIO[1])
    raised = expit((shown.contrast - SEEN_CONTRAST[0]) / SEEN_CONTRAST[1])
    return float(bright * raised * expit((shown.snr - SEEN_SNR[0]) / SEEN_SNR[1]))


def outlined_lesions(case: SimulatedCase) -> list[SimulatedLesion]:
    """The lesions that readers look for: all but the cold ones."""
    return [lesion for lesion in case.lesions if lesion.kind != "cold"]


def consensus(case: SimulatedCase, seed: tuple[int, ...]) -> ReaderPanel:
    """Let three readers annotate a scan until they agree or the majority decides (`reader_agreement.agree`)."""
    rng = np.random.default_rng(seed)
    readers = draw_readers(rng)
    rounds: dict[int, list[dict[ViewName, Outlines]]] = {}

    def drawings_of(number: int) -> list[dict[ViewName, Outlines]]:
        if number not in rounds:
            rounds[number] = [annotate(case, reader, rng) for reader in readers]
        return rounds[number]

    def marks_in(view: ViewName) -> Callable[[int], list[Mask]]:
        return lambda number: [annotation_mask(case, view, drawing[view]) for drawing in drawings_of(number)]

    agreed = {view: agree(marks_in(view), rng) for view in case.scan.views}
    lesions = {
        view: _carried(case, view, [drawing[view] for drawing in drawings_of(found.rounds - 1)], found)
        for view, found in agreed.items()
    }
    first = [
        {view: annotation_mask(case, view, drawing[view]) for view in case.scan.views} for drawing in drawings_of(0)
    ]
    return ReaderPanel(first, agreed, lesions)


def annotation_mask(case: SimulatedCase, view: ViewName, drawing: Outlines) -> Mask:
    """(rows, columns) bool: everything that was drawn in a view."""
    result = np.zeros(case.scan.frame.shape, bool)
    for lesion in case.lesions:
        if lesion.id in drawing:
            result[lesion.views[view].box] |= drawing[lesion.id]
    return result


def _carried(case: SimulatedCase, view: ViewName, drawings: list[Outlines], found: Consensus) -> dict[int, Mask]:
    """The agreed truth of an image, lesion by lesion; together they are all of it."""
    shape = case.scan.frame.shape
    boxes = {lesion.id: lesion.views[view].box for lesion in outlined_lesions(case) if view in lesion.views}
    if found.reader is not None:
        parts = drawings[found.reader]
        return {number: _placed(mask, boxes[number], shape) for number, mask in parts.items() if mask.any()}
    result: dict[int, Mask] = {}
    most, owner = np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)
    for number, box in boxes.items():
        votes = np.sum([drawing[number] for drawing in drawings if number in drawing], axis=0, dtype=np.uint8)
        if not np.any(votes):
            continue
        result[number] = _placed(votes * 2 > len(drawings), box, shape)
        owner[box][votes > most[box]] = number
        np.maximum(most[box], votes, out=most[box])
    # Where readers mean one pixel but different lesions, it goes to the lesion with most votes.
    rest = found.mask & ~np.any([np.zeros(shape, bool), *result.values()], axis=0)
    for number in np.unique(owner[rest]).tolist():
        result[number] |= rest & (owner == number)
    return {number: mask for number, mask in result.items() if mask.any()}


def _placed(part: Mask, box: tuple[slice, slice], shape: tuple[int, int]) -> Mask:
    whole = np.zeros(shape, bool)
    whole[box] = part
    return whole


def _drawn(shown: LesionView, level: float, offset: float, pixel: float, rng: np.random.Generator) -> Mask:
    """One outline, `offset` pixels outside of the level, in the lesion's box."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.normal(size=shown.profile.shape), JITTER_MM / pixel, mode="nearest")
    unsteady = shown.profile + JITTER * noise / max(float(noise.std()), 1e-6) * np.minimum(shown.profile * 2, 1)
    inside = unsteady >= level
    if not inside.any():
        return np.asarray(inside)
    distance = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    # Neighbours across the outline lie at 1 and -1: half a pixel inwards gives the outline back.
    moved = distance - np.sign(distance) * 0.5 <= offset
    drawn = ndimage.binary_fill_holes(moved) & (shown.profile > PROFILE_FLOOR)
    parts, _ = ndimage.label(drawn, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:] * pixel**2 / 100
    # Nobody circles a few pixels beside a lesion; a lesion that is no larger itself is drawn.
    large = 1 + np.flatnonzero(sizes >= min(MINIMUM_ISLAND_CM2, sizes.max(initial=0.0)))
    return np.isin(parts, large)
