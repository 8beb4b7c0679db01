"""Active learning: rank unlabelled scans by the model's uncertainty and by their novelty.

Uncertainty is the entropy of the probability map, averaged over the scan and its mirror image (test-time augmentation)
and summed over the body, as an area in cm2. It grows with every lesion whose outline or existence is uncertain. Novelty
is the distance in feature space to the nearest scan that is labelled or ranked higher. Features are the coarsest
activations of the network, averaged over the body and over the uncertain pixels. Scans are chosen one after the other
by the product of both: greedy k-centre (Sener & Savarese 2018) among uncertain scans (Yang et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.backend import inference, use_backend
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.inputs import pad_to_divisor
from SpectBoneMetSegLib.model.store import ModelFolder, load_network
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM

from ..dataset.body import body_of
from ..dataset.budgets import patients_of
from ..dataset.cases import LabelledCrop, cases_of, load_case
from ..dataset.opened import Data, opened
from ..evaluation.predictions import inputs_of, level_region_of

if TYPE_CHECKING:
    import keras

Array = NDArray[np.float64]

#: Area in cm2 of one pixel of the reference grid.
PIXEL_CM2 = REFERENCE_SPACING_MM**2 / 100
#: At most this many labelled scans are compared with, spread evenly over all of them; more only cost time.
KNOWN_SCANS = 200
#: Novelty from which a scan counts as unlike, and as somewhat unlike, the others.
UNLIKE, SOMEWHAT = 2 / 3, 1 / 3


@dataclass(frozen=True)
class RankedScan:
    """An unlabelled scan with its rank's reasons.

    Attributes:
        case: name of the case in the data set.
        patient: name of the patient in the data set.
        unsure_cm2: uncertain area (summed entropy) in cm2, all views together.
        novelty: 0 to 1, distance to the nearest scan that is labelled or ranked higher.
        reason: one sentence that explains the rank.
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
    """Rank scans by how useful their labels would be for training, the most useful first.

    Scans are ranked in the region that the model was trained on if the data set holds it, otherwise in the thorax.

    Args:
        model: the model trained so far.
        data: data set; its labelled training cases count as known.
        cases: names of the scans to rank; None for all unlabelled ones.
        progress: called with the number of scans processed and their total.

    Raises:
        UserError: not a data set, or an unreadable case.
    """
    data = opened(data)
    wanted = list(cases_of(data, "unlabelled") if cases is None else cases)
    if not wanted:
        return []
    known = [case for case in cases_of(data, "train") if case not in set(wanted)]
    known = known[:: -(-len(known) // KNOWN_SCANS) or 1]
    region = level_region_of(data, [*wanted, *known], model.card)
    use_backend()
    estimate = UncertaintyEstimator(load_network(model), model.card.network)
    estimates = []
    for number, case in enumerate([*wanted, *known], start=1):
        estimates.append(estimate(load_case(data, case, region=region)))
        if progress:
            progress(number, len(wanted) + len(known))
    uncertainty = np.array([area for area, _ in estimates[: len(wanted)]])
    features = standardised(np.stack([values for _, values in estimates]))
    patients = patients_of(data)
    order = greedy_order(uncertainty, features[: len(wanted)], features[len(wanted) :])
    return [
        RankedScan(
            wanted[index],
            patients.get(wanted[index], wanted[index]),
            round(float(uncertainty[index]), 2),
            round(novelty, 3),
            _reason(
                float(uncertainty[index]),
                float((uncertainty < uncertainty[index]).mean()),
                novelty,
                compared=bool(known) or rank > 0,
            ),
        )
        for rank, (index, novelty) in enumerate(order)
    ]


def greedy_order(uncertainty: Array, features: Array, known: Array) -> list[tuple[int, float]]:
    """Order scans greedily by the product of uncertainty and distance to the known and already chosen scans.

    Args:
        uncertainty: (n,), not negative.
        features: (n, d).
        known: (m, d), features of labelled scans; m may be 0.

    Returns:
        (index, novelty) of every scan once; novelty is its distance when it was chosen, as a share of the largest
        distance at the start.
    """
    nearest = np.full(len(features), np.inf)
    for labelled in known:
        nearest = np.minimum(nearest, np.linalg.norm(features - labelled, axis=1))
    if not len(known):
        # No scan to compare with: the first one is chosen by its uncertainty alone.
        nearest[:] = np.linalg.norm(features - features.mean(axis=0), axis=1).max(initial=0.0)
    largest = float(nearest.max(initial=0.0)) or 1.0
    left = np.ones(len(features), bool)
    chosen: list[tuple[int, float]] = []
    for _ in range(len(features)):
        # Identical scans are still ordered by uncertainty, and certain ones by novelty.
        utility = (uncertainty + 1e-9) * (nearest / largest + 1e-9)
        index = int(np.argmax(np.where(left, utility, -1.0)))
        chosen.append((index, min(1.0, float(nearest[index] / largest))))
        left[index] = False
        nearest = np.minimum(nearest, np.linalg.norm(features - features[index], axis=1))
    return chosen


def standardised(features: Array) -> Array:
    """Standardise the columns of (n, d) to mean 0 and deviation 1, and divide by sqrt(d): distances are of order 1."""
    spread = features.std(axis=0)
    return np.asarray(
        (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1.0) / np.sqrt(features.shape[1])
    )


class UncertaintyEstimator:
    """Compute the uncertain area and the features of a scan with a trained network."""

    def __init__(self, network: keras.Model, config: NetworkConfig) -> None:
        import keras
        from SpectBoneMetSegLib.model.architecture import coarsest_features

        both = keras.Model(network.input, [network.outputs[0], coarsest_features(network, config)])
        self._run = inference(both)
        self._config = config

    def __call__(self, crop: LabelledCrop) -> tuple[float, Array]:
        """Return (uncertain area in cm2, (2 x channels,) features) of a scan."""
        inputs = inputs_of(crop, self._config)
        rows, columns = inputs.shape[:2]
        # Both views share one frame, so they are mirrored together.
        pair = [pad_to_divisor(image, self._config) for image in (inputs, inputs[:, ::-1])]
        outputs, coarse = (np.asarray(value, np.float64) for value in self._run(np.stack(pair)))
        mean = (outputs[0, :rows, :columns] + outputs[1, :rows, :columns][:, ::-1]) / 2
        shown = [i for i, name in enumerate(self._config.outputs) if name == "union" or name in crop.counts]
        body = body_of(np.sum(list(crop.counts.values()), axis=0))
        uncertainty = entropy(mean[..., shown]).sum(axis=-1) * body
        masks = pad_to_divisor(np.stack([body, uncertainty], axis=-1), self._config)
        weights = _block_sums(masks, masks.shape[0] // coarse.shape[1])
        features = [_mean(coarse[0], weights[..., i]) for i in (0, 1)]
        return float(uncertainty.sum()) * PIXEL_CM2, np.concatenate(features)


def entropy(probability: Array) -> Array:
    """Binary entropy in bits: 0 where the prediction is certain, 1 at a probability of one half."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def _block_sums(image: Array, side: int) -> Array:
    rows, columns, channels = image.shape
    return image.reshape(rows // side, side, columns // side, side, channels).sum(axis=(1, 3))


def _mean(coarse: Array, weights: Array) -> Array:
    total = weights.sum()
    return (coarse * weights[..., None]).sum(axis=(0, 1)) / total if total > 0 else coarse.mean(axis=(0, 1))


def _reason(uncertain: float, share: float, novelty: float, *, compared: bool) -> str:
    text = f"Uncertain over {uncertain:.1f} cm2, more than in {share:.0%} of the scans"
    if not compared:
        return f"{text}."
    likeness = "unlike" if novelty >= UNLIKE else "somewhat unlike" if novelty >= SOMEWHAT else "like"
    return f"{text}; {likeness} those that are labelled or ranked higher."
