"""Data classes of the quantification of a reading; names state units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..lesions.results import Classification, DecidedBy, Decision, SeenIn
from ..scan.planar import ViewName
from .anatomy import Region
from .weights import WeightTable

__all__ = [
    "BoneScanIndex",
    "BoneShare",
    "LesionQuantities",
    "Quantification",
    "RegionQuantities",
    "ReviewState",
    "TumourBurden",
    "ViewQuantities",
]

#: Why a lesion does not count in burden and index; "" for one that counts.
NotCounted = Literal["", "rejected", "benign", "outside bone"]


@dataclass(frozen=True)
class BoneShare:
    """Share 0..1 of a lesion's pixels that lies on one bone.

    Attributes:
        region: the bone, with its side.
        share: 0..1.
    """

    region: Region
    share: float


@dataclass(frozen=True)
class ViewQuantities:
    """Quantities of a lesion in one view; None for what cannot be measured.

    Attributes:
        area_mm2: area in this view, mm2.
        counts: sum of counts inside.
        max_counts_per_pixel: maximum inside.
        mean_counts_per_pixel: mean inside.
        background_counts_per_pixel: mean of the ring around it (`lesions.measurement.RING_MM`).
        contrast: mean inside divided by the background.
        total_lesion_uptake_counts: sum of (counts - background) inside.
        body_counts_percent: counts inside, in per cent of all counts of the view.
        contralateral_ratio: mean inside divided by the mean at the mirrored position, if that is the same bone and free
            of lesions.
        bones: in this view, largest share first.
    """

    area_mm2: float
    counts: float
    max_counts_per_pixel: float
    mean_counts_per_pixel: float
    background_counts_per_pixel: float | None
    contrast: float | None
    total_lesion_uptake_counts: float | None
    body_counts_percent: float | None
    contralateral_ratio: float | None
    bones: tuple[BoneShare, ...]


@dataclass(frozen=True)
class LesionQuantities:
    """Quantities of a lesion.

    Attributes:
        id: number of the lesion in all outputs.
        seen_in: views in which the probability reaches the threshold.
        area_mm2: of the union of both views.
        views: quantities per view that shows it.
        bones: both views together, largest share first (see the module `bones`). Empty without regions of the skeleton,
            and for rejected lesions, which are in no mask.
        geometric_mean_counts: sqrt(anterior x posterior counts); None if only one view shows it.
        confidence: calibrated probability of abnormal uptake, 0..1; None if not calibrated or drawn manually.
        decision: of the physician.
        classification: of the physician.
        edited: whether its outline was drawn or changed manually.
        decided_by: see `lesions.results.Lesion`.
        not_counted: why it does not count in burden and index; "" if it counts.
    """

    id: int
    seen_in: SeenIn
    area_mm2: float
    views: dict[ViewName, ViewQuantities]
    bones: tuple[BoneShare, ...]
    geometric_mean_counts: float | None
    confidence: float | None
    decision: Decision
    classification: Classification
    edited: bool
    decided_by: DecidedBy
    not_counted: NotCounted

    @property
    def region(self) -> Region | None:
        """The region that contains most of it; None if there is none."""
        return self.bones[0].region if self.bones else None


@dataclass(frozen=True)
class RegionQuantities:
    """A region of the skeleton that at least one view shows.

    Attributes:
        region: the region, with its side.
        area_mm2: per view, of the whole region.
        counts: per view, inside it.
        lesion_area_mm2: per view, of counted lesions inside it.
        lesions: number of counted lesions whose largest share lies in it.
        involved_share: 0..1, of its area (see the module `index`); None if it is no bone.
        involved_mass_share: 0..1, of its mass (see the module `index`); None if it is no bone.
        weight_percent: of the skeleton's mass; None if it is no bone.
        index_percent: its contribution to the bone scan index; None if the index cannot be computed.
    """

    region: Region
    area_mm2: dict[ViewName, float]
    counts: dict[ViewName, float]
    lesion_area_mm2: dict[ViewName, float]
    lesions: int
    involved_share: float | None
    involved_mass_share: float | None
    weight_percent: float | None
    index_percent: float | None


@dataclass(frozen=True)
class BoneScanIndex:
    """The planar bone scan index: share of the skeleton's mass that is involved.

    Attributes:
        percent: of the skeleton's mass; None if it cannot be computed.
        reason: why it cannot be computed, one sentence; "" if it can.
        remedy: what to do about it, one sentence; "" if nothing.
        table: the weights used.
    """

    percent: float | None
    reason: str
    remedy: str
    table: WeightTable


@dataclass(frozen=True)
class TumourBurden:
    """Sums over all counted lesions.

    Attributes:
        lesions: their number.
        area_mm2: of the union of both views.
        total_lesion_uptake_counts: per view.
        body_counts_percent: per view.
        geometric_mean_uptake_counts: of both views' total lesion uptake; None for a single view.
    """

    lesions: int
    area_mm2: float
    total_lesion_uptake_counts: dict[ViewName, float]
    body_counts_percent: dict[ViewName, float]
    geometric_mean_uptake_counts: float | None


@dataclass(frozen=True)
class ReviewState:
    """State of the physician's review, as numbers of lesions.

    Attributes:
        state: "not reviewed" if no lesion was decided on, classified, edited or erased; "reviewed" if every one has a
            decision.
        accepted: accepted lesions.
        rejected: rejected lesions.
        open: lesions without a decision.
        edited: lesions edited manually, with or without a decision.
        reclassified: lesions that a physician classified, with or without a decision.
        erased: areas of the model that were erased manually; they are in no other number.
    """

    state: Literal["not reviewed", "partly reviewed", "reviewed"]
    accepted: int
    rejected: int
    open: int
    edited: int
    reclassified: int
    erased: int = 0

    @property
    def decided_by(self) -> DecidedBy:
        """Who decided: the physician if there was any review, else the model."""
        return "model" if self.state == "not reviewed" else "physician"


@dataclass(frozen=True)
class Quantification:
    """Quantification of one reading.

    Attributes:
        lesions: ordered by ID, rejected ones last.
        regions: those that are seen, ordered by number.
        burden: tumour burden of the counted lesions.
        index: planar bone scan index, or why it cannot be computed.
        review: whether none, some or all of the lesions were reviewed.
        not_found: bones that no view shows.
        cut: bones that the edge of the field cuts; their unseen parts count as free of lesions.
    """

    lesions: tuple[LesionQuantities, ...]
    regions: tuple[RegionQuantities, ...]
    burden: TumourBurden
    index: BoneScanIndex
    review: ReviewState
    not_found: tuple[Region, ...]
    cut: tuple[Region, ...]

    def lesion(self, number: int) -> LesionQuantities:
        """Return the lesion with an ID.

        Raises:
            KeyError: there is no such lesion.
        """
        return {each.id: each for each in self.lesions}[number]
