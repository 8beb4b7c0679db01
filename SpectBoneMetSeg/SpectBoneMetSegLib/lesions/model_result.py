"""What the network found in one scan, before any threshold."""

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
    """What makes lesions of probabilities.

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
    """What the network found in one scan, before any threshold.

    Attributes:
        scan: the scan as read.
        crop: the region that was read.
        probabilities: per existing view (rows, columns) float32 on the anterior whole-body frame, 0 outside the crop.
        limits: the model's own, or what was asked for in their place.
        receipt: the reading's receipt, as far as it is known before there are lesions.
        confidence: how likely an area is one, for a model whose card says so.
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
        """(rows, columns) the greater of the views' probabilities."""
        return np.asarray(np.maximum.reduce(list(self.probabilities.values())))

    @cached_property
    def aggregate(self) -> Map:
        """(rows, columns) counts of both views together on the anterior frame."""
        return aggregate(self.scan).counts
