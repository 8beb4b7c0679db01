"""Looks at the validation patients during a training, and what follows from them."""

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

THRESHOLD = 0.5

#: (images, rows, columns, inputs), whose size the pooling divides -> (images, rows, columns, outputs).
PredictBatch = Callable[[NDArray[np.float32]], NDArray[np.float32]]
#: A case -> (rows, columns, outputs) probabilities.
CasePredictor = Callable[[LabelledCrop], NDArray[np.float32]]
#: Of what is said at one look so much is kept in memory: about 100 scans of the whole body.
PREDICTION_CACHE_BYTES = 2**28


def pooled_dice(says: CasePredictor, crops: Iterable[LabelledCrop], network: NetworkConfig) -> float:
    """Dice of probability >= THRESHOLD over all pixels that are judged, of all cases and outputs together.

    NaN without a lesion in the truth: there is nothing to measure.

    Args:
        crops: whole cases, one after the other.
        network: names the channels.
    """
    hit = marked = true = 0.0
    for crop in crops:
        label, weight = target_channels(crop, network.outputs)
        mark = (says(crop) >= THRESHOLD) * weight
        hit += float((mark * label).sum())
        marked += float(mark.sum())
        true += float((label * weight).sum())
    return 2 * hit / (marked + true) if true else float("nan")


class CachedPredictions:
    """A `CasePredictor` that predicts every case once and keeps the result, up to PREDICTION_CACHE_BYTES in all."""

    def __init__(self, predict: PredictBatch, network: NetworkConfig) -> None:
        """Nothing is asked yet; the network must not learn while this is asked."""
        self._predict, self._network = predict, network
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._bytes = 0

    def __call__(self, crop: LabelledCrop) -> NDArray[np.float32]:
        """(rows, columns, outputs) probabilities."""
        if crop.case in self._kept:
            return self._kept[crop.case]
        said = predict_whole(self._predict, crop, self._network)
        self._bytes += said.nbytes
        if self._bytes <= PREDICTION_CACHE_BYTES:
            self._kept[crop.case] = said
        return said


def predict_whole(predict: PredictBatch, crop: LabelledCrop, network: NetworkConfig) -> NDArray[np.float32]:
    """(rows, columns, outputs) probabilities of a whole case, filled up to what the pooling divides meanwhile."""
    return _whole(predict, inputs_of(crop, network), network)


def single_image_predictor(network: keras.Model, config: NetworkConfig) -> Predict:
    """What a network says of one image."""
    predict = probabilities(network)
    return lambda inputs: _whole(predict, inputs, config)


def _whole(predict: PredictBatch, inputs: NDArray[np.float32], network: NetworkConfig) -> NDArray[np.float32]:
    rows, columns = inputs.shape[:2]
    return np.asarray(predict(pad_to_divisor(inputs, network)[None]))[0, :rows, :columns]


class EarlyStopping:
    """The best look at the validation patients, and how many looks ago it was."""

    def __init__(self, score: float = -1.0, validations_since: int = 0) -> None:
        self.score = score
        self.validations_since = validations_since

    def update(self, score: float) -> bool:
        """Note a look; True if it is the best."""
        better = score > self.score
        self.score = max(score, self.score)
        self.validations_since = 0 if better else self.validations_since + 1
        return better

    def should_stop(self, patience: int) -> bool:
        """Whether `patience` looks in a row brought nothing; never for 0."""
        return 0 < patience <= self.validations_since
