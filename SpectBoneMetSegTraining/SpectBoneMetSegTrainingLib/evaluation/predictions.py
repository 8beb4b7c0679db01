"""Figures of a model on the crops of a data set."""

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
#: Of the pixels marked at an operating point chosen by lesions so many are right.
MINIMUM_PRECISION = 0.6
#: Probabilities that an area must reach somewhere, tried beside the outline's own; and which merits are as good.
SEED_THRESHOLDS, MERIT_TOLERANCE = (0.7, 0.8, 0.9, 0.95, 0.98, 0.99), 0.005

#: (rows, columns, inputs) of any size -> (rows, columns, outputs).
Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
#: A case and the probability (rows, columns) of every view that is judged.
Prediction = tuple[LabelledCrop, dict[ViewName, NDArray[np.float32]]]


class Delineator(Limits):
    """The limits that turn probabilities into marks, as in the reading pipeline."""

    @classmethod
    def of(cls, card: ModelCard) -> Delineator:
        """A model's own."""
        return cls(card.threshold, card.seed_threshold, card.minimum_area_mm2)

    def __call__(self, probabilities: dict[ViewName, NDArray[np.float32]]) -> dict[ViewName, NDArray[np.bool_]]:
        """{view: (rows, columns) bool} from {view: (rows, columns) probability}, anterior frame."""
        return {view: ids > 0 for view, ids in self.lesions(probabilities).views.items()}

    def lesions(self, probabilities: dict[ViewName, NDArray[np.float32]]) -> LesionMasks:
        """The lesions with their numbers, the same in all views."""
        first = next(iter(probabilities.values()))
        frame = PlanarView(np.zeros(first.shape, np.float32), (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM), "anterior")
        return lesion_masks(
            probabilities, self.threshold, self.minimum_area_mm2, frame, seed_threshold=self.seed_threshold
        )


class CasePrediction(NamedTuple):
    """What a network says of a case: the `Prediction`, and {view: (rows, columns) region classes}, {} without."""

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
    """Each case with all that a network says of its existing views.

    Args:
        answer: of an engine, `engines.Engine.predict_all`.
        region: to predict.
        level_region: whose level of counts the model knows, None for the same, as the reading pipeline takes it.
        true_regions: read what is known of the skeleton's regions, too.

    A model with the one output "union" is measured against the union of the views, as "anterior" (the frame of the
    sum).
    """
    for name in cases:
        crop = load_case(data, name, truth, region, regions=true_regions)
        known = None if level_region in (None, region) else load_case(data, name, truth, level_region)
        result = answer(inputs_of(crop, network, known))
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
    """Each case with its probability per existing view; as `predict_with_regions`, without the skeleton."""
    answers = predict_with_regions(
        data, cases, lambda inputs: NetworkOutput(predict(inputs), None), network, truth, region, level_region
    )
    return ((crop, probabilities) for crop, probabilities, _ in answers)


def inputs_of(crop: LabelledCrop, network: NetworkConfig, known: LabelledCrop | None = None) -> NDArray[np.float32]:
    """What a network is shown of a case, (rows, columns, inputs).

    Args:
        known: the case in the region whose level of counts the model knows, None for the same region.
    """
    scales = None if known is None else view_scales(*_both(known), network.scaling)
    return network_inputs(*_both(crop), network.inputs, network.scaling, scales)


def level_region_of(data: Data, cases: Iterable[str], card: ModelCard) -> Region:
    """Where a model takes its level of counts: where it was taught if these cases hold that, else in the thorax."""
    return card.trained_region if stored_region(data, cases) == "whole-body" else "thorax"


def _both(crop: LabelledCrop) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    return crop.counts.get("anterior"), crop.counts.get("posterior")


def union_of(crop: LabelledCrop) -> LabelledCrop:
    """The case as the sum of its views shows it: labels and lesions of both views in the anterior frame."""
    label = merge_labels(crop.labels.values())
    instances = np.concatenate(list(crop.instances.values()))
    lesions = [{**lesion, "labelled": {"anterior": any(lesion["labelled"].values())}} for lesion in crop.lesions]
    return LabelledCrop(crop.case, crop.counts, {"anterior": label}, {"anterior": instances}, lesions, crop.flags)


def as_union(prediction: Prediction) -> Prediction:
    """A prediction per view as one of the union: a pixel has the larger of its probabilities."""
    crop, probabilities = prediction
    largest: NDArray[np.float32] = np.stack(list(probabilities.values())).max(axis=0)
    return union_of(crop), {"anterior": largest}


def count_case(crop: LabelledCrop, marks: dict[ViewName, NDArray[np.bool_]]) -> dict[ViewName, Counts]:
    """Counts per view of one case."""
    return {
        view: compare(
            marks[view],
            crop.labels[view],
            crop.instances[view],
            {int(lesion["id"]) for lesion in crop.lesions if lesion["labelled"].get(view)},
        )
        for view in marks
    }


def evaluate_cases(predictions: Iterable[Prediction], delineator: Delineator) -> dict[str, Any]:
    """The figures of `metrics.by_view` at some limits."""
    return by_view((crop.flags, count_case(crop, delineator(probabilities))) for crop, probabilities in predictions)


def _merit(counts: Counts, by: OperatingPoint) -> float:
    """The larger the better; a figure that is undefined is none."""
    dice, precision, lesions = (
        0.0 if isnan(value) else float(value) for value in (counts.dice, counts.precision, counts.lesion_f1)
    )
    if by == "dice":
        return round(dice, 4)
    # Both lie between 0 and 1: what marks too many pixels wrongly comes behind all that does not.
    return lesions + dice - (0.0 if precision >= MINIMUM_PRECISION else 2.0)


def choose_threshold(
    predictions: Iterable[Prediction], minimum_area_mm2: float, by: OperatingPoint = "dice"
) -> tuple[float, float]:
    """(outline threshold, seed threshold) of the best operating point; to be called on validation cases only.

    Args:
        by: "dice" takes the best pooled Dice, "lesions" the best sum of lesion F1 and pooled Dice among those that mark
            at least MINIMUM_PRECISION of their pixels rightly (among all where none does), and of those that are within
            MERIT_TOLERANCE of it the one with the fewest false areas.

    Looks at each case once, so that not all need to be in memory. Flagged cases stay out, as in `evaluate_cases`.
    """
    points = operating_points(minimum_area_mm2, by)
    totals = [Counts() for _ in points]
    for _, counts in counts_at(predictions, points):
        totals = [total + own for total, own in zip(totals, counts, strict=True)]
    best = best_point(points, totals, by)[0]
    return round(best.threshold, 2), round(best.seed_threshold, 3)


def operating_points(minimum_area_mm2: float, by: OperatingPoint) -> list[Delineator]:
    """The limits among which `choose_threshold` chooses."""
    return [
        Delineator(float(threshold), float(seed), minimum_area_mm2)
        for threshold in np.arange(0.2, 0.91, 0.05 if by == "dice" else 0.1)
        for seed in ((threshold, threshold + 0.1, threshold + 0.2) if by == "dice" else (threshold, *SEED_THRESHOLDS))
        if threshold <= seed <= SEED_THRESHOLDS[-1]
    ]


def counts_at(predictions: Iterable[Prediction], points: Sequence[Delineator]) -> Iterator[tuple[str, list[Counts]]]:
    """(case, what both views add at each point) of every case without a flag."""
    for crop, probabilities in predictions:
        if not crop.flags:
            yield (
                crop.case,
                [sum(count_case(crop, point(probabilities)).values(), start=Counts()) for point in points],
            )


def best_point(points: Sequence[Delineator], totals: Sequence[Counts], by: OperatingPoint) -> tuple[Delineator, float]:
    """The best of some limits by what was counted at each, and its merit; see `choose_threshold`."""
    merits = [_merit(total, by) for total in totals]
    best = max(range(len(points)), key=merits.__getitem__)
    if by == "lesions":
        alike = [place for place, merit in enumerate(merits) if merit >= merits[best] - MERIT_TOLERANCE]
        best = min(alike, key=lambda place: (totals[place].false_alarms, -merits[place]))
    return points[best], merits[best]
