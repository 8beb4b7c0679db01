"""Evaluation of a model case by case, in this process or on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.engines import DeviceName, NetworkOutput, load_engine
from SpectBoneMetSegLib.model.store import ModelFolder, read_model

from ..common.parallel import parallel_map
from ..dataset.budgets import patients_of
from ..dataset.cases import Truth
from ..dataset.opened import DataSet
from .confidence_metrics import ScanDetections, masks_and_detections
from .predictions import Delineator, predict_with_regions
from .region_overlap import Confusion, confusion
from .scores import CaseScores, score_case

__all__ = ["CaseResult", "EvaluationRequest", "evaluate_each"]


@dataclass(frozen=True)
class EvaluationRequest:
    """How to evaluate.

    Attributes:
        device: as in `engines.load_engine`.
        truth: as in `predictions.predict_with_regions`.
        region: region of the body to evaluate in.
        level_region: region whose count level the model was trained with.
    """

    device: DeviceName
    truth: Truth
    region: Region
    level_region: Region


class CaseResult(NamedTuple):
    """Evaluation of a case.

    Attributes:
        scores: its sums.
        detections: detections with confidence; none for a model without.
        confusions: of the skeleton's regions, one per view with known regions.
    """

    scores: CaseScores
    detections: list[ScanDetections]
    confusions: list[Confusion]


#: A data set, the patient of each of its cases, a model and its prediction function.
_Loaded = tuple[DataSet, dict[str, str], ModelFolder, Callable[[NDArray[np.float32]], NetworkOutput]]


def evaluate_each(
    data: DataSet, model: ModelFolder, request: EvaluationRequest, cases: Sequence[str], scheduler: str | None = None
) -> Iterator[CaseResult]:
    """Yield the evaluation of every case, in order.

    Args:
        data: the data set; on a cluster every worker opens its folder.
        model: the model; on a cluster every worker loads its folder.
        request: how to evaluate.
        cases: names of the cases.
        scheduler: address of a Dask scheduler; None for this process.

    Raises:
        UserError: a file is missing or unreadable; no scheduler, or no worker.
    """
    if scheduler is not None:
        folders = data.folder.absolute(), model.path.absolute()
        yield from parallel_map(partial(_on_worker, *folders, request), cases, scheduler)
        return
    loaded = data, patients_of(data), model, load_engine(model, "auto", request.device).predict_all
    yield from (_evaluate(loaded, request, case) for case in cases)


@lru_cache(maxsize=1)
def _kept(data: Path, model: Path, device: DeviceName) -> _Loaded:
    """Load once per worker process; a worker has one thread."""
    files, found = DataSet(data), read_model(model)
    return files, patients_of(files), found, load_engine(found, "auto", device, 1).predict_all


def _on_worker(data: Path, model: Path, request: EvaluationRequest, case: str) -> CaseResult:
    return _evaluate(_kept(data, model, request.device), request, case)


def _evaluate(loaded: _Loaded, request: EvaluationRequest, case: str) -> CaseResult:
    """Read, predict and delineate a case."""
    data, patients, model, answer = loaded
    card, regions = model.card, (request.region, request.level_region)
    delineator, network = Delineator.of(card), card.network
    [(crop, probabilities, found)] = predict_with_regions(
        data, [case], answer, network, request.truth, *regions, true_regions=network.regions
    )
    masks, detections = masks_and_detections(crop, probabilities, delineator, detections=card.confidence is not None)
    scores = score_case(crop, probabilities, masks, delineator.minimum_area_mm2, patients)
    confusions = [confusion(true, found[view]) for view, true in crop.regions.items()] if found else []
    return CaseResult(scores, list(detections), confusions)
