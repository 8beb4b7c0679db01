"""Scores of single cases as additive sums, so that the figures of any group of patients need no images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, ViewName

from ..dataset.body import body_of
from ..dataset.cases import IGNORE, LESION, LabelledCrop
from ..dataset.files import read_json, write_json
from . import paper_metrics
from .froc import THRESHOLDS, froc_counts
from .matching import match_lesions
from .metrics import Counts, compare
from .predictions import Delineator
from .surface_distances import assd, hd95

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Upper limits in mm2 of the true area of small and middle lesions; at 2.26 mm they are 29 and 98 pixels.
SIZE_EDGES_MM2 = (150.0, 500.0)
#: Equal bins of probability for the calibration error.
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Sums:
    """Additive sums over images; an image is one view of one case. "Ignore" pixels and lesions are excluded.

    Every field is (..., n): n bins (1 unless stated) after any number of leading axes, such as bootstrap samples. A
    detection is an 8-connected component of the predicted mask.

    Attributes:
        tp: pixels.
        fp: pixels.
        fn: pixels.
        tn: pixels.
        images: number of images.
        positives: images with a labelled lesion.
        negatives: images without any lesion, labelled or ignored.
        agreed: DSC, summed over all images (both empty 1, one empty 0).
        dsc: DSC, summed over the positive images.
        precision: precision, summed over the positive images; an empty prediction has precision 0.
        accuracy: pixel accuracy, summed over the positive images.
        class_mean: mean class accuracy, summed over the positive images.
        recall: recall, summed over the positive images.
        lesions: labelled lesions.
        found: lesions touched by a detection.
        alarms: detections that touch no lesion (false alarms).
        negative_alarms: false alarms on negative images.
        matched: lesions matched with a detection (`matching`).
        unmatched: detections without a lesion (`matching`).
        hd95: 95 % Hausdorff distance in mm, summed over the matched lesions.
        assd: average symmetric surface distance in mm, summed over the matched lesions.
        size_lesions: lesions by true area.
        size_found: found lesions by true area.
        size_pixels: pixels of the lesions by true area.
        size_hits: correctly predicted pixels of the lesions by true area.
        froc_found: found lesions by THRESHOLDS.
        froc_alarms: false alarms by THRESHOLDS.
        bin_pixels: pixels of the body by bin of probability.
        bin_probability: sum of their probabilities by bin of probability.
        bin_lesion: number of lesion pixels by bin of probability.
    """

    tp: Array
    fp: Array
    fn: Array
    tn: Array
    images: Array
    positives: Array
    negatives: Array
    agreed: Array
    dsc: Array
    precision: Array
    accuracy: Array
    class_mean: Array
    recall: Array
    lesions: Array
    found: Array
    alarms: Array
    negative_alarms: Array
    matched: Array
    unmatched: Array
    hd95: Array
    assd: Array
    size_lesions: Array
    size_found: Array
    size_pixels: Array
    size_hits: Array
    froc_found: Array
    froc_alarms: Array
    bin_pixels: Array
    bin_probability: Array
    bin_lesion: Array

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, name) + getattr(other, name) for name in NAMES))

    @property
    def counts(self) -> Counts:
        """The counts at the operating point, (...) each."""
        names = ("tp", "fp", "fn", "lesions", "found", "alarms", "images", "negatives", "negative_alarms")
        return Counts(*(getattr(self, name)[..., 0] for name in names))

    def flat(self) -> Array:
        """Return all bins of all fields, (..., bins)."""
        return np.concatenate([getattr(self, name) for name in NAMES], -1)


NAMES = tuple(field.name for field in fields(Sums))
#: Number of bins of the fields that have more than one.
BINS = {
    **dict.fromkeys(("size_lesions", "size_found", "size_pixels", "size_hits"), len(SIZE_EDGES_MM2) + 1),
    **dict.fromkeys(("froc_found", "froc_alarms"), len(THRESHOLDS)),
    **dict.fromkeys(("bin_pixels", "bin_probability", "bin_lesion"), CALIBRATION_BINS),
}


def from_flat(values: Array) -> Sums:
    """Return the sums from the array of `Sums.flat`.

    Raises:
        ValueError: the last axis has the wrong length.
    """
    ends = np.cumsum([BINS.get(name, 1) for name in NAMES])
    if values.shape[-1] != ends[-1]:
        raise ValueError(f"sums have {ends[-1]} numbers, not {values.shape[-1]}")
    return Sums(*np.split(values, ends[:-1], -1))


@dataclass(frozen=True)
class CaseScores:
    """Scores of one case.

    Attributes:
        patient: name of the patient, the unit of the bootstrap.
        case: name of the case.
        sums: sums over its views.
        flags: why the case is scored separately, as in `LabelledCrop`.
        counts: counts by view; empty if only the sums were kept.
    """

    patient: str
    case: str
    sums: Sums
    flags: tuple[str, ...] = ()
    counts: Mapping[ViewName, Counts] = field(default_factory=dict)


def without_flags(scores: Iterable[CaseScores]) -> list[CaseScores]:
    """Return the cases that are not scored separately (cold lesions)."""
    return [case for case in scores if not case.flags]


def score_cases(
    predictions: Iterable[tuple[LabelledCrop, Mapping[ViewName, NDArray[np.float32]]]],
    delineator: Delineator,
    patients: Mapping[str, str] | None = None,
    spacing: tuple[float, float] = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM),
) -> list[CaseScores]:
    """Score predictions case by case, over the views that have both a label and a probability.

    Args:
        predictions: as `predictions.predict_cases` yields them.
        delineator: turns probabilities into masks, as in the reading pipeline.
        patients: case -> patient; a case that is not in it is its own patient.
        spacing: (row, column) pixel size of the crops in mm.
    """
    result = []
    for crop, probabilities in predictions:
        labelled = {view: probabilities[view] for view in crop.labels if view in probabilities}
        masks = delineator(labelled) if labelled else {}
        result.append(score_case(crop, labelled, masks, delineator.minimum_area_mm2, patients, spacing))
    return result


def score_case(
    crop: LabelledCrop,
    probabilities: Mapping[ViewName, NDArray[np.float32]],
    masks: Mapping[ViewName, Mask],
    minimum_area_mm2: float,
    patients: Mapping[str, str] | None = None,
    spacing: tuple[float, float] = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM),
) -> CaseScores:
    """Score one case over the views that have both a label and a probability.

    Args:
        crop: the case with its labels.
        probabilities: {view: (rows, columns) probability}.
        masks: {view: (rows, columns) bool}, predicted.
        minimum_area_mm2: minimum area of a detection.
        patients: as in `score_cases`.
        spacing: as in `score_cases`.
    """
    # One body mask for all views: they share one frame.
    body = body_of(np.sum(list(crop.counts.values()), axis=0))
    views = {}
    for view in crop.labels:
        if view in probabilities:
            labelled = {int(lesion["id"]) for lesion in crop.lesions if lesion["labelled"].get(view)}
            truth = crop.labels[view], crop.instances[view], labelled
            views[view] = score_view(probabilities[view], masks[view], *truth, body, spacing, minimum_area_mm2)
    total = sum(views.values(), start=from_flat(np.zeros(sum(BINS.get(name, 1) for name in NAMES))))
    counts = {view: sums.counts for view, sums in views.items()}
    return CaseScores((patients or {}).get(crop.case, crop.case), crop.case, total, crop.flags, counts)


def score_view(
    probability: NDArray[np.float32],
    mask: Mask,
    label: NDArray[np.uint8],
    instances: NDArray[np.uint16],
    labelled: set[int],
    body: Mask,
    spacing: tuple[float, float],
    minimum_area_mm2: float,
) -> Sums:
    """Compute the sums of one image.

    Args:
        probability: (rows, columns).
        mask: (rows, columns) bool, predicted.
        body: (rows, columns) bool, pixels of the body.
        label: as in `metrics.compare`.
        instances: as in `metrics.compare`.
        labelled: as in `metrics.compare`.
        spacing: (row, column) pixel size in mm.
        minimum_area_mm2: minimum area of a detection at every threshold of the FROC curve.
    """
    counts = compare(mask, label, instances, labelled)
    instance_masks = ((instances == identifier).any(0) for identifier in sorted(labelled))
    lesions = [lesion for lesion in instance_masks if lesion.any()]
    pixel = spacing[0] * spacing[1]
    matching = match_lesions(mask, label, lesions)
    outlines = [(part, lesions[index], spacing) for index, part in matching.pairs]
    froc_found, froc_alarms = froc_counts(probability, label, lesions, minimum_area_mm2 / pixel)
    values: dict[str, Any] = {
        **_image_metrics(counts, int((~mask & (label != LESION) & (label != IGNORE)).sum())),
        "images": 1,
        "negatives": counts.negatives,
        "lesions": counts.lesions,
        "found": counts.found,
        "alarms": counts.false_alarms,
        "negative_alarms": counts.negative_alarms,
        "matched": len(matching.pairs),
        "unmatched": matching.unmatched,
        "hd95": sum(hd95(*outline) for outline in outlines),
        "assd": sum(assd(*outline) for outline in outlines),
        "froc_found": froc_found,
        "froc_alarms": froc_alarms,
        **_by_size(lesions, mask, pixel),
        **calibration_sums(probability[body & (label != IGNORE)], (label == LESION)[body & (label != IGNORE)]),
    }
    return Sums(**{name: np.atleast_1d(np.asarray(values[name], np.float64)) for name in NAMES})


def _image_metrics(counts: Counts, tn: int) -> dict[str, Any]:
    """Return the pixel counts of an image and the paper's metrics; the latter are 0 for negative images."""
    tp, fp, fn = (float(pixels) for pixels in (counts.true_positive, counts.false_positive, counts.false_negative))
    positive = tp + fn > 0
    return {
        **{"tp": tp, "fp": fp, "fn": fn, "tn": tn, "positives": positive},
        "agreed": paper_metrics.dsc(tp, fp, fn),
        "dsc": positive * paper_metrics.dsc(tp, fp, fn),
        "precision": paper_metrics.ratio(tp, tp + fp, 0.0),
        "accuracy": positive * paper_metrics.cpa_pixel_accuracy(tp, fp, fn, tn),
        "class_mean": positive * paper_metrics.cpa_class_mean(tp, fp, fn, tn),
        "recall": positive * paper_metrics.recall(tp, fn),
    }


def _by_size(lesions: Sequence[Mask], mask: Mask, pixel_mm2: float) -> dict[str, Array]:
    sums = {name: np.zeros(len(SIZE_EDGES_MM2) + 1) for name in ("lesions", "found", "pixels", "hits")}
    for lesion in lesions:
        index = int(np.searchsorted(SIZE_EDGES_MM2, lesion.sum() * pixel_mm2))
        hits = int((lesion & mask).sum())
        for name, value in (("lesions", 1), ("found", hits > 0), ("pixels", int(lesion.sum())), ("hits", hits)):
            sums[name][index] += value
    return {f"size_{name}": values for name, values in sums.items()}


def calibration_sums(probability: NDArray[Any], truth: NDArray[Any]) -> dict[str, Array]:
    """Return pixels, summed probability and summed label of every probability bin; inputs (n,), truth 0 or 1."""
    p = probability.astype(np.float64)
    bins = np.clip((p * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    weights = {"bin_pixels": None, "bin_probability": p, "bin_lesion": truth.astype(np.float64)}
    return {
        name: np.bincount(bins, weight, minlength=CALIBRATION_BINS).astype(np.float64)
        for name, weight in weights.items()
    }


def save_scores(path: Path, scores: Sequence[CaseScores]) -> None:
    """Write scores as JSON, as a whole or not at all, for comparisons without images.

    Raises:
        OSError: the file cannot be written.
    """
    write_json(
        path,
        {
            "bins": {name: BINS.get(name, 1) for name in NAMES},
            "cases": [
                {"patient": s.patient, "case": s.case, "flags": list(s.flags), "sums": s.sums.flat().tolist()}
                for s in scores
            ],
        },
    )


def read_scores(path: Path) -> list[CaseScores]:
    """Read a file of `save_scores`.

    Raises:
        UserError: the file is missing or damaged.
    """
    return [
        CaseScores(one["patient"], one["case"], from_flat(np.array(one["sums"])), tuple(one["flags"]))
        for one in read_json(path)["cases"]
    ]
