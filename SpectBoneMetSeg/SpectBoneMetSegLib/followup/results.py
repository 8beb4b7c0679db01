"""Results of a comparison of scans: data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..lesions.results import Reading
from ..quantification.results import LesionQuantities, Quantification
from ..scan.planar import ViewName
from .limits import Limits
from .registration import Registration

__all__ = ["Change", "Comparison", "Step", "TimePoint", "Track", "TrackPoint"]

#: Against the scan before; "unclear" where one of both scans lacks the view that shows the lesion.
Change = Literal["first", "new", "grown", "stable", "smaller", "gone", "absent", "unclear"]


@dataclass(frozen=True)
class TimePoint:
    """One scan of the patient.

    Attributes:
        date: of the study as the scan says it, YYYYMMDD; "" where it does not.
        lesions: those that count, in the order of their IDs.
    """

    reading: Reading
    found: Quantification
    date: str

    @property
    def name(self) -> str:
        """The scan's case."""
        return self.reading.scan.case

    @property
    def lesions(self) -> tuple[LesionQuantities, ...]:
        """Those that count."""
        return tuple(each for each in self.found.lesions if not each.not_counted)


@dataclass(frozen=True)
class TrackPoint:
    """A lesion at one time: several areas where it is seen in pieces.

    Attributes:
        lesions: IDs in that scan, none where it is not seen.
        view_areas_mm2: per view that shows it.
        positions: (n, 2) R, S mm of its pixels, or of where it would lie, carried from the scan before.
        uptake_per_mean: total lesion uptake by the mean counts of the scan's bones: cameras and doses differ.
    """

    lesions: tuple[int, ...]
    area_mm2: float
    view_areas_mm2: dict[ViewName, float]
    uptake_per_mean: float
    change: Change
    positions: NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """One lesion through time: a point for every scan.

    Attributes:
        number: 1-based, head to foot.
        bone: in words.
    """

    number: int
    bone: str
    points: tuple[TrackPoint, ...]


@dataclass(frozen=True)
class Step:
    """From one scan to the next: how many lesions are what; those that are unclear are in none."""

    new: int
    grown: int
    stable: int
    smaller: int
    gone: int


@dataclass(frozen=True)
class Comparison:
    """Scans of one patient in the order of time.

    Attributes:
        steps: one fewer than scans.
        maps: from each scan to the next.
        warnings: what a person must know before believing it, one sentence each.
    """

    times: tuple[TimePoint, ...]
    tracks: tuple[Track, ...]
    steps: tuple[Step, ...]
    limits: Limits
    maps: tuple[Registration, ...] = ()
    warnings: tuple[str, ...] = ()
