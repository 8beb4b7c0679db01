"""Looks at the validation patients during a training, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.backend import probabilities
from SpectBoneMetSegLib.model.config import NetworkConfig, pooling_divisor
from SpectBoneMetSegLib.model.inputs import network_inputs

from ..dataset.cases import LabelledCrop
from .sampling.patches import target_channels

if TYPE_CHECKING:
    import keras

THRESHOLD = 0.5

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def pooled_dice(predict: Predict, crops: Iterable[LabelledCrop], network: NetworkConfig) -> float:
    """Dice of probability >= THRESHOLD over all pixels that are judged, of all cases and outputs together.

    NaN without a lesion in the truth: there is nothing to measure.

    Args:
        predict: (1, rows, columns, inputs) -> (1, rows, columns, outputs). crops: whole cases, one after the other.
        network: names the channels.
    """
    hit = marked = true = 0.0
    for crop in crops:
        label, weight = target_channels(crop, network.outputs)
        mark = (predict_whole(predict, crop, network) >= THRESHOLD) * weight
        hit += float((mark * label).sum())
        marked += float(mark.sum())
        true += float((label * weight).sum())
    return 2 * hit / (marked + true) if true else float("nan")


def predict_whole(predict: Predict, crop: LabelledCrop, network: NetworkConfig) -> NDArray[np.float32]:
    """(rows, columns, outputs) probabilities of a whole case, filled up to what the pooling divides meanwhile."""
    inputs = network_inputs(crop.counts.get("anterior"), crop.counts.get("posterior"), network.inputs, network.scaling)
    return _padded(predict, inputs, network)


def image_by_image(network: keras.Model, config: NetworkConfig) -> Predict:
    """What a network says of one image: (rows, columns, inputs) of any size -> (rows, columns, outputs)."""
    predict = probabilities(network)
    return lambda inputs: _padded(predict, inputs, config)


def _padded(predict: Predict, inputs: NDArray[np.float32], network: NetworkConfig) -> NDArray[np.float32]:
    rows, columns = inputs.shape[:2]
    missing = [(0, -side % pooling_divisor(network)) for side in (rows, columns)]
    return np.asarray(predict(np.pad(inputs, [*missing, (0, 0)])[None]))[0, :rows, :columns]


class BestSoFar:
    """The best look at the validation patients, and how many looks ago it was."""

    def __init__(self, score: float = -1.0, looks_since: int = 0) -> None:
        self.score = score
        self.looks_since = looks_since

    def see(self, score: float) -> bool:
        """Note a look; True if it is the best."""
        better = score > self.score
        self.score = max(score, self.score)
        self.looks_since = 0 if better else self.looks_since + 1
        return better

    def enough(self, patience: int) -> bool:
        """Whether `patience` looks in a row brought nothing; never for 0."""
        return 0 < patience <= self.looks_since
