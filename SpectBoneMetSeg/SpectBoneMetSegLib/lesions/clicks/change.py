"""Corrections by a click: a missed lesion is outlined, a false one goes, one is drawn larger or smaller, joined or cut.

Every function takes a labelmap, (rows, columns) whole numbers on the anterior whole-body frame, 0 for none, and gives a
new one; `edits.update_edits` then keeps the change as it keeps strokes of a brush, so that undo and sliders behave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...scan.aggregation import views_on_anterior_grid
from ...scan.planar import PlanarView, ViewName, WholeBodyScan
from ..components import EIGHT_CONNECTED, fill_holes
from ..measurement import contrast_ring

__all__ = [
    "Ids",
    "Position",
    "add_lesion",
    "cut_lesion",
    "grow_from",
    "join_lesions",
    "lesion_near",
    "line_between",
    "remove_lesion",
    "resize_lesion",
]

Ids = NDArray[np.uint16]
Mask = NDArray[np.bool_]
Image = NDArray[np.float64]
Position = tuple[float, float]

#: How far from the click its lesion may reach, and how far the hottest pixel of it may lie (mm).
REACH_MM, CLIMB_MM = 70.0, 7.0
#: Blur against noise before anything is compared (mm, standard deviation).
BLUR_MM = 2.6
#: A pixel belongs to the lesion from this share of the height of its top above its surroundings on; where the network
#: is sure of a lesion from that much less.
HEIGHT, TRUST = 0.5, 0.2
#: The top is this percentile of what lies inside; the surroundings a ring of this width (mm) begun beyond a gap.
TOP, RING_MM, GAP_MM = 90.0, 9.0, 3.0
#: What is looked at, on each side of the click.
WINDOW_MM = REACH_MM + RING_MM + GAP_MM
#: Rounds until outline and surroundings agree.
ROUNDS = 4
#: A neighbour is another lesion where the ground between both tops falls below this share of the lower one's height.
VALLEY = 0.75
#: No outline is smaller than a disc of this radius (mm).
SMALLEST_MM = 6.0
#: A click that many pixels beside a lesion means it.
NEAR = 3
#: A view shows the lesion where its mean is that many times its ring.
CONTRAST = 1.3


@dataclass(frozen=True)
class _Window:
    """Rows and columns around a click, and the click in them."""

    rows: slice
    columns: slice
    place: tuple[int, int]

    @property
    def box(self) -> tuple[slice, slice]:
        return self.rows, self.columns


def add_lesion(
    ids: Ids,
    scan: WholeBodyScan,
    probabilities: Mapping[ViewName, NDArray[np.float32]],
    place: Position,
    view: ViewName | None = None,
) -> Ids:
    """Outline the lesion at a click; a pixel stays free between it and every other one.

    Args:
        ids: the lesions so far.
        scan: its counts.
        probabilities: per view on the anterior frame; may be empty.
        place: (row, column) on the anterior frame.
        view: the one that was clicked on; None looks at both, and takes what each shows clearly.

    Raises:
        ValueError: the click lies outside of the frame, or on a lesion, or too near to one to leave room.
    """
    from scipy import ndimage

    row, column = _pixel(place, ids.shape)
    if ids[row, column]:
        raise ValueError("there is a lesion already")
    views = views_on_anterior_grid(scan)
    found = {}
    for name, shown in views.items():
        if view in (None, name):
            found[name] = grow_from(shown, probabilities.get(name), place, ids > 0)
    if view is None and len(found) > 1:
        contrast = {name: _contrast(mask, views[name]) for name, mask in found.items()}
        most = max(contrast, key=lambda name: contrast[name])
        found = {name: mask for name, mask in found.items() if name == most or contrast[name] >= CONTRAST}
    mask = fill_holes(np.asarray(np.any(list(found.values()), axis=0)))
    # Lesions that touch are one.
    parts, count = ndimage.label(mask & ~ndimage.binary_dilation(ids > 0, EIGHT_CONNECTED), structure=EIGHT_CONNECTED)
    if not count:
        raise ValueError("there is no room beside the lesion that is there")
    # Of what a neighbour splits, the part that was meant.
    pixels = np.argwhere(parts)
    nearest = pixels[((pixels - (row, column)) ** 2).sum(1).argmin()]
    result = ids.copy()
    result[parts == parts[tuple(nearest)]] = int(ids.max(initial=0)) + 1
    return result


def grow_from(view: PlanarView, probability: NDArray[np.float32] | None, place: Position, taken: Mask) -> Mask:
    """(rows, columns) the hot area at a place of a view on the anterior frame, free of what is taken by others.

    Half height over the local surroundings, which are found anew until they agree with the outline; cut along the
    valleys to hotter or separate neighbours.
    """
    from scipy import ndimage

    frame = view
    window = _window(place, frame)
    sigma = [BLUR_MM / step for step in frame.spacing]
    wide = _window(place, frame, WINDOW_MM + 4 * BLUR_MM)
    smooth_wide = ndimage.gaussian_filter(frame.counts[wide.box].astype(np.float64), sigma)
    inner = tuple(
        slice(own.start - big.start, own.stop - big.start) for own, big in zip(window.box, wide.box, strict=True)
    )
    smooth: Image = smooth_wide[inner]
    sure = None if probability is None else probability[window.box].astype(np.float64)
    free = ~taken[window.box]
    peak = _climb(smooth, window.place, frame.spacing, free)
    mask = _half_height(smooth, sure, peak, frame.spacing, free)
    mask = _apart(smooth, mask, peak, frame.spacing)
    mask |= _disc(smooth.shape, peak, SMALLEST_MM, frame.spacing) & free
    result = np.zeros(frame.shape, bool)
    result[window.box] = fill_holes(mask) & free
    return result


def remove_lesion(ids: Ids, place: Position) -> Ids:
    """Take away the lesion at a click; a click beside every one, but near to one, means that one.

    Raises:
        ValueError: no lesion lies within three pixels.
    """
    return np.where(ids == _at(ids, place), 0, ids).astype(np.uint16)


def resize_lesion(ids: Ids, place: Position, by_mm: float, spacing: tuple[float, float]) -> Ids:
    """Draw the lesion at a place larger (or smaller, below 0) on all sides; others keep their pixels and a gap.

    Raises:
        ValueError: no lesion lies there, or nothing would be left.
    """
    from scipy import ndimage

    number = _at(ids, place)
    own = ids == number
    if by_mm < 0:
        left = ndimage.distance_transform_edt(np.pad(own, 1), sampling=spacing)[1:-1, 1:-1] > -by_mm
        if not left.any():
            raise ValueError("nothing would be left of the lesion; remove it instead")
        return np.where(own & ~left, 0, ids).astype(np.uint16)
    others = ndimage.binary_dilation((ids > 0) & ~own, EIGHT_CONNECTED)
    near = ndimage.distance_transform_edt(~own, sampling=spacing) <= by_mm
    grown = own | (near & ~others)
    # What lies behind another lesion is not reached.
    parts, _ = ndimage.label(grown, structure=EIGHT_CONNECTED)
    reached = np.isin(parts, np.unique(parts[own]))
    return np.where(grown & reached, number, ids).astype(np.uint16)


def join_lesions(ids: Ids, first: Position, second: Position) -> Ids:
    """Make one lesion of two by the shortest bridge, three pixels wide.

    Raises:
        ValueError: there are no two lesions at these places.
    """
    from scipy import ndimage

    one, two = _at(ids, first), _at(ids, second)
    if one == two:
        raise ValueError("both places lie in one lesion")
    distance, nearest = ndimage.distance_transform_edt(ids != one, return_indices=True)
    rows, columns = np.nonzero(ids == two)
    closest = int(distance[rows, columns].argmin())
    end = (int(rows[closest]), int(columns[closest]))
    start = (int(nearest[0][end]), int(nearest[1][end]))
    bridge = ndimage.binary_dilation(line_between(ids.shape, start, end), EIGHT_CONNECTED) & (ids == 0)
    result = ids.copy()
    result[bridge | (ids == two)] = one
    return result


def cut_lesion(ids: Ids, start: Position, end: Position) -> Ids:
    """Cut every lesion that a line crosses along it, one pixel wide; the largest piece keeps its number.

    Raises:
        ValueError: the line parts no lesion.
    """
    from scipy import ndimage

    a, b = _pixel(start, ids.shape), _pixel(end, ids.shape)
    line = _parting(line_between(ids.shape, a, b))
    result = ids.copy()
    crossed = [int(number) for number in np.unique(ids[line]) if number]
    parted = False
    for number in crossed:
        rest = (ids == number) & ~line
        parts, count = ndimage.label(rest, structure=EIGHT_CONNECTED)
        if count < 2:
            continue
        parted = True
        result[ids == number] = 0
        order = np.argsort(-np.bincount(parts.ravel())[1:]) + 1
        for place, part in enumerate(order):
            result[parts == part] = number if place == 0 else int(result.max()) + 1
    if not parted:
        raise ValueError("the line parts no lesion")
    return result


def _parting(line: Mask) -> Mask:
    """A line without diagonal steps, through which lesions would still touch."""
    whole = line.copy()
    whole[:-1, 1:] |= line[:-1, :-1] & line[1:, 1:]
    whole[:-1, :-1] |= line[:-1, 1:] & line[1:, :-1]
    return whole


def _half_height(
    smooth: Image, sure: Image | None, peak: tuple[int, int], spacing: tuple[float, float], free: Mask
) -> Mask:
    """The connected area around a peak that lies above its share of the height over its surroundings."""
    from scipy import ndimage

    reach = _disc(smooth.shape, peak, REACH_MM, spacing)
    share = np.full(smooth.shape, HEIGHT) if sure is None else HEIGHT - TRUST * sure
    ground, top = float(np.percentile(smooth[reach], 25)), float(smooth[peak])
    mask = _disc(smooth.shape, peak, SMALLEST_MM, spacing)
    for _ in range(ROUNDS):
        above = (smooth >= ground + share * (top - ground)) & reach & free
        above[peak] = True
        parts, _ = ndimage.label(above, structure=EIGHT_CONNECTED)
        grown = parts == parts[peak]
        if (grown == mask).all():
            break
        mask = grown
        ring = _ring(mask, spacing) & free
        if ring.any():
            ground = float(np.median(smooth[ring]))
        top = max(float(np.percentile(smooth[mask], TOP)), ground)
    return mask


def _apart(smooth: Image, mask: Mask, peak: tuple[int, int], spacing: tuple[float, float]) -> Mask:
    """The part of a mask that belongs to its peak: neighbours beyond a valley are cut off by a watershed."""
    from scipy import ndimage

    size = [2 * max(1, round(CLIMB_MM / step / 2)) + 1 for step in spacing]
    tops = (smooth == ndimage.maximum_filter(smooth, size)) & mask
    tops[peak] = True
    markers, count = ndimage.label(tops, structure=EIGHT_CONNECTED)
    if count < 2:
        return mask
    low, high = float(smooth[mask].min()), float(smooth[mask].max())
    if high <= low:
        return mask
    height = np.where(mask, (high - smooth) / (high - low), 1.0)
    markers = np.where(mask, markers, -1).astype(np.int16)
    basins = np.where(mask, ndimage.watershed_ift(np.rint(60000 * height.clip(0, 1)).astype(np.uint16), markers), 0)
    ring = _ring(mask, spacing)
    ground = float(np.median(smooth[ring])) if ring.any() else low
    own = basins[peak]
    kept = basins == own
    for other in range(1, count + 1):
        part = basins == other
        if other == own or not part.any():
            continue
        border = ndimage.binary_dilation(part, EIGHT_CONNECTED) & kept
        saddle = float(smooth[border].max()) if border.any() else ground
        lower = min(float(smooth[part].max()), float(smooth[peak]))
        if saddle - ground >= VALLEY * (lower - ground):
            # Hardly a dip: both are one lesion.
            kept |= part
    parts, _ = ndimage.label(kept, structure=EIGHT_CONNECTED)
    return np.asarray(parts == parts[peak])


def _climb(smooth: Image, place: tuple[int, int], spacing: tuple[float, float], free: Mask) -> tuple[int, int]:
    """The hottest free pixel near a click."""
    near = _disc(smooth.shape, place, CLIMB_MM, spacing) & free
    values = np.where(near, smooth, -1.0)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def _window(place: Position, frame: PlanarView, reach: float = WINDOW_MM) -> _Window:
    row, column = _pixel(place, frame.shape)
    edges = []
    for middle, step, size in zip((row, column), frame.spacing, frame.shape, strict=True):
        half = int(np.ceil(reach / step))
        edges.append(slice(max(0, middle - half), min(size, middle + half + 1)))
    return _Window(edges[0], edges[1], (row - edges[0].start, column - edges[1].start))


def _disc(shape: tuple[int, int], middle: tuple[int, int], radius_mm: float, spacing: tuple[float, float]) -> Mask:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(((y - middle[0]) * spacing[0]) ** 2 + ((x - middle[1]) * spacing[1]) ** 2 <= radius_mm**2)


def _ring(mask: Mask, spacing: tuple[float, float]) -> Mask:
    """What lies around a mask, beyond the blur of its edge."""
    from scipy import ndimage

    away = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return np.asarray((away > GAP_MM) & (away <= GAP_MM + RING_MM))


def _contrast(mask: Mask, view: PlanarView) -> float:
    ring = contrast_ring(mask.astype(np.uint16), 1, view.spacing)
    around = float(view.counts[ring].mean()) if ring.any() else 0.0
    inside = float(view.counts[mask].mean()) if mask.any() else 0.0
    return inside / around if around > 0 else inside


def lesion_near(ids: Ids, place: Position, reach: float) -> int:
    """The lesion at a place, or the nearest one not further away than `reach` (pixels) in rows and in columns.

    0 where there is none, and outside of the frame.
    """
    row, column = (round(float(value)) for value in place)
    if not (0 <= row < ids.shape[0] and 0 <= column < ids.shape[1]):
        return 0
    if ids[row, column]:
        return int(ids[row, column])
    half = int(reach)
    box = (slice(max(0, row - half), row + half + 1), slice(max(0, column - half), column + half + 1))
    rows, columns = np.nonzero(ids[box])
    if not rows.size:
        return 0
    away = (rows + box[0].start - row) ** 2 + (columns + box[1].start - column) ** 2
    closest = int(away.argmin())
    return int(ids[box][rows[closest], columns[closest]])


def _at(ids: Ids, place: Position) -> int:
    """The lesion at a place, or the nearest one within three pixels."""
    _pixel(place, ids.shape)
    number = lesion_near(ids, place, NEAR)
    if not number:
        raise ValueError("no lesion lies there")
    return number


def _pixel(place: Position, shape: tuple[int, ...]) -> tuple[int, int]:
    row, column = (round(float(value)) for value in place)
    if not (0 <= row < shape[0] and 0 <= column < shape[1]):
        raise ValueError(f"the place {place} lies outside of the scan")
    return row, column


def line_between(shape: tuple[int, ...], start: tuple[int, int], end: tuple[int, int]) -> Mask:
    """The pixels of a straight line, both ends included."""
    steps = max(abs(start[0] - end[0]), abs(start[1] - end[1])) + 1
    line = np.zeros(shape, bool)
    line[
        np.rint(np.linspace(start[0], end[0], steps)).astype(int),
        np.rint(np.linspace(start[1], end[1], steps)).astype(int),
    ] = True
    return line
