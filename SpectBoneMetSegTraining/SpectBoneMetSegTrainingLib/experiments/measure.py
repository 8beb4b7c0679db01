"""Evaluation of a trained network on the development test: predictions, metrics, masks for the pictures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.scan.planar import ViewName

from ..dataset.cases import LabelledCrop, load_case
from ..dataset.opened import Data
from ..evaluation.predictions import Delineator, Predict, Prediction, as_union, inputs_of, predict_cases
from ..evaluation.report import full_report
from ..evaluation.scores import CaseScores, score_cases
from ..training.outcome.operating_point import MINIMUM_AREA_MM2
from .compact_scores import to_record

Probability = NDArray[np.float32]
Predictions = list[Prediction]

#: Probability from which a pixel is lesion, the same for every method.
THRESHOLD = 0.5
DELINEATOR = Delineator(THRESHOLD, THRESHOLD, MINIMUM_AREA_MM2)
#: Number of images whose prediction is timed.
TIMED = 20


def predictions_of(data: Data, cases: Iterable[str], predict: Predict, network: NetworkConfig) -> Iterator[Prediction]:
    """Predict the probability maps of cases.

    A network with "anterior" as its only input and output is applied to every view separately.

    Yields:
        Case and {view: probability}; of a "union" network the view "anterior" with the ground truth of the union.
    """
    if (network.inputs, network.outputs) != (("anterior",), ("anterior",)):
        yield from predict_cases(data, cases, predict, network)
        return
    for name in cases:
        crop = load_case(data, name)
        yield crop, {view: predict(inputs_of(_alone(crop, view), network))[..., 0] for view in crop.counts}


def _alone(crop: LabelledCrop, view: ViewName) -> LabelledCrop:
    """Return the case with the counts of one view as its anterior view."""
    return replace(crop, counts={"anterior": crop.counts[view]})


def metrics_of(
    predictions: Predictions, patients: Mapping[str, str], *, per_view: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Compute the full reports and the compact scores of "views" and "union"; a union network has no "views"."""
    union = [as_union(one) for one in predictions] if per_view else predictions
    sets = {"views": predictions, "union": union} if per_view else {"union": union}
    reports, scores = {}, {}
    for name, chosen in sets.items():
        cases: Sequence[CaseScores] = score_cases(chosen, DELINEATOR, patients)
        report = full_report(cases)
        reports[name] = {key: _rounded(value) for key, value in report.items()}
        scores[name] = to_record(cases)
    return reports, scores


def _rounded(value: float | int) -> float | int | None:
    if isinstance(value, int):
        return value
    return round(value, 5) if np.isfinite(value) else None


def masks_of(predictions: Predictions, cases: Sequence[str], *, per_view: bool) -> dict[str, NDArray[np.uint8]]:
    """Return {"case|view": packed bits of the predicted mask} of the cases for the pictures, with view "union"."""
    masks: dict[str, NDArray[np.uint8]] = {}
    for crop, probabilities in predictions:
        if crop.case not in cases:
            continue
        predicted = DELINEATOR(probabilities)
        masks |= {f"{crop.case}|{view}": np.packbits(mask) for view, mask in predicted.items() if per_view}
        masks[f"{crop.case}|union"] = np.packbits(np.any(list(predicted.values()), axis=0))
    return masks


def seconds_per_image(predict: Predict, network: NetworkConfig, side: int = 256) -> float:
    """Measure the median seconds per image of the paper's size (256 x 256), after a first prediction."""
    image = np.random.default_rng(0).random((side, side, len(network.inputs)), dtype=np.float32)
    predict(image)
    times = []
    for _ in range(TIMED):
        started = time.perf_counter()
        predict(image)
        times.append(time.perf_counter() - started)
    return float(np.median(times))
