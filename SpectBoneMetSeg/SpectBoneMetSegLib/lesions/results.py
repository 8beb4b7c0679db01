"""Data classes of the reading of one scan: lesions, masks, probabilities, receipt."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import ViewName, WholeBodyScan
from ..scan.thorax import ThoraxCrop
from .components import number_lesions

SeenIn = Literal["anterior", "posterior", "both"]
Decision = Literal["open", "accepted", "rejected"]
Classification = Literal["", "benign", "equivocal", "malignant"]
DecidedBy = Literal["model", "physician"]


@dataclass(frozen=True)
class ViewMeasurement:
    """Measurements of one lesion in one view.

    Attributes:
        area_mm2: area inside the outline.
        counts: sum of the raw counts inside.
        max_counts: highest count of a pixel inside.
        mean_counts: mean count of a pixel inside.
        contrast: mean inside divided by the mean of the ring around it; NaN if the ring holds no counts.
    """

    area_mm2: float
    counts: float
    max_counts: float
    mean_counts: float
    contrast: float


@dataclass(frozen=True)
class Lesion:
    """One delineated lesion ("abnormal uptake" until a physician accepts it).

    Attributes:
        id: 1-based; its value in the ID masks.
        curve: (n, 3) float64 RAS mm, corners of the exact closed outline of the union mask in the anterior frame; the
            first corner is not repeated at the end.
        seen_in: the views whose mask contains it.
        area_mm2: area of the union mask, equal to the curve's enclosed area.
        centroid: RAS mm.
        max_probability: maximum of the probability map inside the union mask.
        mean_probability: mean of the probability map inside the union mask.
        views: measurements per view whose mask contains it.
        decision: a physician's decision.
        classification: a physician's classification; "" for none.
        confidence: calibrated probability 0..1 that it is abnormal uptake; None for a model without calibration.
        edited: whether it was drawn or changed manually.
    """

    id: int
    curve: NDArray[np.float64]
    seen_in: SeenIn
    area_mm2: float
    centroid: tuple[float, float, float]
    max_probability: float
    mean_probability: float
    views: dict[ViewName, ViewMeasurement] = field(default_factory=dict)
    decision: Decision = "open"
    classification: Classification = ""
    confidence: float | None = None
    edited: bool = False

    @property
    def decided_by(self) -> DecidedBy:
        """Who decided: the physician once the lesion was edited, decided on or classified, else the model."""
        reviewed = self.edited or self.decision != "open" or self.classification
        return "physician" if reviewed else "model"


@dataclass(frozen=True)
class Reading:
    """All results of one scan.

    Attributes:
        scan: the scan as read, on its own grid.
        crop: the region that was read.
        lesions: ordered from head to foot, IDs 1..n.
        mask: (rows, columns) uint8, union of both views in the anterior frame, 1 = lesion.
        view_masks: per existing view (rows, columns) uint16 lesion IDs in that view's own grid (posterior as acquired).
        probability: (rows, columns) float32, anterior frame, maximum of the views' probabilities; 0 outside the crop.
        aggregate: (rows, columns) float32 anterior + mirrored posterior counts, anterior frame (Eq. 4); the
            counts of a single view.
        receipt: content of receipt.json.
        probabilities: per existing view (rows, columns) float32, anterior frame.
        rejected: lesions that a physician rejected, IDs n+1.. from head to foot; in the table, but in no mask.
        confidence: probability 0..1 that the scan shows abnormal uptake; None for a model without calibration.
        regions: per existing view (rows, columns) uint8 of `scan.skeleton_regions`, in that view's own grid; empty
            for a model that segments no regions.
    """

    scan: WholeBodyScan
    crop: ThoraxCrop
    lesions: tuple[Lesion, ...]
    mask: NDArray[np.uint8]
    view_masks: dict[ViewName, NDArray[np.uint16]]
    probability: NDArray[np.float32]
    aggregate: NDArray[np.float32]
    receipt: dict[str, object] = field(default_factory=dict)
    probabilities: dict[ViewName, NDArray[np.float32]] = field(default_factory=dict)
    rejected: tuple[Lesion, ...] = ()
    regions: dict[ViewName, NDArray[np.uint8]] = field(default_factory=dict)
    confidence: float | None = None

    @cached_property
    def lesion_ids(self) -> NDArray[np.uint16]:
        """(rows, columns) lesion IDs 1..n in `mask`, anterior frame, 0 = none."""
        return number_lesions(self.mask)

    @property
    def erased(self) -> int:
        """Number of the model's areas that were erased manually; the receipt of a reviewed reading counts them."""
        count = self.receipt.get("erased")
        return count if isinstance(count, int) else 0
