"""What one case adds to the figures of a model: sums, so that figures of any group of patients need no images."""

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
from ..dataset.files import write_json
from . import paper_metrics
from .froc import THRESHOLDS, froc_counts
from .matching import match_lesions
from .metrics import Counts, compare
from .predictions import Delineator
from .surface_distances import assd, hd95

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Upper edges in mm2 of the true areas of small and middle lesions; at 2.26 mm they are 29 and 98 pixels.
SIZE_EDGES_MM2 = (150.0, 500.0)
#: Equal bins of probability for the calibration error.
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Sums:
    """Additive sums over images; an image is one view of one case. "Ignore" pixels and lesions count nowhere.

    Every field is (..., n): n bins (1 unless said), behind any number of leading axes such as bootstrap samples.

    Attributes:
        tp: pixels.
        fp: pixels.
        fn: pixels.
        tn: pixels.
        images: images.
        positives: those with a labelled lesion.
        negatives: those without any, labelled or ignored.
        agreed: DSC over all images (both empty 1, one empty 0).
        dsc: of each positive image, summed.
        precision: likewise; no mark has precision 0.
        accuracy: likewise.
        class_mean: likewise.
        recall: likewise.
        lesions: labelled lesions.
        found: those touched by a mark.
        alarms: marks that touch no lesion.
        negative_alarms: those on negative images.
        matched: lesions paired with a mark (`matching`).
        unmatched: marks that are no lesion's.
        hd95: Hausdorff distance, 95th percentile, in mm, summed over the matched lesions.
        assd: average symmetric surface distance in mm, likewise.
        size_lesions: lesions by true area.
        size_found: found ones by true area.
        size_pixels: their pixels by true area.
        size_hits: marked ones of these pixels by true area.
        froc_found: by THRESHOLDS.
        froc_alarms: by THRESHOLDS.
        bin_pixels: pixels of the body by probability.
        bin_probability: sum of their probability, likewise.
        bin_lesion: how many are lesion, likewise.
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
        """What pools at one operating point, (...) each."""
        names = ("tp", "fp", "fn", "lesions", "found", "alarms", "images", "negatives", "negative_alarms")
        return Counts(*(getattr(self, name)[..., 0] for name in names))

    def flat(self) -> Array:
        """(..., all bins of all fields)."""
        return np.concatenate([getattr(self, name) for name in NAMES], -1)


NAMES = tuple(field.name for field in fields(Sums))
#: Bins of the fields that have more than one.
BINS = {
    **dict.fromkeys(("size_lesions", "size_found", "size_pixels", "size_hits"), len(SIZE_EDGES_MM2) + 1),
    **dict.fromkeys(("froc_found", "froc_alarms"), len(THRESHOLDS)),
    **dict.fromkeys(("bin_pixels", "bin_probability", "bin_lesion"), CALIBRATION_BINS),
}


def from_flat(values: Array) -> Sums:
    """The inverse of `Sums.flat`."""
    ends = np.cumsum([BINS.get(name, 1) for name in NAMES])
    if values.shape[-1] != ends[-1]:
        raise ValueError(f"sums have {ends[-1]} numbers, not {values.shape[-1]}")
    return Sums(*np.split(values, ends[:-1], -1))


@dataclass(frozen=True)
class CaseScores:
    """The sums of one case over its views.

    Attributes:
        patient: what the bootstrap draws.
        case: its name.
        sums: additive, over its views.
        flags: why the case is scored apart, as in `LabelledCrop`.
        counts: by view what is pooled; empty where only sums were kept.
    """

    patient: str
    case: str
    sums: Sums
    flags: tuple[str, ...] = ()
    counts: Mapping[ViewName, Counts] = field(default_factory=dict)


def without_flags(scores: Iterable[CaseScores]) -> list[CaseScores]:
    """The cases that are not scored apart (superscan, cold lesions)."""
    return [one for one in scores if not one.flags]


def score_cases(
    predictions: Iterable[tuple[LabelledCrop, Mapping[ViewName, NDArray[np.float32]]]],
    delineator: Delineator,
    patients: Mapping[str, str] | None = None,
    spacing: tuple[float, float] = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM),
) -> list[CaseScores]:
    """Score predictions case by case, over the views that have both a label and a probability.

    Args:
        predictions: as `predictions.predict_cases` yields them.
        delineator: turns probabilities into marks, as in the reading pipeline.
        patients: case -> patient; a case that is not in it is its own patient.
        spacing: (row, column) pixel size of the crops in mm.
    """
    result = []
    for crop, probabilities in predictions:
        judged = {view: probabilities[view] for view in crop.labels if view in probabilities}
        marks = delineator(judged) if judged else {}
        result.append(score_case(crop, judged, marks, delineator.minimum_area_mm2, patients, spacing))
    return result


def score_case(
    crop: LabelledCrop,
    probabilities: Mapping[ViewName, NDArray[np.float32]],
    marks: Mapping[ViewName, Mask],
    minimum_area_mm2: float,
    patients: Mapping[str, str] | None = None,
    spacing: tuple[float, float] = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM),
) -> CaseScores:
    """Score one case over the views that have both a label and a probability.

    Args:
        probabilities: of every view.
        marks: of every view.
        minimum_area_mm2: of a mark.
        patients: as in `score_cases`.
        spacing: as in `score_cases`.
    """
    # One body for all views: they lie in one frame.
    body = body_of(np.sum(list(crop.counts.values()), axis=0))
    views = {}
    for view in crop.labels:
        if view in probabilities:
            labelled = {int(lesion["id"]) for lesion in crop.lesions if lesion["labelled"].get(view)}
            truth = crop.labels[view], crop.instances[view], labelled
            views[view] = score_view(probabilities[view], marks[view], *truth, body, spacing, minimum_area_mm2)
    total = sum(views.values(), start=from_flat(np.zeros(sum(BINS.get(name, 1) for name in NAMES))))
    counts = {view: sums.counts for view, sums in views.items()}
    return CaseScores((patients or {}).get(crop.case, crop.case), crop.case, total, crop.flags, counts)


def score_view(
    probability: NDArray[np.float32],
    marked: Mask,
    label: NDArray[np.uint8],
    instances: NDArray[np.uint16],
    labelled: set[int],
    body: Mask,
    spacing: tuple[float, float],
    minimum_area_mm2: float,
) -> Sums:
    """The sums of one image.

    Args:
        probability: (rows, columns).
        marked: (rows, columns).
        body: (rows, columns).
        label: as in `metrics.compare`.
        instances: as in `metrics.compare`.
        labelled: as in `metrics.compare`.
        spacing: mm.
        minimum_area_mm2: of a mark at every threshold of the FROC curve.
    """
    counts = compare(marked, label, instances, labelled)
    masks = [(instances == identifier).any(0) for identifier in sorted(labelled)]
    lesions = [mask for mask in masks if mask.any()]
    pixel = spacing[0] * spacing[1]
    matching = match_lesions(marked, label, lesions)
    outlines = [(part, lesions[index], spacing) for index, part in matching.pairs]
    froc_found, froc_alarms = froc_counts(probability, label, lesions, minimum_area_mm2 / pixel)
    values: dict[str, Any] = {
        **_image_figures(counts, int((~marked & (label != LESION) & (label != IGNORE)).sum())),
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
        **_by_size(lesions, marked, pixel),
        **calibration_sums(probability[body & (label != IGNORE)], (label == LESION)[body & (label != IGNORE)]),
    }
    return Sums(**{name: np.atleast_1d(np.asarray(values[name], np.float64)) for name in NAMES})


def _image_figures(counts: Counts, tn: int) -> dict[str, Any]:
    """The pixels of an image and the paper's figures of it; the latter count for positive images only."""
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


def _by_size(lesions: Sequence[Mask], marked: Mask, pixel_mm2: float) -> dict[str, Array]:
    sums = {name: np.zeros(len(SIZE_EDGES_MM2) + 1) for name in ("lesions", "found", "pixels", "hits")}
    for lesion in lesions:
        place = int(np.searchsorted(SIZE_EDGES_MM2, lesion.sum() * pixel_mm2))
        hits = int((lesion & marked).sum())
        for name, value in (("lesions", 1), ("found", hits > 0), ("pixels", int(lesion.sum())), ("hits", hits)):
            sums[name][place] += value
    return {f"size_{name}": values for name, values in sums.items()}


def calibration_sums(probability: NDArray[Any], truth: NDArray[Any]) -> dict[str, Array]:
    """Pixels, summed probability and summed truth of every bin of probability; both inputs (n,), truth 0 or 1."""
    p = probability.astype(np.float64)
    bins = np.clip((p * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    weights = {"bin_pixels": None, "bin_probability": p, "bin_lesion": truth.astype(np.float64)}
    return {
        name: np.bincount(bins, weight, minlength=CALIBRATION_BINS).astype(np.float64)
        for name, weight in weights.items()
    }


def save_scores(path: Path, scores: Sequence[CaseScores]) -> None:
    """Write scores as JSON, whole or not at all, for comparisons without images.

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
