"""Validation during training: whole-case predictions, pooled DSC and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.backend import probabilities
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.inputs import pad_to_divisor

from ..dataset.cases import LabelledCrop
from ..evaluation.predictions import Predict, inputs_of
from .sampling.patches import target_channels

if TYPE_CHECKING:
    import keras

#: A pixel is predicted lesion from this probability on.
THRESHOLD = 0.5

#: A case -> (rows, columns, outputs) probability map.
CasePredictor = Callable[[LabelledCrop], NDArray[np.float32]]
#: Memory for the predictions of one validation: about 100 scans of the whole body.
PREDICTION_CACHE_BYTES = 2**28


def pooled_dice(predict: CasePredictor, crops: Iterable[LabelledCrop], network: NetworkConfig) -> float:
    """Compute the Dice of probability >= THRESHOLD, pooled over the valid pixels of all cases and outputs.

    NaN if no lesion is labelled: there is nothing to measure.

    Args:
        predict: returns the probability map of a case.
        crops: whole cases, one after the other.
        network: names the channels.
    """
    overlap = predicted = true = 0.0
    for crop in crops:
        label, weight = target_channels(crop, network.outputs)
        mask = (predict(crop) >= THRESHOLD) * weight
        overlap += float((mask * label).sum())
        predicted += float(mask.sum())
        true += float((label * weight).sum())
    return 2 * overlap / (predicted + true) if true else float("nan")


class CachedPredictions:
    """A `CasePredictor` that predicts every case once and keeps the result, up to PREDICTION_CACHE_BYTES in all."""

    def __init__(self, predict: Predict, network: NetworkConfig) -> None:
        """Start with an empty cache; the weights must not change while it is in use."""
        self._predict, self._network = predict, network
        self._cache: dict[str, NDArray[np.float32]] = {}
        self._bytes = 0

    def __call__(self, crop: LabelledCrop) -> NDArray[np.float32]:
        """Return the (rows, columns, outputs) probability map of a case."""
        if crop.case in self._cache:
            return self._cache[crop.case]
        prediction = self._predict(inputs_of(crop, self._network))
        self._bytes += prediction.nbytes
        if self._bytes <= PREDICTION_CACHE_BYTES:
            self._cache[crop.case] = prediction
        return prediction


def single_image_predictor(network: keras.Model, config: NetworkConfig) -> Predict:
    """Return a function that predicts one image of any size: it pads it for the pooling, and crops the result."""
    predict = probabilities(network)

    def of_image(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        rows, columns = inputs.shape[:2]
        return np.asarray(predict(pad_to_divisor(inputs, config)[None]))[0, :rows, :columns]

    return of_image


class EarlyStopping:
    """Track the best validation score, and stop after `patience` validations without improvement.

    Attributes:
        score: best validation score so far.
        validations_since: number of validations since then, without improvement.
    """

    def __init__(self, score: float = -1.0, validations_since: int = 0) -> None:
        self.score = score
        self.validations_since = validations_since

    def update(self, score: float) -> bool:
        """Record the score of a validation; return whether it is the best so far."""
        better = score > self.score
        self.score = max(score, self.score)
        self.validations_since = 0 if better else self.validations_since + 1
        return better

    def should_stop(self, patience: int) -> bool:
        """Whether `patience` validations in a row brought no improvement; never for 0."""
        return 0 < patience <= self.validations_since
