"""Data classes of a comparison of scans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..lesions.results import Reading
from ..quantification.results import LesionQuantities, Quantification
from ..scan.planar import ViewName
from .limits import Repeatability
from .registration import Registration

__all__ = ["Change", "Comparison", "Step", "TimePoint", "Track", "TrackPoint"]

#: Change since the scan before; "unclear" if one of the two scans lacks the view that shows the lesion.
Change = Literal["first", "new", "grown", "stable", "smaller", "gone", "absent", "unclear"]


@dataclass(frozen=True)
class TimePoint:
    """One scan of the patient.

    Attributes:
        reading: after its review.
        quantification: quantification of the reading.
        date: study date, YYYYMMDD; "" if unknown.
    """

    reading: Reading
    quantification: Quantification
    date: str

    @property
    def name(self) -> str:
        """Case of the scan."""
        return self.reading.scan.case

    @property
    def lesions(self) -> tuple[LesionQuantities, ...]:
        """Counted lesions, ordered by ID."""
        return tuple(each for each in self.quantification.lesions if not each.not_counted)


@dataclass(frozen=True)
class TrackPoint:
    """A lesion at one time, possibly in several areas.

    Attributes:
        lesions: IDs in that scan; empty if it is not seen.
        area_mm2: sum of the areas; 0 if it is not seen.
        view_areas_mm2: per view that shows it.
        uptake_per_mean: total lesion uptake divided by the mean counts per pixel of the scan's bones, because cameras
            and doses differ.
        change: since the scan before.
        positions: (n, 2) R, S mm of its pixels; if it is not seen, those mapped from the scan before.
    """

    lesions: tuple[int, ...]
    area_mm2: float
    view_areas_mm2: dict[ViewName, float]
    uptake_per_mean: float
    change: Change
    positions: NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """One lesion over time.

    Attributes:
        number: 1-based, from head to foot.
        bone: name of its bone; "" if unknown.
        points: one per scan.
    """

    number: int
    bone: str
    points: tuple[TrackPoint, ...]


@dataclass(frozen=True)
class Step:
    """Numbers of lesions by change from one scan to the next; unclear ones are not counted.

    Attributes:
        new: lesions without an area in the earlier scan.
        grown: linked lesions whose area grew by the limit or more.
        stable: linked lesions, neither grown nor smaller.
        smaller: linked lesions whose area shrank by the limit or more.
        gone: lesions without an area in the later scan.
    """

    new: int
    grown: int
    stable: int
    smaller: int
    gone: int


@dataclass(frozen=True)
class Comparison:
    """Comparison of the scans of one patient.

    Attributes:
        times: the scans in order of time.
        tracks: the lesions.
        steps: changes between consecutive scans, one fewer than scans.
        limits: the change of area that counts as grown or smaller.
        maps: registration from each scan to the next.
        warnings: reasons to distrust the comparison, one sentence each.
    """

    times: tuple[TimePoint, ...]
    tracks: tuple[Track, ...]
    steps: tuple[Step, ...]
    limits: Repeatability
    maps: tuple[Registration, ...] = ()
    warnings: tuple[str, ...] = ()
