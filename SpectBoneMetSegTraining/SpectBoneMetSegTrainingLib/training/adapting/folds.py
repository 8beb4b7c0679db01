"""Stored predictions of held-out patients, by the models of the folds and by the parent model, and their counts."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.store import ModelFolder

from ...common.files import write_npz
from ...dataset.cases import load_case
from ...dataset.opened import Data
from ...evaluation.metrics import Counts
from ...evaluation.predictions import (
    Delineator,
    Prediction,
    counts_at,
    inputs_of,
    level_region_of,
    predict_cases,
    union_of,
)
from ..setup.config import TrainingConfig
from ..validation import single_image_predictor
from .mixing import Weights, mixed

if TYPE_CHECKING:
    import keras

__all__ = ["mixed_predictions", "parent_predictions", "stored_counts", "stored_predictions"]

Maps = dict[str, NDArray[np.float16]]

#: Entry of a file of counts with the digest of what was counted; no case has this name.
DIGEST = "digest of predictions and outlines"


def mixed_predictions(
    network: keras.Model,
    parent: Weights,
    share: float,
    data: Data,
    cases: Sequence[str],
    path: Path,
    config: TrainingConfig,
) -> None:
    """Predict cases with a mixture of a trained network and its parent, and store the result, unless it exists.

    Args:
        network: the trained network; its weights stay as they are.
        parent: weights of the parent model.
        share: share of the trained weights, see `mixing.mixed`.
        data: data set.
        cases: names of the cases.
        path: file to write, as a whole or not at all.
        config: options of the training.
    """
    if path.exists():
        return
    trained = network.get_weights()
    network.set_weights(mixed(parent, trained, share))
    predict = single_image_predictor(network, config.network)
    crops = (load_case(data, case, region=config.region) for case in cases)
    write_npz(path, {crop.case: predict(inputs_of(crop, config.network)).astype(np.float16) for crop in crops})
    network.set_weights(trained)


def stored_predictions(
    paths: Iterable[Path], data: Data, network: NetworkConfig, region: Region, wanted: Container[str] | None = None
) -> Iterator[Prediction]:
    """Yield stored predictions of the cases `wanted` (None: all), as `predictions.predict_cases` does."""
    for path in paths:
        with np.load(path, allow_pickle=False) as saved:
            for case in saved.files if wanted is None else [case for case in saved.files if case in wanted]:
                crop, maps = load_case(data, case, region=region), saved[case].astype(np.float32)
                if network.outputs == ("union",):
                    yield union_of(crop), {"anterior": maps[..., 0]}
                else:
                    yield crop, {view: maps[..., network.outputs.index(view)] for view in crop.counts}


def stored_counts(
    path: Path, data: Data, network: NetworkConfig, region: Region, points: Sequence[Delineator]
) -> dict[str, list[Counts]]:
    """Return {case: counts at each operating point} of stored predictions, without flagged cases.

    Counting takes minutes, so the counts are stored beside the predictions, and counted anew only if the predictions,
    the outlines or the operating points have changed.

    Args:
        path: file of the predictions.
        data: data set.
        network: configuration of the network that predicted.
        region: region of the predictions.
        points: operating points.
    """
    target, digest = path.with_suffix(".counts.npz"), _digest(path, data, region, points)
    if target.exists():
        with np.load(target, allow_pickle=False) as saved:
            if str(saved[DIGEST]) == digest:
                cases = [name for name in saved.files if name != DIGEST]
                return {case: [Counts(*row) for row in saved[case].tolist()] for case in cases}
    table = dict(counts_at(stored_predictions([path], data, network, region), points))
    arrays = {case: np.array([astuple(each) for each in counts], np.int64) for case, counts in table.items()}
    write_npz(target, {**arrays, DIGEST: np.array(digest)})
    return table


def _digest(path: Path, data: Data, region: Region, points: Sequence[Delineator]) -> str:
    """Return the SHA-256 of predictions, of the outlines of their cases, and of operating points."""
    digest = hashlib.sha256(f"{sha256_of(path)} {region} {points}".encode())
    with np.load(path, allow_pickle=False) as saved:
        cases = saved.files
    for case in cases:
        crop = load_case(data, case, region=region)
        digest.update(f"{case} {crop.flags} {crop.lesions}".encode())
        for view in sorted(crop.labels):
            for pixels in (crop.labels[view], crop.instances[view]):
                digest.update(f"{view} {pixels.shape}".encode() + pixels.tobytes())
    return digest.hexdigest()


def parent_predictions(parent: ModelFolder, data: Data, cases: Sequence[str], path: Path, region: Region) -> None:
    """Predict all cases with the parent model and store the result in a file, unless it exists."""
    if path.exists():
        return
    engine, network = load_engine(parent, "auto", "auto"), parent.card.network
    level_region = level_region_of(data, cases, parent.card)
    maps: Maps = {}
    predictions = predict_cases(data, cases, engine.predict, network, region=region, level_region=level_region)
    for crop, probabilities in predictions:
        empty = np.zeros_like(next(iter(probabilities.values())))
        stack = [probabilities.get("anterior" if name == "union" else name, empty) for name in network.outputs]
        maps[crop.case] = np.stack(stack, -1).astype(np.float16)
    write_npz(path, maps)
