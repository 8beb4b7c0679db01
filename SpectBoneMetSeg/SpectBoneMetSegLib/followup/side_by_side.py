"""Two scans of a comparison for side-by-side display: plain pictures, rows and numbers.

The comparison itself stays with the process that made it; this goes through a file to the window's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.jsonable import to_jsonable
from ..lesions.results import Reading
from ..lesions.serialisation import load_arrays, of_views, save_arrays, scan_facts, scan_from
from ..scan.planar import PlanarView, ViewName, WholeBodyScan
from .registration import Affine, Registration
from .results import Change, Comparison, TimePoint, Track, TrackPoint

__all__ = ["Burden", "Row", "Side", "SideBySide", "load_side_by_side", "save_side_by_side", "side_by_side"]

Position = tuple[float, float]
SIDES = ("earlier", "later")


@dataclass(frozen=True)
class Side:
    """One of both scans.

    Attributes:
        numbers: per view (rows, columns) uint16 on its own grid: the number of the lesion's row, 0 beside lesions.
        gone: the same of lesions that are seen in the other scan alone, where they were.
    """

    scan: WholeBodyScan
    date: str
    numbers: dict[ViewName, NDArray[np.uint16]]
    gone: dict[ViewName, NDArray[np.uint16]]


@dataclass(frozen=True)
class Row:
    """A lesion that either scan shows.

    Attributes:
        change: from the earlier to the later one.
        earlier_mm2: area in the earlier scan, 0 where it is not seen.
        later_mm2: area in the later one, 0 where it is not seen.
        earlier_uptake: uptake in mean counts of the scan's bones, 0 where it is not seen.
        later_uptake: the same in the later scan.
        earlier_position: R, S mm of its middle in the earlier scan, or of where it would lie.
        later_position: the same in the later one.
    """

    number: int
    bone: str
    change: Change
    earlier_mm2: float
    later_mm2: float
    earlier_uptake: float
    later_uptake: float
    earlier_position: Position
    later_position: Position


@dataclass(frozen=True)
class Burden:
    """A scan in a line: what counts in it.

    Attributes:
        index_percent: planar bone scan index, None where it cannot be computed, for `reason`.
        review: whose word it is.
    """

    name: str
    date: str
    lesions: int
    area_mm2: float
    index_percent: float | None
    reason: str
    review: str


@dataclass(frozen=True)
class SideBySide:
    """Two scans that follow each other, and the burden of all that were compared.

    Attributes:
        own: which of both is the reading that the comparison was asked from, "earlier" or "later".
        body: the map from the earlier to the later scan.
    """

    earlier: Side
    later: Side
    own: str
    rows: tuple[Row, ...]
    body: Affine
    burdens: tuple[Burden, ...]
    warnings: tuple[str, ...]
    area_factor: float


def side_by_side(comparison: Comparison, own: Reading) -> SideBySide:
    """Return the scan of `own`, one of the compared readings, with the one before; the first with the next.

    Raises:
        StopIteration: it is none of them.
    """
    place = next(number for number, time in enumerate(comparison.times) if time.reading is own)
    later = max(place, 1)
    step = comparison.maps[later - 1]
    rows = tuple(
        row
        for track in comparison.tracks
        if (row := _row(track, comparison.times[later - 1], comparison.times[later], step, later)) is not None
    )
    numbers = {row.number for row in rows}
    return SideBySide(
        earlier=_side(comparison, later - 1, numbers),
        later=_side(comparison, later, numbers),
        own="later" if place == later else "earlier",
        rows=rows,
        body=step.body,
        burdens=tuple(map(_burden, comparison.times)),
        warnings=comparison.warnings,
        area_factor=comparison.limits.area_factor,
    )


def _row(track: Track, earlier: TimePoint, later: TimePoint, step: Registration, number: int) -> Row | None:
    one, two = track.points[number - 1], track.points[number]
    if not one.lesions and not two.lesions:
        return None
    region = _region(earlier, one) or _region(later, two)
    places: list[Position] = []
    for point, other, carry in ((one, two, step.of(region).inverse), (two, one, step.of(region))):
        own = point.positions if point.lesions else carry(other.positions)
        places.append((float(own[:, 0].mean()), float(own[:, 1].mean())))
    areas = one.area_mm2, two.area_mm2
    return Row(track.number, track.bone, two.change, *areas, one.uptake_per_mean, two.uptake_per_mean, *places)


def _region(time: TimePoint, point: TrackPoint) -> int:
    """Number of the bone of a lesion; 0 for none."""
    if not point.lesions:
        return 0
    region = max((time.found.lesion(lesion) for lesion in point.lesions), key=lambda each: each.area_mm2).region
    return region.number if region else 0


def _side(comparison: Comparison, number: int, rows: set[int]) -> Side:
    time = comparison.times[number]
    numbers, gone = {}, {}
    for name, view in time.reading.scan.views.items():
        ids = time.reading.view_masks[name]
        table = np.zeros(int(ids.max(initial=0)) + 1, np.uint16)
        was = np.zeros(view.shape, np.uint16)
        for track in comparison.tracks:
            point = track.points[number]
            for lesion in point.lesions:
                table[lesion : lesion + 1] = track.number
            if track.number in rows and not point.lesions and point.change == "gone":
                was[_where(point.positions, view)] = track.number
        numbers[name], gone[name] = table[ids], was
    return Side(time.reading.scan, time.date, numbers, gone)


def _where(place: NDArray[np.float64], view: PlanarView) -> NDArray[np.bool_]:
    """The pixels of a view on which carried places lie, without the gaps that another pixel size leaves."""
    from scipy import ndimage

    ras = np.column_stack([place[:, 0], np.zeros(len(place)), place[:, 1], np.ones(len(place))])
    columns, rows = np.rint((ras @ np.linalg.inv(view.ijk_to_ras).T)[:, :2]).astype(int).T
    inside = (rows >= 0) & (rows < view.shape[0]) & (columns >= 0) & (columns < view.shape[1])
    mask = np.zeros(view.shape, bool)
    mask[rows[inside], columns[inside]] = True
    return np.asarray(ndimage.binary_closing(np.pad(mask, 2), np.ones((3, 3)))[2:-2, 2:-2])


def _burden(time: TimePoint) -> Burden:
    found = time.found
    reason = f"{found.index.reason} {found.index.remedy}".strip()
    burden = found.burden
    return Burden(
        time.name, time.date, burden.lesions, burden.area_mm2, found.index.percent, reason, found.review.state
    )


def save_side_by_side(shown: SideBySide, path: str | Path) -> None:
    """Write it to a file; OSError when it cannot be written."""
    facts: dict[str, Any] = {
        "own": shown.own,
        "rows": [to_jsonable(asdict(row)) for row in shown.rows],
        "body": to_jsonable(asdict(shown.body)),
        "burdens": [to_jsonable(asdict(burden)) for burden in shown.burdens],
        "doubts": list(shown.warnings),
        "area_factor": shown.area_factor,
    }
    arrays: dict[str, NDArray[Any]] = {}
    for side in SIDES:
        own: Side = getattr(shown, side)
        facts[side] = {**scan_facts(own.scan), "date": own.date}
        counts = {name: view.counts for name, view in own.scan.views.items()}
        for what, maps in (("counts", counts), ("numbers", own.numbers), ("gone", own.gone)):
            arrays |= {f"{side}_{what}_{name}": np.asarray(values) for name, values in maps.items()}
    save_arrays(path, facts, arrays)


def load_side_by_side(path: str | Path) -> SideBySide:
    """The inverse of `save_side_by_side`.

    Raises:
        OSError, ValueError, KeyError, TypeError: it is no such file.
    """
    facts, arrays = load_arrays(path)
    body = Affine(*(np.asarray(facts["body"][name], np.float64) for name in ("source", "target", "matrix")))
    rows = [
        Row(
            **{
                **row,
                "earlier_position": tuple(row["earlier_position"]),
                "later_position": tuple(row["later_position"]),
            }
        )
        for row in facts["rows"]
    ]
    burdens = [Burden(**burden) for burden in facts["burdens"]]
    return SideBySide(
        earlier=_side_from(facts["earlier"], arrays, "earlier"),
        later=_side_from(facts["later"], arrays, "later"),
        own=facts["own"],
        rows=tuple(rows),
        body=body,
        burdens=tuple(burdens),
        warnings=tuple(facts["doubts"]),
        area_factor=facts["area_factor"],
    )


def _side_from(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], side: str) -> Side:
    scan = scan_from(facts, of_views(arrays, f"{side}_counts"))
    return Side(scan, facts["date"], of_views(arrays, f"{side}_numbers"), of_views(arrays, f"{side}_gone"))
