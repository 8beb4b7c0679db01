"""Statistics of one view by which populations are compared: counts, noise, bone levels and the outlined lesions.

The statistics are compared with the tables of real patients (`population_tables`). The level is the model's body level,
the 75th percentile of the body's pixels. A lesion is a connected component of the outlines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.inputs import body_mask, body_scale
from SpectBoneMetSegLib.scan.boxes import cut
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS, OTHER_REGIONS, RIGHT_OFFSET
from SpectBoneMetSegLib.scan.thorax import crop_thorax

from .calibration import THORAX_MM, neighbour_noise

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
RegionMap = NDArray[np.uint8]

#: Margin around lesions that is left out of a bone's level, and width of the ring around a lesion.
MARGIN_PIXELS, RING_PIXELS = 4, 5
#: Smallest number of pixels of a bone for its level, and of a lesion.
MINIMUM_BONE_PIXELS, MINIMUM_LESION_PIXELS = 20, 2
#: Last region of the bones that the share of lesions refers to, which are those that the tables of real patients name.
#: Forearms, hands, shanks and feet would add a third, more than the real lesions (number x area / share) allow.
LAST_BONE = BONE_REGIONS["clavicle"]
#: The hottest pixels of the thorax are those above this percentile of its body pixels.
HOT_PERCENTILE = 99.0
#: Name, in place of a region's, of a pixel inside an outline.
LESION_SITE = "lesion"
#: Rows of the thigh, as shares of the femur's height from its top, and distance from the bone, pixels.
THIGH_ROWS, THIGH_MARGIN = (0.35, 0.75), 3


@dataclass(frozen=True)
class LesionStatistics:
    """Statistics of one connected outline.

    Attributes:
        area_cm2: area.
        ratio: mean inside / mean in the ring.
        p95: 95th percentile inside / body level.
        elongation: ratio of the principal axes.
        outline: (rim - surroundings) / (top - surroundings).
        site: region that holds most of its pixels.
        thorax: whether its centre is in the thorax box.
    """

    area_cm2: float
    ratio: float
    p95: float
    elongation: float
    outline: float
    site: str
    thorax: bool


@dataclass(frozen=True)
class ViewStatistics:
    """Statistics of one view.

    Attributes:
        values: {row of the tables: value}, NaN where the view has none.
        lesions: statistics of its lesions.
        maximum_site: region of the hottest pixel; LESION_SITE inside an outline, "" outside all regions.
        hot_thorax: {region, or LESION_SITE: share of the hottest pixels of the thorax}; outlined pixels count for both.
    """

    values: dict[str, float]
    lesions: list[LesionStatistics] = field(default_factory=list)
    maximum_site: str = ""
    hot_thorax: dict[str, float] = field(default_factory=dict)


def view_statistics(counts: Image, outlines: Mask, regions: RegionMap, spacing: float) -> ViewStatistics:
    """Measure one view.

    Args:
        counts: (rows, columns), anterior frame.
        outlines: (rows, columns) all labelled lesions.
        regions: (rows, columns) region numbers.
        spacing: pixel edge, mm.
    """
    level = body_scale(counts)
    crop = crop_thorax(counts, spacing, round(THORAX_MM / spacing))
    thorax = cut(counts, crop.rows, crop.columns)
    inside = thorax[body_mask(thorax)]
    bone = (regions > 0) & (regions % RIGHT_OFFSET <= LAST_BONE)
    lesions = lesion_statistics(counts, outlines, regions, spacing, level, (crop.rows, crop.columns))
    values = {
        "counts_million": float(counts.sum(dtype=np.float64)) / 1e6,
        "level_counts": level,
        "maximum_over_level": float(counts.max()) / level,
        "thorax_p99_over_p50": float(np.percentile(inside, 99)) / max(float(np.percentile(inside, 50)), 1e-6),
        "noise": neighbour_noise(thorax),
        "thigh_over_level": thigh_level(counts, regions) / level,
        "rib_width_cm": rib_width(regions) * spacing / 10,
        "lesions": float(len(lesions)),
        "lesions_thorax": float(sum(lesion.thorax for lesion in lesions)),
        "lesion_share_percent": 100 * float((outlines & bone).sum()) / max(int(bone.sum()), 1),
    }
    for name, mean in bone_levels(counts, outlines, regions).items():
        values[f"bone {name}"] = mean / level
    peak = np.unravel_index(int(counts.argmax()), counts.shape)
    return ViewStatistics(
        values,
        lesions,
        LESION_SITE if outlines[peak] else _region_name(int(regions[peak]) % RIGHT_OFFSET),
        hot_sites(thorax, cut(outlines, crop.rows, crop.columns), cut(regions, crop.rows, crop.columns)),
    )


def hot_sites(counts: Image, outlines: Mask, regions: RegionMap) -> dict[str, float]:
    """Return {region, or LESION_SITE: share of the hottest body pixels} of a crop; outlined pixels count for both."""
    body = body_mask(counts)
    hot = body & (counts >= np.percentile(counts[body], HOT_PERCENTILE))
    numbers = regions[hot] % RIGHT_OFFSET
    shares = {_region_name(number): float((numbers == number).mean()) for number in np.unique(numbers).tolist()}
    return {LESION_SITE: float(outlines[hot].mean()), **shares}


def _region_name(number: int) -> str:
    """Return the name of a region number without its side; "" for none."""
    return next((name for name, own in {**BONE_REGIONS, **OTHER_REGIONS}.items() if own == number), "")


def bone_levels(counts: Image, outlines: Mask, regions: RegionMap) -> dict[str, float]:
    """Return {bone region: mean counts} without lesions and a margin around them; NaN where too few pixels remain."""
    from scipy import ndimage

    near = ndimage.binary_dilation(outlines, np.ones((3, 3)), MARGIN_PIXELS) if outlines.any() else outlines
    levels = {}
    for name, number in BONE_REGIONS.items():
        chosen = (regions % RIGHT_OFFSET == number) & ~near
        levels[name] = float(counts[chosen].mean()) if chosen.sum() >= MINIMUM_BONE_PIXELS else float("nan")
    return levels


def thigh_level(counts: Image, regions: RegionMap) -> float:
    """Return the median counts of the soft tissue of the thighs, away from the femur; NaN if no femur is visible."""
    from scipy import ndimage

    femur = regions % RIGHT_OFFSET == BONE_REGIONS["femur"]
    rows = np.flatnonzero(femur.any(1))
    if not len(rows):
        return float("nan")
    first, end = (int(rows[0] + share * (rows[-1] - rows[0])) for share in THIGH_ROWS)
    part = counts[first : end + 1]
    smooth = ndimage.gaussian_filter(part, 2.0)
    near = ndimage.binary_dilation(regions[first : end + 1] > 0, iterations=THIGH_MARGIN)
    soft_tissue = ~near & (smooth > 0.25 * np.percentile(smooth[~near], 95)) if (~near).any() else near
    return float(np.median(smooth[soft_tissue])) if soft_tissue.any() else float("nan")


def rib_width(regions: RegionMap) -> float:
    """Return the width of the rib cage, in columns; NaN if no rib is visible."""
    columns = np.flatnonzero((regions % RIGHT_OFFSET == BONE_REGIONS["ribs"]).any(0))
    return float(columns[-1] - columns[0] + 1) if len(columns) else float("nan")


def lesion_statistics(
    counts: Image,
    outlines: Mask,
    regions: RegionMap,
    spacing: float,
    level: float,
    thorax: tuple[tuple[int, int], tuple[int, int]],
) -> list[LesionStatistics]:
    """Measure every connected outline of at least MINIMUM_LESION_PIXELS pixels.

    Args:
        counts: (rows, columns), anterior frame.
        outlines: (rows, columns) all labelled lesions.
        regions: (rows, columns) region numbers.
        spacing: pixel edge, mm.
        level: of the body, counts.
        thorax: rows and columns of the thorax box, half open.
    """
    from scipy import ndimage

    parts, _ = ndimage.label(outlines, np.ones((3, 3)))
    found = []
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        wide = tuple(slice(max(edge.start - RING_PIXELS - 1, 0), edge.stop + RING_PIXELS + 1) for edge in box)
        mask = parts[wide] == number
        if mask.sum() < MINIMUM_LESION_PIXELS:
            continue
        part = counts[wide]
        ring = ndimage.binary_dilation(mask, iterations=RING_PIXELS) & ~outlines[wide]
        rows, columns = np.nonzero(mask)
        middle = wide[0].start + rows.mean(), wide[1].start + columns.mean()
        inside = all(first <= position < end for position, (first, end) in zip(middle, thorax, strict=True))
        found.append(
            LesionStatistics(
                area_cm2=float(mask.sum()) * spacing**2 / 100,
                ratio=float(part[mask].mean() / max(part[ring].mean(), 1e-6)) if ring.any() else float("nan"),
                p95=float(np.percentile(part[mask], 95)) / level,
                elongation=elongation(rows, columns),
                outline=outline_fraction(part, mask, ring),
                site=site_of(regions[wide][mask]),
                thorax=inside,
            )
        )
    return found


def elongation(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
    """Return the ratio (>= 1) of the principal axes of a set of square pixels."""
    spread = np.cov(np.stack([rows, columns]).astype(float), bias=True) + np.eye(2) / 12
    low, high = np.linalg.eigvalsh(spread)
    return float(np.sqrt(high / low))


def outline_fraction(counts: Image, mask: Mask, ring: Mask) -> float:
    """Return the level of an outline between its surroundings (0: median of the ring) and its top (1: 95th percentile).

    The level is the mean of the rim, the outermost pixels inside the outline.
    """
    from scipy import ndimage

    inner = mask & ~ndimage.binary_erosion(mask)
    if not ring.any():
        return float("nan")
    rim, around, top = counts[inner].mean(), float(np.median(counts[ring])), float(np.percentile(counts[mask], 95))
    return float((rim - around) / (top - around)) if top > around else float("nan")


def site_of(regions: RegionMap) -> str:
    """Return the name of the bone region that holds most of a lesion's pixels; "" for none."""
    numbers = np.bincount(regions % RIGHT_OFFSET, minlength=RIGHT_OFFSET)
    names = {number: name for name, number in BONE_REGIONS.items()}
    best = max(names, key=lambda number: int(numbers[number]))
    return names[best] if numbers[best] else ""
