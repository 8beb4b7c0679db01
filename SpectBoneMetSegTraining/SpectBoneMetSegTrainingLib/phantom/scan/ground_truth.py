"""The exact ground truth of simulated scans: outlines of the lesions' noise-free projections (convention 4).

Outlines are drawn per view:

- Outline: half height between the surroundings and the robust local maximum, the MAXIMUM_PERCENTILE of the lesion
  within each bone. One hot spot thus does not shrink the outline of a large lesion. Readers vary the level (`readers`).
- Foci whose outlines touch share one outline. It belongs to the strongest of them; the others have no outline in that
  view and refer to it by `merged_into`.
- A focus whose maximum is below FAINT_SHARE of the healthy counts there joins no other focus; it gets an "ignore"
  outline of its own.
- Counts are the excess over the healthy projection of the same place, so diffusely diseased bone is labelled where it
  exceeds its own normal uptake.
- Label: mean inside / mean of the ring around the outline >= MINIMUM_RATIO, signal-to-noise ratio >= MINIMUM_SNR, and
  excess / healthy counts >= MINIMUM_CONTRAST, because healthy bone alone is brighter than its surroundings. Fainter and
  cold lesions are "ignore": excluded from training and scoring.

The labels of a data set are not these outlines but the consensus of simulated readers (`readers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

#: Level of the outlines, share of the local maximum.
OUTLINE_LEVEL = 0.5
MAXIMUM_PERCENTILE = 90.0
#: The robust maximum is MAXIMUM_PERCENTILE of the pixels above the second of these shares of a first estimate. That is
#: FIRST_PERCENTILE of the pixels above the first share of the highest pixel. One hot spot thus cannot decide which
#: pixels are used.
MAXIMUM_FLOORS, FIRST_PERCENTILE = (0.03, 0.5), 95.0
#: Limits of a label, see above.
MINIMUM_RATIO = 1.35
MINIMUM_SNR = 4.0
MINIMUM_CONTRAST = 0.25
#: Local maximum / healthy counts below which a focus joins no other.
FAINT_SHARE = 0.35
#: Width of the ring around an outline: 5 pixels of 2.8 mm.
RING_MM = 14.0
#: Pixels with a smaller profile are outside the box of a lesion.
PROFILE_FLOOR = 0.1
#: Islands of a lesion that are smaller than this, or have a lower ratio to their ring than MINIMUM_RATIO, are left out.
MINIMUM_ISLAND_CM2 = 0.35

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Window = tuple[slice, slice]
#: Window of a lesion's projection in the view, and its noise-free extra counts there.
Projection = tuple[Window, Image]


@dataclass(frozen=True)
class LesionView:
    """One lesion in one view, in the anterior frame.

    Attributes:
        mask: (rows, columns) bool; empty for a lesion that is part of another lesion's outline.
        contrast: mean extra counts inside / mean counts there without the lesion; negative for a cold lesion.
        snr: extra counts inside / square root of all counts inside; negative for a cold lesion.
        visible: whether it is a label of the exact ground truth (otherwise "ignore").
        box: window of `profile`.
        profile: (box rows, box columns) noise-free extra counts / local maximum, for readers with other levels.
        ratio: mean counts inside / in the ring around it, without other lesions.
        merged_into: index of the lesion whose outline includes this one; None for an outline of its own.
    """

    mask: Mask
    contrast: float
    snr: float
    visible: bool
    box: Window = (slice(0, 0), slice(0, 0))
    profile: Image = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    ratio: float = 0.0
    merged_into: int | None = None


def label_lesion(
    extra: Image, total: Image, level: float = OUTLINE_LEVEL, *, cold: bool = False, spacing: float = 2.8
) -> LesionView:
    """Label a single lesion.

    Args:
        extra: (rows, columns) noise-free extra counts of the lesion.
        total: (rows, columns) noise-free counts of the view.
        level: of the outline, share of the local maximum.
        cold: whether `extra` is the reduction of the counts, in positive numbers; a cold lesion is never visible.
        spacing: pixel edge, mm.
    """
    whole = (slice(0, extra.shape[0]), slice(0, extra.shape[1]))
    shown = label_lesions([(whole, extra)], total, level, spacing=spacing)[0]
    if not cold or not shown.mask.any():
        return shown
    missing, left = float(extra[shown.mask].sum()), float(total[shown.mask].sum())
    contrast, snr = -missing / max(left + missing, 1e-6), -missing / max(left, 1e-6) ** 0.5
    return LesionView(shown.mask, contrast, snr, visible=False, box=shown.box, profile=shown.profile, ratio=shown.ratio)


def label_lesions(
    parts: Sequence[Projection],
    total: Image,
    level: float = OUTLINE_LEVEL,
    *,
    joint: Image | None = None,
    spacing: float = 2.8,
) -> list[LesionView]:
    """Label all hot lesions of one view.

    Args:
        parts: each lesion's own projection; not above zero for a lesion that the view does not show.
        total: (rows, columns) noise-free counts of the view.
        level: of the outlines, share of the local maximum.
        joint: (rows, columns) extra counts of all lesions together; None for the sum of `parts`.
        spacing: pixel edge, mm.
    """
    sums = _sum(parts, total.shape) if joint is None else np.maximum(joint, 0)
    healthy = total - sums
    faint = [_top_share(box, extra, healthy) < FAINT_SHARE for box, extra in parts]
    nothing = (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    strong = [nothing if weak else part for part, weak in zip(parts, faint, strict=True)]
    views = _label_merged(strong, sums, total, level, spacing)
    for number, part in enumerate(parts):
        if faint[number]:
            views[number] = _label_alone(part, total, level, spacing)
    return views


def _label_alone(part: Projection, total: Image, level: float, spacing: float) -> LesionView:
    """Label a lesion that joins no other, within its surroundings, which are a hundredth of the view."""
    box, extra = part
    if not extra.size:
        return LesionView(np.zeros(total.shape, bool), 0.0, 0.0, visible=False)
    margin = _ring(spacing) + 2
    around = tuple(
        slice(max(side.start - margin, 0), min(side.stop + margin, limit))
        for side, limit in zip(box, total.shape, strict=True)
    )
    window = (around[0], around[1])
    inside = _shift_box(box, window, -1)
    shown = _label_merged(
        [(inside, extra)], _sum([(inside, extra)], total[window].shape), total[window], level, spacing
    )
    mask = np.zeros(total.shape, bool)
    mask[window] = shown[0].mask
    return replace(
        shown[0], mask=mask, box=_shift_box(shown[0].box, window, 1) if shown[0].profile.size else shown[0].box
    )


def _shift_box(box: Window, window: Window, sign: int) -> Window:
    """Convert a box from window to frame coordinates (sign 1) or back (sign -1)."""
    rows, columns = (
        slice(side.start + sign * edge.start, side.stop + sign * edge.start)
        for side, edge in zip(box, window, strict=True)
    )
    return rows, columns


def _ring(spacing: float) -> int:
    """Return the width of the ring around an outline, pixels."""
    return max(round(RING_MM / spacing), 2)


def _label_merged(
    parts: Sequence[Projection], sums: Image, total: Image, level: float, spacing: float
) -> list[LesionView]:
    """Label lesions whose touching outlines merge; `sums` are the extra counts of all lesions."""
    from scipy import ndimage

    height, owner = relative_height(parts, sums)
    inside = height >= level
    islands, count = ndimage.label(inside, np.ones((3, 3)))
    sizes = np.bincount(islands.ravel(), minlength=count + 1)
    island_of = _islands_of(parts, owner, islands)
    ring = _ring(spacing)
    large = [
        island for island in range(1, count + 1) if _stands_out(islands, sizes[island], island, total, ring, spacing)
    ]
    outlines = _outlines(island_of, islands, large, owner)
    heads = _strongest(parts, island_of)
    views: list[LesionView] = []
    for number, island in enumerate(island_of):
        if island and heads[island] == number:
            members = [i for i, other in enumerate(island_of) if other == island]
            own = np.where(np.isin(owner, members), height, 0).astype(np.float32)
            views.append(_measure(outlines[island], own, sums, total, inside, ring))
        else:
            head = heads[island] if island else None
            views.append(LesionView(np.zeros(total.shape, bool), 0.0, 0.0, visible=False, merged_into=head))
    return views


def _sum(parts: Sequence[Projection], shape: tuple[int, ...]) -> Image:
    sums = np.zeros(shape, np.float32)
    for box, extra in parts:
        sums[box] += np.maximum(extra, 0)
    return sums


def _top_share(box: Window, extra: Image, healthy: Image) -> float:
    """Return a lesion's local maximum / the healthy counts at its top; 0 for a lesion that is not shown."""
    if not extra.size or extra.max() <= 0:
        return 0.0
    top = local_maximum(extra)
    return top / max(float(healthy[box][extra >= 0.7 * top].mean()), 1e-6)


def relative_height(parts: Sequence[Projection], sums: Image) -> tuple[Image, NDArray[np.int32]]:
    """Return `sums` / local maximum of the lesion with most counts in the pixel, and the index of that lesion.

    Args:
        parts: each lesion's own projection.
        sums: (rows, columns) extra counts of all lesions.

    Returns:
        Relative height and lesion index, (rows, columns) each; the index is -1 where there is no lesion.
    """
    most = np.zeros(sums.shape, np.float32)
    owner = np.full(sums.shape, -1, np.int32)
    tops = np.ones(len(parts) + 1, np.float32)
    for number, (box, extra) in enumerate(parts):
        tops[number] = local_maximum(extra)
        higher = extra > most[box]
        most[box][higher] = extra[higher]
        owner[box][higher] = number
    return np.where(owner >= 0, sums / tops[owner], 0).astype(np.float32), owner


def local_maximum(extra: Image) -> float:
    """Return the robust maximum of a lesion's extra counts (see MAXIMUM_FLOORS); 1 for a lesion that is not shown."""
    peak = float(extra.max(initial=0.0))
    if peak <= 0:
        return 1.0
    first = float(np.percentile(extra[extra >= MAXIMUM_FLOORS[0] * peak], FIRST_PERCENTILE))
    return float(np.percentile(extra[extra >= MAXIMUM_FLOORS[1] * first], MAXIMUM_PERCENTILE))


def lesion_to_background(total: Image, mask: Mask, others: Mask, ring: int) -> float:
    """Return the mean of `total` inside a mask / in a ring of `ring` pixels around it.

    Pixels of `others` are left out of the ring if at least a quarter of it remains.
    """
    from scipy import ndimage

    box = _box(mask, ring + 1)
    part = mask[box]
    around = ndimage.distance_transform_edt(~part) <= ring
    around &= ~part
    free = around & ~others[box]
    chosen = free if free.sum() >= max(around.sum() / 4, 1) else around
    return float(total[box][part].mean() / max(total[box][chosen].mean(), 1e-6)) if chosen.any() else 0.0


def _islands_of(parts: Sequence[Projection], owner: NDArray[np.int32], islands: NDArray[np.int32]) -> list[int]:
    """Return the island that holds the maximum of each lesion; 0 for a lesion outside all outlines."""
    islands_of = []
    for number, (box, extra) in enumerate(parts):
        if not extra.size or extra.max() <= 0:
            islands_of.append(0)
            continue
        owned = owner[box] == number
        peak = np.unravel_index(int(np.argmax(np.where(owned, extra, -1) if owned.any() else extra)), extra.shape)
        islands_of.append(int(islands[box][peak]))
    return islands_of


def _outlines(
    homes: Sequence[int], islands: NDArray[np.int32], outlying: Sequence[int], owner: NDArray[np.int32]
) -> dict[int, Mask]:
    """Return {island: outline} for islands with a lesion's maximum, extended by `outlying` islands of its lesions."""
    outlines = {island: islands == island for island in set(homes) if island}
    for island in outlying:
        if island in outlines:
            continue
        part = islands == island
        home = homes[int(np.bincount(owner[part]).argmax())]
        if home:
            outlines[home] = outlines[home] | part
    return outlines


def _stands_out(islands: NDArray[np.int32], size: int, island: int, total: Image, ring: int, spacing: float) -> bool:
    if size * spacing**2 / 100 < MINIMUM_ISLAND_CM2:
        return False
    return lesion_to_background(total, islands == island, (islands > 0) & (islands != island), ring) >= MINIMUM_RATIO


def _strongest(parts: Sequence[Projection], homes: Sequence[int]) -> dict[int, int]:
    """Return {island: index of the strongest of its lesions}."""
    strength = [float(np.maximum(extra, 0).sum()) for _, extra in parts]
    heads: dict[int, int] = {}
    for number, home in enumerate(homes):
        if home and (home not in heads or strength[number] > strength[heads[home]]):
            heads[home] = number
    return heads


def _measure(mask: Mask, height: Image, extra: Image, total: Image, inside: Mask, ring: int) -> LesionView:
    signal, everything = float(extra[mask].sum()), float(total[mask].sum())
    contrast = signal / max(everything - signal, 1e-6)
    snr = signal / max(everything, 1e-6) ** 0.5
    ratio = lesion_to_background(total, mask, inside & ~mask, ring)
    visible = ratio >= MINIMUM_RATIO and snr >= MINIMUM_SNR and contrast >= MINIMUM_CONTRAST
    box = _box((height >= PROFILE_FLOOR) | mask)
    return LesionView(mask, contrast, snr, visible, box, height[box].astype(np.float32), ratio)


def _box(mask: Mask, margin: int = 0) -> Window:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )
