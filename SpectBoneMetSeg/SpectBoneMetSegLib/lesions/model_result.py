"""What the network found in one scan, before any threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..scan.aggregation import aggregate
from ..scan.planar import ViewName, WholeBodyScan
from ..scan.thorax import ThoraxCrop

Map = NDArray[np.float32]


@dataclass(frozen=True)
class ModelResult:
    """What the network found in one scan, before any threshold.

    Attributes:
        scan: the scan as read.
        crop: the region that was read.
        probabilities: per existing view (rows, columns) float32 on the anterior whole-body frame, 0 outside the crop.
        receipt: the reading's receipt, with the model's own thresholds.
    """

    scan: WholeBodyScan
    crop: ThoraxCrop
    probabilities: dict[ViewName, Map]
    receipt: dict[str, object] = field(default_factory=dict)

    @cached_property
    def probability(self) -> Map:
        """(rows, columns) the greater of the views' probabilities."""
        return np.asarray(np.max(np.stack(list(self.probabilities.values())), axis=0))

    @cached_property
    def aggregate(self) -> Map:
        """(rows, columns) counts of both views together on the anterior frame."""
        return aggregate(self.scan).counts

    def model_value(self, name: Literal["threshold", "seed_threshold", "minimum_area_mm2"]) -> float:
        """One of the values that the model's card recommends."""
        value = self.receipt.get(name)
        return float(value) if isinstance(value, int | float) else {"minimum_area_mm2": 0.0}.get(name, 0.5)
