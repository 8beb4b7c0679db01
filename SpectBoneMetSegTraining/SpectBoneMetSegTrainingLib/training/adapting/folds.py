"""Stored predictions of held-out patients, by the models of the folds and by the parent model."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.engines import load_engine
from SpectBoneMetSegLib.model.store import ModelFolder

from ...common.files import write_npz
from ...dataset.cases import LabelledCrop, load_case
from ...dataset.opened import Data
from ...evaluation.predictions import Prediction, level_region_of, predict_cases, union_of
from ..validation import CasePredictor

__all__ = ["ValidationRecorder", "parent_predictions", "stored_predictions"]

Maps = dict[str, NDArray[np.float16]]


class ValidationRecorder:
    """Store the predictions of the held-out patients at every validation (a `trainer.ValidationCallback`)."""

    def __init__(self, folder: Path, cases: Sequence[str]) -> None:
        self._folder, self._cases = folder, cases

    def __call__(self, step: int, dice: float, predict: CasePredictor, load: Callable[[str], LabelledCrop]) -> None:
        """Write FOLDER/<step>.npz, as a whole or not at all."""
        maps = {case: predict(load(case)).astype(np.float16) for case in self._cases}
        write_npz(self._folder / f"{step}.npz", maps)


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
