"""Which scan to label next: those a model is unsure about, and unlike those that are labelled or chosen already.

How unsure: the entropy of the probability, averaged over the scan and its mirror image, summed over the body, as an
area; it grows with every lesion whose outline or existence is doubtful. How unlike: the distance between what the
coarsest layer of the network sees, averaged over the body and over what is doubtful. Chosen one after the other by the
product of both: greedy k-centre (Sener & Savarese 2018) among what is uncertain (Yang et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.backend import inference, use_backend
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.inputs import pad_to_divisor
from SpectBoneMetSegLib.model.store import ModelFolder, load_network
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM

from ..dataset.body import body_of
from ..dataset.budgets import patients_of
from ..dataset.cases import LabelledCrop, cases_of, load_case
from ..dataset.opened import Data, opened
from ..evaluation.predictions import inputs_of

if TYPE_CHECKING:
    import keras

Array = NDArray[np.float64]

#: cm2 of one pixel of the reference grid.
PIXEL_CM2 = REFERENCE_SPACING_MM**2 / 100
#: Labelled scans that are looked at, spread over all of them; more only cost time.
KNOWN_SCANS = 200
#: Share of the largest distance from which a scan counts as unlike, and as somewhat unlike, the others.
UNLIKE, SOMEWHAT = 2 / 3, 1 / 3


@dataclass(frozen=True)
class RankedScan:
    """A scan that could be labelled.

    Attributes:
        case: name in the data set.
        patient: likewise.
        unsure_cm2: area of doubt, all views together.
        novelty: 0 to 1, distance to the nearest labelled or better scan.
        reason: one sentence why it stands where it stands.
    """

    case: str
    patient: str
    unsure_cm2: float
    novelty: float
    reason: str


def rank_scans(
    model: ModelFolder,
    data: Data,
    cases: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[RankedScan]:
    """Order scans by what their label would teach, the most useful first.

    Args:
        model: what has been learnt so far.
        data: data set; its labelled training cases count as known.
        cases: which scans; None for all unlabelled ones.
        progress: called with scans looked at and their number.

    Raises:
        UserError: not a data set, an unreadable case, or a model without the paper's network.
    """
    if model.card.network.architecture != "recurrent":
        raise UserError(f"{model.card.name} is a plain U-Net, which ranks nothing; choose another model.")
    data = opened(data)
    wanted = list(cases_of(data, "unlabelled") if cases is None else cases)
    if not wanted:
        return []
    known = [case for case in cases_of(data, "train") if case not in set(wanted)]
    known = known[:: -(-len(known) // KNOWN_SCANS) or 1]
    use_backend()
    look = UncertaintyEstimator(load_network(model), model.card.network)
    seen = []
    for number, case in enumerate([*wanted, *known], start=1):
        seen.append(look(load_case(data, case)))
        if progress:
            progress(number, len(wanted) + len(known))
    unsure = np.array([one for one, _ in seen[: len(wanted)]])
    features = standardised(np.stack([values for _, values in seen]))
    patients = patients_of(data)
    return [
        RankedScan(
            wanted[place],
            patients.get(wanted[place], wanted[place]),
            round(float(unsure[place]), 2),
            round(novelty, 3),
            _reason(float(unsure[place]), float((unsure < unsure[place]).mean()), novelty, bool(known) or rank > 0),
        )
        for rank, (place, novelty) in enumerate(greedy_order(unsure, features[: len(wanted)], features[len(wanted) :]))
    ]


def greedy_order(unsure: Array, features: Array, known: Array) -> list[tuple[int, float]]:
    """Greedy order of scans: each time the largest product of doubt and distance to what is known or chosen.

    Args:
        unsure: (n,) not negative.
        features: (n, d).
        known: (m, d) of labelled scans, m may be 0.

    Returns:
        (place, novelty) of every scan once; novelty is its distance when it was chosen, as a share of the largest
        distance there was at first.
    """
    nearest = np.full(len(features), np.inf)
    for one in known:
        nearest = np.minimum(nearest, np.linalg.norm(features - one, axis=1))
    if not len(known):
        # Nothing to be unlike: the first one is chosen by its doubt alone.
        nearest[:] = np.linalg.norm(features - features.mean(axis=0), axis=1).max(initial=0.0)
    largest = float(nearest.max(initial=0.0)) or 1.0
    left = np.ones(len(features), bool)
    chosen: list[tuple[int, float]] = []
    for _ in range(len(features)):
        # What differs in nothing is still ordered by doubt, and what is sure by its novelty.
        worth = (unsure + 1e-9) * (nearest / largest + 1e-9)
        place = int(np.argmax(np.where(left, worth, -1.0)))
        chosen.append((place, min(1.0, float(nearest[place] / largest))))
        left[place] = False
        nearest = np.minimum(nearest, np.linalg.norm(features - features[place], axis=1))
    return chosen


def standardised(features: Array) -> Array:
    """(n, d) with mean 0 and spread 1 in every column that varies, over sqrt(d): distances are of order 1."""
    spread = features.std(axis=0)
    return np.asarray(
        (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0) / np.sqrt(features.shape[1])
    )


class UncertaintyEstimator:
    """What a network makes of a scan: how unsure it is, and what it sees."""

    def __init__(self, network: keras.Model, config: NetworkConfig) -> None:
        import keras
        from SpectBoneMetSegLib.model.layers import BilinearUpsampling

        # One for each way back of the recurrence, and then the first of the way up: it takes the coarsest features.
        ups = [layer for layer in network.layers if isinstance(layer, BilinearUpsampling)]
        both = keras.Model(network.input, [network.output, ups[config.recurrent_steps - 1].input])
        self._run = inference(both)
        self._config = config

    def __call__(self, crop: LabelledCrop) -> tuple[float, Array]:
        """(area of doubt in cm2, (2 x channels,) features) of a scan."""
        inputs = inputs_of(crop, self._config)
        rows, columns = inputs.shape[:2]
        # Both views lie in one frame, so that they are mirrored together.
        pair = [pad_to_divisor(one, self._config) for one in (inputs, inputs[:, ::-1])]
        outputs, coarse = (np.asarray(value, np.float64) for value in self._run(np.stack(pair)))
        mean = (outputs[0, :rows, :columns] + outputs[1, :rows, :columns][:, ::-1]) / 2
        shown = [i for i, name in enumerate(self._config.outputs) if name == "union" or name in crop.counts]
        body = body_of(np.sum(list(crop.counts.values()), axis=0))
        doubt = entropy(mean[..., shown]).sum(axis=-1) * body
        seen = pad_to_divisor(np.stack([body, doubt], axis=-1), self._config)
        weights = _block_sums(seen, seen.shape[0] // coarse.shape[1])
        features = [_mean(coarse[0], weights[..., i]) for i in (0, 1)]
        return float(doubt.sum()) * PIXEL_CM2, np.concatenate(features)


def entropy(probability: Array) -> Array:
    """Of a yes or no, in bits: 0 where it is sure, 1 at a probability of one half."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def _block_sums(image: Array, side: int) -> Array:
    rows, columns, channels = image.shape
    return image.reshape(rows // side, side, columns // side, side, channels).sum(axis=(1, 3))


def _mean(coarse: Array, weights: Array) -> Array:
    total = weights.sum()
    return (coarse * weights[..., None]).sum(axis=(0, 1)) / total if total > 0 else coarse.mean(axis=(0, 1))


def _reason(unsure: float, share: float, novelty: float, compared: bool) -> str:
    words = f"Unsure over {unsure:.1f} cm2, more than in {share:.0%} of the scans"
    if not compared:
        return f"{words}."
    likeness = "unlike" if novelty >= UNLIKE else "somewhat unlike" if novelty >= SOMEWHAT else "like"
    return f"{words}; {likeness} those that are labelled or stand before it."
