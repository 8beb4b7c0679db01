"""Two scans of a comparison for side-by-side display: arrays, table rows and numbers.

The comparison itself stays in the child process that made it; this part of it is passed to Slicer in a file.
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

__all__ = ["Burden", "LesionPair", "Side", "SideBySide", "load_side_by_side", "save_side_by_side", "side_by_side"]

Position = tuple[float, float]
SIDES = ("earlier", "later")


@dataclass(frozen=True)
class Side:
    """One of the two scans.

    Attributes:
        scan: the scan.
        date: study date, YYYYMMDD; "" if unknown.
        numbers: per view (rows, columns) uint16 on its own grid: number of the lesion's row, 0 outside lesions.
        gone: the same for lesions that are gone from this scan, at their mapped positions.
    """

    scan: WholeBodyScan
    date: str
    numbers: dict[ViewName, NDArray[np.uint16]]
    gone: dict[ViewName, NDArray[np.uint16]]


@dataclass(frozen=True)
class LesionPair:
    """A lesion that at least one of the two scans shows.

    Attributes:
        number: of its track.
        bone: name of its bone; "" if unknown.
        change: from the earlier to the later scan.
        earlier_mm2: area in the earlier scan, 0 if it is not seen.
        later_mm2: area in the later scan, 0 if it is not seen.
        earlier_uptake: uptake in mean counts per pixel of the scan's bones, 0 if it is not seen.
        later_uptake: the same in the later scan.
        earlier_position: R, S mm of its centre in the earlier scan; if it is not seen, mapped from the later scan.
        later_position: R, S mm of its centre in the later scan; if it is not seen, mapped from the earlier scan.
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
    """Tumour burden of one scan.

    Attributes:
        name: case of the scan.
        date: study date, YYYYMMDD; "" if unknown.
        lesions: number of counted lesions.
        area_mm2: their area.
        index_percent: planar bone scan index; None if it cannot be computed.
        reason: why it cannot be computed, and the remedy; "" if it can.
        review: state of the review.
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
    """Two consecutive scans, and the burden of all compared scans.

    Attributes:
        earlier: the earlier scan.
        later: the later scan.
        own: which of them is the open reading, "earlier" or "later".
        rows: their lesions.
        body: map from the earlier to the later scan.
        burdens: of all compared scans, in order of time.
        warnings: of the comparison.
        area_factor: ratio of areas, later to earlier, from which a lesion counts as grown.
    """

    earlier: Side
    later: Side
    own: str
    rows: tuple[LesionPair, ...]
    body: Affine
    burdens: tuple[Burden, ...]
    warnings: tuple[str, ...]
    area_factor: float


def side_by_side(comparison: Comparison, own: Reading) -> SideBySide:
    """Return the scan of `own` and the scan before it, or the next if `own` is the first.

    Args:
        comparison: the comparison.
        own: one of the compared readings.

    Raises:
        StopIteration: `own` is not one of them.
    """
    index = next(number for number, time in enumerate(comparison.times) if time.reading is own)
    later = max(index, 1)
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
        own="later" if index == later else "earlier",
        rows=rows,
        body=step.body,
        burdens=tuple(map(_burden, comparison.times)),
        warnings=comparison.warnings,
        area_factor=comparison.limits.area_factor,
    )


def _row(track: Track, earlier: TimePoint, later: TimePoint, step: Registration, number: int) -> LesionPair | None:
    one, two = track.points[number - 1], track.points[number]
    if not one.lesions and not two.lesions:
        return None
    region = _region(earlier, one) or _region(later, two)
    positions: list[Position] = []
    for point, other, mapping in ((one, two, step.of(region).inverse), (two, one, step.of(region))):
        own = point.positions if point.lesions else mapping(other.positions)
        positions.append((float(own[:, 0].mean()), float(own[:, 1].mean())))
    areas = one.area_mm2, two.area_mm2
    return LesionPair(
        track.number, track.bone, two.change, *areas, one.uptake_per_mean, two.uptake_per_mean, *positions
    )


def _region(time: TimePoint, point: TrackPoint) -> int:
    """Return the number of a lesion's region; 0 for none."""
    if not point.lesions:
        return 0
    region = max(
        (time.quantification.lesion(lesion) for lesion in point.lesions), key=lambda each: each.area_mm2
    ).region
    return region.number if region else 0


def _side(comparison: Comparison, number: int, rows: set[int]) -> Side:
    time = comparison.times[number]
    numbers, gone = {}, {}
    for name, view in time.reading.scan.views.items():
        ids = time.reading.view_masks[name]
        table = np.zeros(int(ids.max(initial=0)) + 1, np.uint16)
        former = np.zeros(view.shape, np.uint16)
        for track in comparison.tracks:
            point = track.points[number]
            for lesion in point.lesions:
                table[lesion : lesion + 1] = track.number
            if track.number in rows and not point.lesions and point.change == "gone":
                former[_mask_of(point.positions, view)] = track.number
        numbers[name], gone[name] = table[ids], former
    return Side(time.reading.scan, time.date, numbers, gone)


def _mask_of(positions: NDArray[np.float64], view: PlanarView) -> NDArray[np.bool_]:
    """Return the pixels of a view at mapped positions, (n, 2) R, S mm; gaps due to another pixel size are closed."""
    from scipy import ndimage

    ras = np.column_stack([positions[:, 0], np.zeros(len(positions)), positions[:, 1], np.ones(len(positions))])
    columns, rows = np.rint((ras @ np.linalg.inv(view.ijk_to_ras).T)[:, :2]).astype(int).T
    inside = (rows >= 0) & (rows < view.shape[0]) & (columns >= 0) & (columns < view.shape[1])
    mask = np.zeros(view.shape, bool)
    mask[rows[inside], columns[inside]] = True
    return np.asarray(ndimage.binary_closing(np.pad(mask, 2), np.ones((3, 3)))[2:-2, 2:-2])


def _burden(time: TimePoint) -> Burden:
    found = time.quantification
    reason = f"{found.index.reason} {found.index.remedy}".strip()
    burden = found.burden
    return Burden(
        time.name, time.date, burden.lesions, burden.area_mm2, found.index.percent, reason, found.review.state
    )


def save_side_by_side(shown: SideBySide, path: str | Path) -> None:
    """Write a SideBySide to a file; OSError when it cannot be written."""
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
    """Read a file of `save_side_by_side`.

    Raises:
        OSError, ValueError, KeyError, TypeError: it is not such a file.
    """
    facts, arrays = load_arrays(path)
    body = Affine(*(np.asarray(facts["body"][name], np.float64) for name in ("source", "target", "matrix")))
    rows = [
        LesionPair(
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
