"""Prediction of the network for one scan, before any threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..model.confidence import Confidence
from ..scan.aggregation import aggregate
from ..scan.planar import ViewName, WholeBodyScan
from ..scan.thorax import ThoraxCrop

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Limits:
    """Operating point: the limits by which probabilities become lesions.

    Attributes:
        threshold: probability from which a pixel belongs to a lesion.
        seed_threshold: probability a lesion must reach somewhere.
        minimum_area_mm2: smaller lesions are dropped.
    """

    threshold: float = 0.5
    seed_threshold: float = 0.5
    minimum_area_mm2: float = 0.0


@dataclass(frozen=True)
class ModelResult:
    """Prediction of the network for one scan, before any threshold.

    Attributes:
        scan: the scan as read.
        crop: the region that was read.
        probabilities: per existing view (rows, columns) float32 on the anterior whole-body frame, 0 outside the crop.
        limits: the model's own, or those that were requested instead.
        receipt: entries of the reading's receipt that do not depend on the lesions.
        confidence: calibration of the confidence of areas; None if the model's card holds none.
        regions: as in `Reading`.
    """

    scan: WholeBodyScan
    crop: ThoraxCrop
    probabilities: dict[ViewName, Map]
    limits: Limits = field(default_factory=Limits)
    receipt: dict[str, object] = field(default_factory=dict)
    confidence: Confidence | None = None
    regions: dict[ViewName, NDArray[np.uint8]] = field(default_factory=dict)

    @cached_property
    def probability(self) -> Map:
        """(rows, columns) maximum of the views' probabilities."""
        return np.asarray(np.maximum.reduce(list(self.probabilities.values())))

    @cached_property
    def aggregate(self) -> Map:
        """(rows, columns) sum of both views' counts on the anterior frame (Eq. 4)."""
        return aggregate(self.scan).counts
