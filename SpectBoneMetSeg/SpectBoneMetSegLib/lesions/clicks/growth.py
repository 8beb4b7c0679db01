"""The hot area around a click: half height above the local background, cut off from its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...scan.planar import PlanarView
from ..components import EIGHT_CONNECTED, fill_holes
from .checks import check_size, probability_of
from .positions import Position, pixel_of

__all__ = ["Mask", "grow_from"]

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
#: A peak exceeds the background by more than this multiple of the noise of the smoothed counts, and by more than this
#: fraction of the background, the rounding of the filter.
NOISE, ROUNDING = 4.0, 1e-6
#: No outline is smaller than a disc of this radius (mm).
SMALLEST_MM = 6.0


@dataclass(frozen=True)
class _Window:
    """Rows and columns around a click, and the position of the click in them."""

    rows: slice
    columns: slice
    position: tuple[int, int]

    @property
    def box(self) -> tuple[slice, slice]:
        return self.rows, self.columns


def grow_from(view: PlanarView, probability: NDArray[np.float32] | None, position: Position, taken: Mask) -> Mask:
    """Return the (rows, columns) mask of the hot area at a position.

    Half height above the local background, iterated until outline and background agree; cut off from neighbours along
    the valleys between them. It contains the position; if that lies below half height, so does a disc around it. Where
    nothing exceeds the noise of its surroundings, as in air, it is that disc alone.

    Args:
        view: a view on the anterior frame.
        probability: (rows, columns) prediction for the view; None for none.
        position: (row, column) to start from.
        taken: (rows, columns) pixels of other lesions; they are excluded.

    Raises:
        UserError: the position lies outside, or probabilities or other lesions do not fit the view.
    """
    from scipy import ndimage

    frame = view
    check_size("mask of other lesions", taken, frame.shape)
    if probability is not None:
        probability = probability_of("probability map", probability, frame.shape)
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
    around = _ring(mask, frame.spacing) & free
    if _stands_out(smooth, frame.counts[window.box], peak, around if around.any() else free, sigma):
        mask = _without_neighbours(smooth, mask, peak, frame.spacing)
        mask |= _disc(smooth.shape, peak, SMALLEST_MM, frame.spacing) & free
    else:
        # Half of no height is no limit: the area would end only at the largest distance from the click.
        mask = np.zeros(smooth.shape, bool)
    if not mask[window.position]:
        # At the edge, below half height, beside a hotter neighbour, or without a peak: what the user points at belongs
        # to the lesion.
        mask |= _disc(smooth.shape, window.position, SMALLEST_MM, frame.spacing) & free
    result = np.zeros(frame.shape, bool)
    result[window.box] = fill_holes(mask) & free
    return result


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


def _stands_out(
    smooth: Image, counts: NDArray[np.float32], peak: tuple[int, int], around: Mask, sigma: list[float]
) -> bool:
    """Whether a peak exceeds its surroundings by more than their noise.

    The noise is measured as what the smoothing removes there: counts may be in any unit.
    """
    from scipy import ndimage

    point = np.zeros((31, 31))
    point[15, 15] = 1.0
    spread = ndimage.gaussian_filter(point, sigma)
    # Of noise without correlation: the variance that stays, by the variance that is removed.
    stays = (spread**2).sum() / max(((point - spread) ** 2).sum(), np.finfo(float).eps)
    noise = float(np.sqrt(stays * ((counts - smooth)[around] ** 2).mean()))
    # The lower quartile: a hotter neighbour in the surroundings hides no lesion.
    ground = float(np.percentile(smooth[around], 25))
    return bool(smooth[peak] - ground > NOISE * noise + ROUNDING * abs(ground))


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
    row, column = pixel_of(position, frame.shape)
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
