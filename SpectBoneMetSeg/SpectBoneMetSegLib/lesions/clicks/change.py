"""Edit lesions by mouse: outline a missed lesion, remove a false one, resize, join or cut lesions.

Every function takes a labelmap, (rows, columns) integers on the anterior whole-body frame, 0 for none, and returns a
new one. `edits.update_edits` then stores the change like a stroke of a brush: undo and sliders work as usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...common.errors import UserError
from ...scan.aggregation import views_on_anterior_grid
from ...scan.planar import PlanarView, ViewName, WholeBodyScan
from ..components import EIGHT_CONNECTED, fill_holes
from ..measurement import contrast_ring
from .positions import Ids, Position, lesion_near, line_between, pixel_at

__all__ = [
    "add_lesion",
    "cut_lesion",
    "grow_from",
    "join_lesions",
    "remove_lesion",
    "resize_lesion",
]

Mask = NDArray[np.bool_]
Image = NDArray[np.float64]

#: Largest distance from the click of the lesion's outline and of its hottest pixel (mm).
REACH_MM, CLIMB_MM = 70.0, 7.0
#: Gaussian smoothing against noise (mm, standard deviation).
BLUR_MM = 2.6
#: A pixel belongs to the lesion if its height above the background is at least this fraction of the top's height; where
#: the predicted probability is p, the fraction is HEIGHT - TRUST * p.
HEIGHT, TRUST = 0.5, 0.2
#: The top is this percentile of the counts inside; the background is the median of a ring of this width (mm) beyond a
#: gap.
TOP, RING_MM, GAP_MM = 90.0, 9.0, 3.0
#: Half width of the window around the click.
WINDOW_MM = REACH_MM + RING_MM + GAP_MM
#: Largest number of iterations of outline and background.
ROUNDS = 4
#: A neighbour is another lesion if the saddle between both tops is below this fraction of the lower top's height.
VALLEY = 0.75
#: No outline is smaller than a disc of this radius (mm).
SMALLEST_MM = 6.0
#: A click within this number of pixels of a lesion selects it.
NEAR = 3
#: A view shows the lesion if its mean is at least this multiple of its ring's mean.
CONTRAST = 1.3


@dataclass(frozen=True)
class _Window:
    """Rows and columns around a click, and the position of the click in them."""

    rows: slice
    columns: slice
    position: tuple[int, int]

    @property
    def box(self) -> tuple[slice, slice]:
        return self.rows, self.columns


def add_lesion(
    ids: Ids,
    scan: WholeBodyScan,
    probabilities: Mapping[ViewName, NDArray[np.float32]],
    position: Position,
    view: ViewName | None = None,
) -> Ids:
    """Outline the lesion at a click; one pixel stays free between it and every other lesion.

    Args:
        ids: the lesions before the click.
        scan: the scan.
        probabilities: per view on the anterior frame; may be empty.
        position: (row, column) on the anterior frame.
        view: the clicked view; None uses every view that shows the lesion clearly.

    Raises:
        UserError: the click lies outside the frame, on a lesion, or too near to one.
    """
    from scipy import ndimage

    row, column = _pixel(position, ids.shape)
    if ids[row, column]:
        raise UserError("There is already a lesion at this position; click beside it.")
    views = views_on_anterior_grid(scan)
    found = {}
    for name, shown in views.items():
        if view in (None, name):
            found[name] = grow_from(shown, probabilities.get(name), position, ids > 0)
    if view is None and len(found) > 1:
        contrast = {name: _contrast(mask, views[name]) for name, mask in found.items()}
        most = max(contrast, key=lambda name: contrast[name])
        found = {name: mask for name, mask in found.items() if name == most or contrast[name] >= CONTRAST}
    mask = fill_holes(np.asarray(np.any(list(found.values()), axis=0)))
    # Touching lesions would become one: keep a pixel free.
    parts, count = ndimage.label(mask & ~ndimage.binary_dilation(ids > 0, EIGHT_CONNECTED), structure=EIGHT_CONNECTED)
    if not count:
        raise UserError("Another lesion is too near to outline a new one; enlarge that one.")
    # A neighbour may split the area: keep the part nearest to the click.
    pixels = np.argwhere(parts)
    nearest = pixels[((pixels - (row, column)) ** 2).sum(1).argmin()]
    result = ids.copy()
    result[parts == parts[tuple(nearest)]] = int(ids.max(initial=0)) + 1
    return result


def grow_from(view: PlanarView, probability: NDArray[np.float32] | None, position: Position, taken: Mask) -> Mask:
    """Return the (rows, columns) mask of the hot area at a position.

    Half height above the local background, iterated until outline and background agree; cut off from neighbours along
    the valleys between them. It contains the position; if that lies below half height, so does a disc around it.

    Args:
        view: a view on the anterior frame.
        probability: (rows, columns) prediction for the view; None for none.
        position: (row, column) to start from.
        taken: (rows, columns) pixels of other lesions; they are excluded.
    """
    from scipy import ndimage

    frame = view
    window = _window(position, frame)
    sigma = [BLUR_MM / step for step in frame.spacing]
    wide = _window(position, frame, WINDOW_MM + 4 * BLUR_MM)
    smooth_wide = ndimage.gaussian_filter(frame.counts[wide.box].astype(np.float64), sigma)
    inner = tuple(
        slice(own.start - big.start, own.stop - big.start) for own, big in zip(window.box, wide.box, strict=True)
    )
    smooth: Image = smooth_wide[inner]
    predicted = None if probability is None else probability[window.box].astype(np.float64)
    free = ~taken[window.box]
    peak = _climb(smooth, window.position, frame.spacing, free)
    mask = _half_height(smooth, predicted, peak, frame.spacing, free)
    mask = _without_neighbours(smooth, mask, peak, frame.spacing)
    mask |= _disc(smooth.shape, peak, SMALLEST_MM, frame.spacing) & free
    if not mask[window.position]:
        # At the edge, below half height, or beside a hotter neighbour: what the user points at belongs to the lesion.
        mask |= _disc(smooth.shape, window.position, SMALLEST_MM, frame.spacing) & free
    result = np.zeros(frame.shape, bool)
    result[window.box] = fill_holes(mask) & free
    return result


def remove_lesion(ids: Ids, position: Position) -> Ids:
    """Remove the lesion at a click, or the nearest one within three pixels.

    Raises:
        UserError: no lesion lies within three pixels.
    """
    return np.where(ids == _at(ids, position), 0, ids).astype(np.uint16)


def resize_lesion(ids: Ids, position: Position, by_mm: float, spacing: tuple[float, float]) -> Ids:
    """Enlarge (by_mm > 0) or shrink (by_mm < 0) a lesion on all sides; others keep their pixels and a gap of one pixel.

    Raises:
        UserError: there is no lesion, or nothing would be left of it.
    """
    from scipy import ndimage

    number = _at(ids, position)
    own = ids == number
    if by_mm < 0:
        left = ndimage.distance_transform_edt(np.pad(own, 1), sampling=spacing)[1:-1, 1:-1] > -by_mm
        if not left.any():
            raise UserError("Nothing would be left of the lesion; remove it instead.")
        return np.where(own & ~left, 0, ids).astype(np.uint16)
    others = ndimage.binary_dilation((ids > 0) & ~own, EIGHT_CONNECTED)
    near = ndimage.distance_transform_edt(~own, sampling=spacing) <= by_mm
    grown = own | (near & ~others)
    # Do not grow past another lesion.
    parts, _ = ndimage.label(grown, structure=EIGHT_CONNECTED)
    reached = np.isin(parts, np.unique(parts[own]))
    return np.where(grown & reached, number, ids).astype(np.uint16)


def join_lesions(ids: Ids, first: Position, second: Position) -> Ids:
    """Join two lesions by the shortest bridge between them, three pixels wide.

    Raises:
        UserError: there are no two lesions at these positions.
    """
    from scipy import ndimage

    one, two = _at(ids, first), _at(ids, second)
    if one == two:
        raise UserError("Both positions lie in one lesion; give two lesions.")
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
    """Cut every lesion that a line crosses, one pixel wide; the largest piece keeps its number.

    Raises:
        UserError: the line divides no lesion.
    """
    from scipy import ndimage

    a, b = _pixel(start, ids.shape), _pixel(end, ids.shape)
    line = _without_diagonals(line_between(ids.shape, a, b))
    result = ids.copy()
    crossed = [int(number) for number in np.unique(ids[line]) if number]
    divided = False
    for number in crossed:
        rest = (ids == number) & ~line
        parts, count = ndimage.label(rest, structure=EIGHT_CONNECTED)
        if count < 2:
            continue
        divided = True
        result[ids == number] = 0
        order = np.argsort(-np.bincount(parts.ravel())[1:]) + 1
        for index, part in enumerate(order):
            result[parts == part] = number if index == 0 else int(result.max()) + 1
    if not divided:
        raise UserError("The line divides no lesion; draw it across one.")
    return result


def _without_diagonals(line: Mask) -> Mask:
    """Return a line without diagonal steps, across which 8-connected pieces would still touch."""
    whole = line.copy()
    whole[:-1, 1:] |= line[:-1, :-1] & line[1:, 1:]
    whole[:-1, :-1] |= line[:-1, 1:] & line[1:, :-1]
    return whole


def _half_height(
    smooth: Image, predicted: Image | None, peak: tuple[int, int], spacing: tuple[float, float], free: Mask
) -> Mask:
    """Return the connected area around a peak above the given fraction of its height over the background."""
    from scipy import ndimage

    reach = _disc(smooth.shape, peak, REACH_MM, spacing)
    share = np.full(smooth.shape, HEIGHT) if predicted is None else HEIGHT - TRUST * predicted
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


def _without_neighbours(smooth: Image, mask: Mask, peak: tuple[int, int], spacing: tuple[float, float]) -> Mask:
    """Return the part of a mask that belongs to its peak; a watershed cuts off neighbours beyond a valley."""
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
            # The valley is shallow: both are one lesion.
            kept |= part
    parts, _ = ndimage.label(kept, structure=EIGHT_CONNECTED)
    return np.asarray(parts == parts[peak])


def _climb(smooth: Image, position: tuple[int, int], spacing: tuple[float, float], free: Mask) -> tuple[int, int]:
    """Return the hottest free pixel near a click."""
    near = _disc(smooth.shape, position, CLIMB_MM, spacing) & free
    values = np.where(near, smooth, -1.0)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def _window(position: Position, frame: PlanarView, reach: float = WINDOW_MM) -> _Window:
    row, column = _pixel(position, frame.shape)
    edges = []
    for middle, step, size in zip((row, column), frame.spacing, frame.shape, strict=True):
        half = int(np.ceil(reach / step))
        edges.append(slice(max(0, middle - half), min(size, middle + half + 1)))
    return _Window(edges[0], edges[1], (row - edges[0].start, column - edges[1].start))


def _disc(shape: tuple[int, int], middle: tuple[int, int], radius_mm: float, spacing: tuple[float, float]) -> Mask:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(((y - middle[0]) * spacing[0]) ** 2 + ((x - middle[1]) * spacing[1]) ** 2 <= radius_mm**2)


def _ring(mask: Mask, spacing: tuple[float, float]) -> Mask:
    """Return the ring around a mask, beyond the blur of its edge."""
    from scipy import ndimage

    away = ndimage.distance_transform_edt(~mask, sampling=spacing)
    return np.asarray((away > GAP_MM) & (away <= GAP_MM + RING_MM))


def _contrast(mask: Mask, view: PlanarView) -> float:
    ring = contrast_ring(mask.astype(np.uint16), 1, view.spacing)
    around = float(view.counts[ring].mean()) if ring.any() else 0.0
    inside = float(view.counts[mask].mean()) if mask.any() else 0.0
    return inside / around if around > 0 else inside


def _at(ids: Ids, position: Position) -> int:
    """Return the ID of the lesion at a position, or of the nearest one within three pixels."""
    _pixel(position, ids.shape)
    number = lesion_near(ids, position, NEAR)
    if not number:
        raise UserError("There is no lesion at this position; click on one.")
    return number


def _pixel(position: Position, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the row and column of a position."""
    pixel = pixel_at(position, shape)
    if pixel is None:
        raise UserError(f"The position {position} lies outside the scan; give a row and a column of its image.")
    return pixel
