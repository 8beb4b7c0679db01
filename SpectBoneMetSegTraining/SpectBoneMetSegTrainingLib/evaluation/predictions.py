"""Figures of a model on the crops of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.lesions.delineation import LesionMasks, lesion_masks
from SpectBoneMetSegLib.lesions.model_result import Limits
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.inputs import network_inputs, view_scales
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, PlanarView, ViewName

from ..dataset.cases import LabelledCrop, Truth, load_case, merge_labels, region_held
from .metrics import Counts, compare

OperatingPoint = Literal["dice", "lesions"]
#: Of the pixels marked at an operating point chosen by lesions so many are right.
LEAST_PRECISION = 0.6
#: Probabilities that an area must reach somewhere, tried beside the outline's own; and which merits are as good.
SEEDS, ALIKE = (0.7, 0.8, 0.9, 0.95, 0.98, 0.99), 0.005

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


def predict_cases(
    folder: Path,
    cases: Iterable[str],
    predict: Predict,
    network: NetworkConfig,
    truth: Truth = "agreed",
    region: Region = "thorax",
    taught: Region | None = None,
) -> Iterator[Prediction]:
    """Each case with its probability per existing view.

    Args:
        region: to predict. taught: whose level of counts the model knows, None for the same, as the reading pipeline
            takes it.

    A model with the one output "union" is measured against the union of the views, as "anterior" (the frame of the
    sum).
    """
    for name in cases:
        crop = load_case(folder, name, truth, region)
        known = None if taught in (None, region) else load_case(folder, name, truth, taught)
        result = predict(inputs_of(crop, network, known))
        if network.outputs == ("union",):
            yield union_of(crop), {"anterior": result[..., 0]}
        else:
            yield crop, {view: result[..., network.outputs.index(view)] for view in crop.counts}


def inputs_of(crop: LabelledCrop, network: NetworkConfig, known: LabelledCrop | None = None) -> NDArray[np.float32]:
    """What a network is shown of a case, (rows, columns, inputs).

    Args:
        known: the case in the region whose level of counts the model knows, None for the same region.
    """
    scales = None if known is None else view_scales(*_both(known), network.scaling)
    return network_inputs(*_both(crop), network.inputs, network.scaling, scales)


def taught_region_in(data: Path, cases: Iterable[str], card: ModelCard) -> Region:
    """Where a model takes its level of counts: where it was taught if these cases hold that, else in the thorax."""
    return card.taught_region if region_held(data, cases) == "whole-body" else "thorax"


def _both(crop: LabelledCrop) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    return crop.counts.get("anterior"), crop.counts.get("posterior")


def union_of(crop: LabelledCrop) -> LabelledCrop:
    """The case as the sum of its views shows it: labels and lesions of both views in the anterior frame."""
    label = merge_labels(crop.labels.values())
    instances = np.concatenate(list(crop.instances.values()))
    lesions = [{**lesion, "labelled": {"anterior": any(lesion["labelled"].values())}} for lesion in crop.lesions]
    return LabelledCrop(crop.case, crop.counts, {"anterior": label}, {"anterior": instances}, lesions, crop.flags)


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
    """Pooled figures per view and over both, and false alarms on views without any lesion.

    Flagged cases (superscan, cold lesions) stay out of these; "flagged" has the same figures for every flag.
    """
    pooled = _Pool()
    flagged: dict[str, _Pool] = {}
    for crop, probabilities in predictions:
        counts = count_case(crop, delineator(probabilities))
        for flag in crop.flags:
            flagged.setdefault(flag, _Pool()).add(crop, counts)
        if not crop.flags:
            pooled.add(crop, counts)
    return {**pooled.summary(), "flagged": {flag: flagged[flag].summary() for flag in sorted(flagged)}}


def _merit(counts: Counts, by: OperatingPoint) -> float:
    """The larger the better; a figure that is undefined is none."""
    dice, precision = (0.0 if isnan(value) else value for value in (counts.dice, counts.precision))
    if by == "dice":
        return round(dice, 4)
    # Both lie between 0 and 1: what marks too many pixels wrongly comes behind all that does not.
    return counts.lesion_f1 + dice - (0.0 if precision >= LEAST_PRECISION else 2.0)


class _Pool:
    """Counts summed over cases."""

    def __init__(self) -> None:
        self._cases = 0
        self._total = {"anterior": Counts(), "posterior": Counts(), "negatives": Counts()}

    def add(self, crop: LabelledCrop, counts: dict[ViewName, Counts]) -> None:
        """Add one case; a view without any lesion, labelled or ignored, counts among the negatives too."""
        self._cases += 1
        for view, found in counts.items():
            self._total[view] += found
            if not crop.labels[view].any():
                self._total["negatives"] += found

    @property
    def both(self) -> Counts:
        """Of both views; of a union model only "anterior" has counts."""
        return self._total["anterior"] + self._total["posterior"]

    def summary(self) -> dict[str, Any]:
        """All figures, for cards and tables."""
        total = self._total
        return {
            "cases": self._cases,
            "both views": self.both.summary(),
            "anterior": total["anterior"].summary(),
            "posterior": total["posterior"].summary(),
            "views without any lesion": {
                "images": total["negatives"].images,
                "false_alarms_per_image": round(total["negatives"].false_alarms_per_image, 4),
            },
        }


def choose_threshold(
    predictions: Iterable[Prediction], minimum_area_mm2: float, by: OperatingPoint = "dice"
) -> tuple[float, float]:
    """(outline threshold, seed threshold) of the best operating point; to be called on validation cases only.

    Args:
        by: "dice" takes the best pooled Dice, "lesions" the best sum of lesion F1 and pooled Dice among those that mark
            at least LEAST_PRECISION of their pixels rightly (among all where none does), and of those that are within
            ALIKE of it the one with the fewest false areas.

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
        for seed in ((threshold, threshold + 0.1, threshold + 0.2) if by == "dice" else (threshold, *SEEDS))
        if threshold <= seed <= SEEDS[-1]
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
        alike = [place for place, merit in enumerate(merits) if merit >= merits[best] - ALIKE]
        best = min(alike, key=lambda place: (totals[place].false_alarms, -merits[place]))
    return points[best], merits[best]
