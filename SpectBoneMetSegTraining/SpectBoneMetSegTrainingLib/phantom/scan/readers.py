"""Simulated readers: three readers outline the same lesions differently and miss some (inter-reader variability).

A reader outlines near half height between the surroundings and the local maximum, at 0.22 to 0.76 of it as real readers
do. Level and offset of the outline are properties of the reader and vary from lesion to lesion. Outlines have random
jitter, and faint lesions are missed. The variability was set so that pairs of readers overlap about as two physicians
in the literature (DSC about 0.70). Cold lesions are not outlined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName

from ...dataset.reader_agreement import ReaderAgreement, agree
from .ground_truth import MINIMUM_ISLAND_CM2, PROFILE_FLOOR
from .hospital_sites import SITES

if TYPE_CHECKING:
    from .ground_truth import LesionView
    from .simulate import SimulatedCase, SimulatedLesion

#: Number of readers.
READERS = 3
#: Level of the outlines: mean and standard deviation between readers, standard deviation between lesions, and limits.
#: Measured on counts, whose noise raises a lesion's maximum, the outlines are lower: about half height (`calibrate`).
LEVEL, LEVEL_SIGMA = (0.54, 0.08), 0.11
LEVEL_LIMITS = (0.25, 0.82)
#: Offset of the outlines from that level, mm: standard deviation between readers and between lesions.
OFFSET_MM, OFFSET_SIGMA_MM = 0.6, 0.8
#: Jitter of the outlines: amplitude, share of the lesion's maximum, and correlation length, mm.
JITTER, JITTER_MM = 0.16, 3.6
#: Mean inside / surrounding ring, excess over healthy bone, and signal-to-noise ratio at which half of the lesions are
#: detected, each with the width of the transition.
SEEN_RATIO, SEEN_CONTRAST, SEEN_SNR = (1.40, 0.05), (0.24, 0.03), (3.8, 0.5)
#: Standard deviation between readers of the ratio at which they detect lesions.
CAUTION = 0.03

Mask = NDArray[np.bool_]
#: Outlines of one reader in one view: lesion ID -> mask in the lesion's box (LesionView.box).
Outlines = dict[int, Mask]


@dataclass(frozen=True)
class SimulatedReader:
    """The properties of a reader.

    Attributes:
        level: of the outlines, share of the local maximum.
        caution: added to the ratio at which lesions are detected.
        offset: of the outlines, mm outside of the level.
    """

    level: float
    caution: float
    offset: float = 0.0


@dataclass(frozen=True)
class ReaderPanel:
    """The annotations of one scan by all readers; masks are (rows, columns) bool, anterior frame.

    Attributes:
        annotations: {view: mask} of each reader in the first round.
        agreed: {view: consensus of the readers}.
        lesions: {view: {lesion ID: its part of the consensus}}, without lesions that have no part.
    """

    annotations: list[dict[ViewName, Mask]]
    agreed: dict[ViewName, ReaderAgreement]
    lesions: dict[ViewName, dict[int, Mask]]


def draw_readers(rng: np.random.Generator) -> tuple[SimulatedReader, ...]:
    """Draw READERS readers."""
    return tuple(
        SimulatedReader(float(rng.normal(*LEVEL)), float(rng.normal(0, CAUTION)), float(rng.normal(0, OFFSET_MM)))
        for _ in range(READERS)
    )


def annotate(case: SimulatedCase, reader: SimulatedReader, rng: np.random.Generator) -> dict[ViewName, Outlines]:
    """Draw the outlines of one reader: {view: {lesion ID: mask}}, for the acquired views."""
    pixel, site_level = case.scan.frame.spacing[0], SITES[str(case.parameters.get("site", "a"))].level
    drawn: dict[ViewName, Outlines] = {view: {} for view in case.scan.views}
    for lesion in outlined_lesions(case):
        level = float(np.clip(site_level * reader.level + rng.normal(0, LEVEL_SIGMA), *LEVEL_LIMITS))
        offset = reader.offset + float(rng.normal(0, OFFSET_SIGMA_MM))
        for view, shown in lesion.views.items():
            if rng.random() < _detection_probability(shown, reader) and shown.mask.any():
                drawn[view][lesion.id] = _draw_outline(shown, level, offset / pixel, pixel, rng)
    return drawn


def _detection_probability(shown: LesionView, reader: SimulatedReader) -> float:
    """Return the probability that the reader detects a lesion."""
    from scipy.special import expit

    bright = expit((shown.ratio - SEEN_RATIO[0] - reader.caution) / SEEN_RATIO[1])
    raised = expit((shown.contrast - SEEN_CONTRAST[0]) / SEEN_CONTRAST[1])
    return float(bright * raised * expit((shown.snr - SEEN_SNR[0]) / SEEN_SNR[1]))


def outlined_lesions(case: SimulatedCase) -> list[SimulatedLesion]:
    """Return the lesions that readers outline: all but the cold ones."""
    return [lesion for lesion in case.lesions if lesion.kind != "cold"]


def consensus(case: SimulatedCase, seed: tuple[int, ...]) -> ReaderPanel:
    """Annotate a scan by three readers until they agree or the majority decides (`reader_agreement.agree`)."""
    rng = np.random.default_rng(seed)
    readers = draw_readers(rng)
    rounds: dict[int, list[dict[ViewName, Outlines]]] = {}

    def outlines_of_round(number: int) -> list[dict[ViewName, Outlines]]:
        if number not in rounds:
            rounds[number] = [annotate(case, reader, rng) for reader in readers]
        return rounds[number]

    def masks_of(view: ViewName) -> Callable[[int], list[Mask]]:
        return lambda number: [annotation_mask(case, view, drawing[view]) for drawing in outlines_of_round(number)]

    agreed = {view: agree(masks_of(view), rng) for view in case.scan.views}
    lesions = {
        view: _divide_consensus(case, view, [drawing[view] for drawing in outlines_of_round(found.rounds - 1)], found)
        for view, found in agreed.items()
    }
    first = [
        {view: annotation_mask(case, view, drawing[view]) for view in case.scan.views}
        for drawing in outlines_of_round(0)
    ]
    return ReaderPanel(first, agreed, lesions)


def annotation_mask(case: SimulatedCase, view: ViewName, drawing: Outlines) -> Mask:
    """Return the union (rows, columns) of a reader's outlines in a view."""
    result = np.zeros(case.scan.frame.shape, bool)
    for lesion in case.lesions:
        if lesion.id in drawing:
            result[lesion.views[view].box] |= drawing[lesion.id]
    return result


def _divide_consensus(
    case: SimulatedCase, view: ViewName, drawings: list[Outlines], found: ReaderAgreement
) -> dict[int, Mask]:
    """Divide the consensus of an image among the lesions: {lesion ID: mask}."""
    shape = case.scan.frame.shape
    boxes = {lesion.id: lesion.views[view].box for lesion in outlined_lesions(case) if view in lesion.views}
    if found.reader is not None:
        parts = drawings[found.reader]
        return {number: _in_frame(mask, boxes[number], shape) for number, mask in parts.items() if mask.any()}
    result: dict[int, Mask] = {}
    most, owner = np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)
    for number, box in boxes.items():
        votes = np.sum([drawing[number] for drawing in drawings if number in drawing], axis=0, dtype=np.uint8)
        if not np.any(votes):
            continue
        result[number] = _in_frame(votes * 2 > len(drawings), box, shape)
        owner[box][votes > most[box]] = number
        np.maximum(most[box], votes, out=most[box])
    # A pixel that readers assign to different lesions belongs to the lesion with most votes.
    rest = found.mask & ~np.any([np.zeros(shape, bool), *result.values()], axis=0)
    for number in np.unique(owner[rest]).tolist():
        result[number] |= rest & (owner == number)
    return {number: mask for number, mask in result.items() if mask.any()}


def _in_frame(part: Mask, box: tuple[slice, slice], shape: tuple[int, int]) -> Mask:
    whole = np.zeros(shape, bool)
    whole[box] = part
    return whole


def _draw_outline(shown: LesionView, level: float, offset: float, pixel: float, rng: np.random.Generator) -> Mask:
    """Draw one outline, `offset` pixels outside of the level, in the lesion's box."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.normal(size=shown.profile.shape), JITTER_MM / pixel, mode="nearest")
    unsteady = shown.profile + JITTER * noise / max(float(noise.std()), 1e-6) * np.minimum(shown.profile * 2, 1)
    inside = unsteady >= level
    if not inside.any():
        return np.asarray(inside)
    distance = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    # Neighbours across the outline have distance 1 and -1: half a pixel inwards restores the outline at offset 0.
    moved = distance - np.sign(distance) * 0.5 <= offset
    drawn = ndimage.binary_fill_holes(moved) & (shown.profile > PROFILE_FLOOR)
    parts, _ = ndimage.label(drawn, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel())[1:] * pixel**2 / 100
    # Readers do not outline islands of a few pixels, unless the whole lesion is that small.
    large = 1 + np.flatnonzero(sizes >= min(MINIMUM_ISLAND_CM2, sizes.max(initial=0.0)))
    return np.isin(parts, large)
