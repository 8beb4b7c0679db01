"""Predictions of a model on the cases of a data set, and the choice of its operating point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isnan
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.lesions.delineation import LesionMasks, lesion_masks
from SpectBoneMetSegLib.lesions.model_result import Limits
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.engines import NetworkOutput
from SpectBoneMetSegLib.model.inputs import network_inputs, view_scales
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, PlanarView, ViewName

from ..dataset.cases import LabelledCrop, Truth, load_case, merge_labels, stored_region
from ..dataset.opened import Data
from .metrics import Counts, by_view, compare
from .region_overlap import region_classes

OperatingPoint = Literal["dice", "lesions"]
#: Minimum pixel precision of an operating point chosen by lesions.
MINIMUM_PRECISION = 0.6
#: Candidate seed thresholds, besides the outline threshold; merits within MERIT_TOLERANCE count as equal.
SEED_THRESHOLDS, MERIT_TOLERANCE = (0.7, 0.8, 0.9, 0.95, 0.98, 0.99), 0.005

#: (rows, columns, inputs) of any size -> (rows, columns, outputs) probability.
Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
#: A case and the (rows, columns) probability map of every view.
Prediction = tuple[LabelledCrop, dict[ViewName, NDArray[np.float32]]]


class Delineator(Limits):
    """Operating point (thresholds, minimum area) that turns probability maps into masks, as in the reading pipeline."""

    @classmethod
    def of(cls, card: ModelCard) -> Delineator:
        """Return the operating point of a model."""
        return cls(card.threshold, card.seed_threshold, card.minimum_area_mm2)

    def __call__(self, probabilities: dict[ViewName, NDArray[np.float32]]) -> dict[ViewName, NDArray[np.bool_]]:
        """Return {view: (rows, columns) bool} from {view: (rows, columns) probability}, anterior frame."""
        return {view: ids > 0 for view, ids in self.lesions(probabilities).views.items()}

    def lesions(self, probabilities: dict[ViewName, NDArray[np.float32]]) -> LesionMasks:
        """Return numbered lesions, with the same number in all views."""
        first = next(iter(probabilities.values()))
        frame = PlanarView(np.zeros(first.shape, np.float32), (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM), "anterior")
        return lesion_masks(
            probabilities, self.threshold, self.minimum_area_mm2, frame, seed_threshold=self.seed_threshold
        )


class CasePrediction(NamedTuple):
    """Prediction of a case.

    Attributes:
        crop: the case.
        probabilities: {view: (rows, columns) probability of lesion}.
        regions: {view: (rows, columns) region classes}; {} for a network without regions.
    """

    crop: LabelledCrop
    probabilities: dict[ViewName, NDArray[np.float32]]
    regions: dict[ViewName, NDArray[np.uint8]]


def predict_with_regions(
    data: Data,
    cases: Iterable[str],
    answer: Callable[[NDArray[np.float32]], NetworkOutput],
    network: NetworkConfig,
    truth: Truth = "agreed",
    region: Region = "thorax",
    level_region: Region | None = None,
    *,
    true_regions: bool = False,
) -> Iterator[CasePrediction]:
    """Predict lesions and skeletal regions of every existing view, case by case.

    A model with the single output "union" is compared with the union of the views, as "anterior" (the frame of the
    sum).

    Args:
        data: data set.
        cases: names of its cases.
        answer: prediction function of an engine, `engines.Engine.predict_all`.
        network: names the inputs and outputs.
        truth: which reference labels.
        region: region of the body to predict.
        level_region: region whose count level scales the inputs, None for `region`; as in the reading pipeline.
        true_regions: read the true skeletal regions, too, if known.

    Raises:
        UserError: a file is missing or unreadable.
    """
    for name in cases:
        crop = load_case(data, name, truth, region, regions=true_regions)
        level_crop = None if level_region in (None, region) else load_case(data, name, truth, level_region)
        result = answer(inputs_of(crop, network, level_crop))
        if network.outputs == ("union",):
            yield CasePrediction(union_of(crop), {"anterior": result.probability[..., 0]}, {})
        else:
            maps = {view: result.probability[..., network.outputs.index(view)] for view in crop.counts}
            yield CasePrediction(crop, maps, region_classes(result.regions, network, result.probability.shape[:2]))


def predict_cases(
    data: Data,
    cases: Iterable[str],
    predict: Predict,
    network: NetworkConfig,
    truth: Truth = "agreed",
    region: Region = "thorax",
    level_region: Region | None = None,
) -> Iterator[Prediction]:
    """Predict the probability maps of every existing view, case by case; as `predict_with_regions`, without regions."""
    answers = predict_with_regions(
        data, cases, lambda inputs: NetworkOutput(predict(inputs), None), network, truth, region, level_region
    )
    return ((crop, probabilities) for crop, probabilities, _ in answers)


def inputs_of(
    crop: LabelledCrop, network: NetworkConfig, level_crop: LabelledCrop | None = None
) -> NDArray[np.float32]:
    """Return the (rows, columns, inputs) network inputs of a case.

    Args:
        crop: the case.
        network: names the inputs and their scaling.
        level_crop: the case in the region whose count level scales the inputs, None for `crop`.
    """
    scales = None if level_crop is None else view_scales(*_views(level_crop), network.scaling)
    return network_inputs(*_views(crop), network.inputs, network.scaling, scales)


def level_region_of(data: Data, cases: Iterable[str], card: ModelCard) -> Region:
    """Return the region for the count level: the model's training region if the cases cover it, else the thorax."""
    return card.trained_region if stored_region(data, cases) == "whole-body" else "thorax"


def _views(crop: LabelledCrop) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    return crop.counts.get("anterior"), crop.counts.get("posterior")


def union_of(crop: LabelledCrop) -> LabelledCrop:
    """Return the case with the labels and lesions of both views united in the anterior frame."""
    label = merge_labels(crop.labels.values())
    instances = np.concatenate(list(crop.instances.values()))
    lesions = [{**lesion, "labelled": {"anterior": any(lesion["labelled"].values())}} for lesion in crop.lesions]
    return LabelledCrop(crop.case, crop.counts, {"anterior": label}, {"anterior": instances}, lesions, crop.flags)


def as_union(prediction: Prediction) -> Prediction:
    """Turn a prediction per view into one of the union, by the larger probability of every pixel."""
    crop, probabilities = prediction
    largest: NDArray[np.float32] = np.stack(list(probabilities.values())).max(axis=0)
    return union_of(crop), {"anterior": largest}


def count_case(crop: LabelledCrop, masks: dict[ViewName, NDArray[np.bool_]]) -> dict[ViewName, Counts]:
    """Count pixels and lesions of one case per view; `masks` are {view: (rows, columns) bool}, predicted."""
    return {
        view: compare(
            masks[view],
            crop.labels[view],
            crop.instances[view],
            {int(lesion["id"]) for lesion in crop.lesions if lesion["labelled"].get(view)},
        )
        for view in masks
    }


def evaluate_cases(predictions: Iterable[Prediction], delineator: Delineator) -> dict[str, Any]:
    """Compute the figures of `metrics.by_view` at an operating point."""
    return by_view((crop.flags, count_case(crop, delineator(probabilities))) for crop, probabilities in predictions)


def _merit(counts: Counts, by: OperatingPoint) -> float:
    """Return the merit of an operating point, larger is better; undefined figures count as 0."""
    dice, precision, lesions = (
        0.0 if isnan(value) else float(value) for value in (counts.dice, counts.precision, counts.lesion_f1)
    )
    if by == "dice":
        return round(dice, 4)
    # Both are between 0 and 1: a point with too low a precision ranks after all others.
    return lesions + dice - (0.0 if precision >= MINIMUM_PRECISION else 2.0)


def choose_threshold(
    predictions: Iterable[Prediction], minimum_area_mm2: float, by: OperatingPoint = "dice"
) -> tuple[float, float]:
    """Choose (outline threshold, seed threshold) of the best operating point, on validation cases only.

    Each case is used once, so that not all need to be in memory. Flagged cases are excluded, as in `evaluate_cases`.

    Args:
        predictions: predictions of validation cases.
        minimum_area_mm2: minimum area of a detection.
        by: "dice" maximises the pooled DSC. "lesions" maximises lesion F1 plus pooled DSC among the points with a
            pixel precision of at least MINIMUM_PRECISION (among all if there are none); of those within MERIT_TOLERANCE
            of the maximum, the one with the fewest false alarms is chosen.
    """
    points = operating_points(minimum_area_mm2, by)
    totals = [Counts() for _ in points]
    for _, counts in counts_at(predictions, points):
        totals = [total + own for total, own in zip(totals, counts, strict=True)]
    best = best_point(points, totals, by)[0]
    return round(best.threshold, 2), round(best.seed_threshold, 3)


def operating_points(minimum_area_mm2: float, by: OperatingPoint) -> list[Delineator]:
    """Return the candidates of `choose_threshold`."""
    return [
        Delineator(float(threshold), float(seed), minimum_area_mm2)
        for threshold in np.arange(0.2, 0.91, 0.05 if by == "dice" else 0.1)
        for seed in ((threshold, threshold + 0.1, threshold + 0.2) if by == "dice" else (threshold, *SEED_THRESHOLDS))
        if threshold <= seed <= SEED_THRESHOLDS[-1]
    ]


def counts_at(predictions: Iterable[Prediction], points: Sequence[Delineator]) -> Iterator[tuple[str, list[Counts]]]:
    """Yield (case, counts of both views at each operating point) of every case without a flag."""
    for crop, probabilities in predictions:
        if not crop.flags:
            yield (
                crop.case,
                [sum(count_case(crop, point(probabilities)).values(), start=Counts()) for point in points],
            )


def best_point(points: Sequence[Delineator], totals: Sequence[Counts], by: OperatingPoint) -> tuple[Delineator, float]:
    """Return the best operating point by its counts, and its merit; see `choose_threshold`."""
    merits = [_merit(total, by) for total in totals]
    best = max(range(len(points)), key=merits.__getitem__)
    if by == "lesions":
        equal = [index for index, merit in enumerate(merits) if merit >= merits[best] - MERIT_TOLERANCE]
        best = min(equal, key=lambda index: (totals[index].false_alarms, -merits[index]))
    return points[best], merits[best]
