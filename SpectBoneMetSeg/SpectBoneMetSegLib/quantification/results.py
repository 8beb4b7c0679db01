"""What is quantified of a reading: data only, units in the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..lesions.results import Classification, Decision, SeenIn
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

RuledBy = Literal["model", "physician"]
#: Why a lesion does not count in burden and index.
NotCounted = Literal["", "rejected", "benign", "outside bone"]


@dataclass(frozen=True)
class BoneShare:
    """Part of a lesion that lies on one bone: share 0..1 of the lesion's pixels."""

    region: Region
    share: float


@dataclass(frozen=True)
class ViewQuantities:
    """A lesion in one view; None for what cannot be measured there.

    Attributes:
        counts: sum inside.
        background_counts_per_pixel: mean of the ring around it (`lesions.measurement.RING_MM`).
        total_lesion_uptake_counts: sum of (counts - background) inside.
        body_counts_percent: counts inside of all counts of the view.
        contralateral_ratio: mean inside by the mean at the mirrored place of the other side, where that is the same
            bone and free of lesions.
        bones: as this view shows them, largest share first.
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
    """A lesion.

    Attributes:
        area_mm2: of the union of both views.
        views: per view that shows it.
        bones: both views together, largest share first (see `bones`). Empty where the model gave no regions, and for
            rejected lesions, which are in no mask.
        geometric_mean_counts: sqrt(anterior x posterior counts); None where only one view shows it.
        edited: whether its outline was drawn or changed by hand.
        not_counted: why it does not count in burden and index; "" for one that does.
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
    not_counted: NotCounted

    @property
    def region(self) -> Region | None:
        """The region that most of it lies in; None where none is known."""
        return self.bones[0].region if self.bones else None

    @property
    def ruled_by(self) -> RuledBy:
        """Whose word stands: the physician's, once anything was said or drawn, or the model's."""
        said = self.edited or self.decision != "open" or self.classification
        return "physician" if said else "model"


@dataclass(frozen=True)
class RegionQuantities:
    """A region of the skeleton that at least one view shows.

    Attributes:
        area_mm2: per view, of the whole region.
        counts: per view, inside it.
        lesion_area_mm2: per view, of counted lesions inside it.
        lesions: counted lesions whose largest share it is.
        involved_share: 0..1. Each counted lesion's area by the region's, in the view where that is more, summed.
        involved_mass_share: 0..1, of the bone's mass (see `index`). None for what is no bone.
        weight_percent: of the skeleton's mass; None for what is no bone.
        index_percent: what it adds to the bone scan index; None where that cannot be computed.
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
        percent: None where it cannot be computed; `reason` and `remedy` are then one sentence each, else "".
        table: of the weights.
    """

    percent: float | None
    reason: str
    remedy: str
    table: WeightTable


@dataclass(frozen=True)
class TumourBurden:
    """All lesions together that count.

    Attributes:
        area_mm2: of the union of both views.
        total_lesion_uptake_counts: per view.
        body_counts_percent: per view.
        geometric_mean_uptake_counts: of both views' total lesion uptake; None with one view.
    """

    lesions: int
    area_mm2: float
    total_lesion_uptake_counts: dict[ViewName, float]
    body_counts_percent: dict[ViewName, float]
    geometric_mean_uptake_counts: float | None


@dataclass(frozen=True)
class ReviewState:
    """Whose word the numbers are.

    Attributes:
        state: "not reviewed" when nobody said or drew anything, "reviewed" when a decision stands for every lesion.
        accepted: lesions.
        rejected: lesions.
        open: lesions.
        edited: lesions edited by hand, whatever was decided of them.
        reclassified: lesions that a physician classified, likewise.
    """

    state: Literal["not reviewed", "partly reviewed", "reviewed"]
    accepted: int
    rejected: int
    open: int
    edited: int
    reclassified: int


@dataclass(frozen=True)
class Quantification:
    """What is quantified of one reading.

    Attributes:
        lesions: in the order of their IDs, rejected ones last.
        regions: those that are seen, by number.
        not_found: bones that no view shows.
        cut: bones that the edge of the field cuts. What is not seen of them is taken as free of lesions.
    """

    lesions: tuple[LesionQuantities, ...]
    regions: tuple[RegionQuantities, ...]
    burden: TumourBurden
    index: BoneScanIndex
    review: ReviewState
    not_found: tuple[Region, ...]
    cut: tuple[Region, ...]

    def lesion(self, number: int) -> LesionQuantities:
        """The lesion of an ID.

        Raises:
            KeyError: there is none.
        """
        return {each.id: each for each in self.lesions}[number]
