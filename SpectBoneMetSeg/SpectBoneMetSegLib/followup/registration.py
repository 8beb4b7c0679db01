"""Where a place of one scan lies in another scan of the same patient, bone by bone.

Between two scans arms, legs, spine and pelvis lie anew, and cameras differ in pixel and field. A region of the skeleton
is carried by the affine map that takes its middle and its spread to those of the same region in the other scan (the
optimal transport between two normal distributions); so no bone depends on how another one lies. What lies on no region
that both scans show is carried by the map of all bones together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..quantification.anatomy import all_regions
from ..quantification.bones import onto_frame
from ..scan.planar import PlanarView, ViewName, WholeBodyScan

__all__ = ["Affine", "Registration", "register"]

Points = NDArray[np.float64]
#: Regions of fewer mm2 tell no map of their own.
LEAST_MM2 = 300.0
#: A place of a bone lies on the same bone of the other scan where that is no further away than this (mm).
NEAR_MM = 9.0
#: So many places of a bone tell how well it lies.
MOST_PLACES = 400
#: A bone does not change its size: factors of a region's own map beyond these are those of all bones together.
LARGEST_FACTOR = 1.35


@dataclass(frozen=True)
class Affine:
    """x -> target + matrix (x - source), of (R, S) places in mm.

    Attributes:
        source: (2,) mm.
        target: (2,) mm.
        matrix: (2, 2).
    """

    source: Points
    target: Points
    matrix: Points

    def __call__(self, points: Points) -> Points:
        """(n, 2) places carried."""
        return self.target + (points - self.source) @ self.matrix.T

    @property
    def inverse(self) -> Affine:
        """The map the other way."""
        return Affine(self.target, self.source, np.linalg.inv(self.matrix))


@dataclass(frozen=True)
class Registration:
    """The maps from one scan to another.

    Attributes:
        body: of all bones together.
        regions: {region number: its own map}.
        fit: 0..1, of the bones' places that lie, once carried, on the same bone of the other scan.
    """

    body: Affine
    regions: Mapping[int, Affine]
    fit: float = 1.0

    def of(self, region: int) -> Affine:
        """The map of a region; that of the body for one without."""
        return self.regions.get(region, self.body)


def register(
    before: WholeBodyScan,
    before_regions: Mapping[ViewName, NDArray[np.uint8]],
    after: WholeBodyScan,
    after_regions: Mapping[ViewName, NDArray[np.uint8]],
) -> Registration:
    """The maps from one scan to another one.

    Args:
        before_regions: per view region numbers on its own grid; without any the bodies' own counts tell the map of the
            whole body.
        after_regions: per view region numbers on its own grid; without any the bodies' own counts tell the map of the
            whole body.
    """
    numbers = [number for number, region in all_regions().items() if region.bone]
    one, two = _clouds(before, before_regions, numbers), _clouds(after, after_regions, numbers)
    shared = [number for number in numbers if number in one and number in two]
    if not shared:
        bodies = _body(before), _body(after)
        alone = _map(*bodies)
        return Registration(alone, {}, _fit([(alone, *bodies)]))
    body = _map(*(np.concatenate([each[number] for number in shared]) for each in (one, two)))
    regions = {}
    for number in shared:
        own = _map(one[number], two[number])
        factors = np.linalg.eigvalsh(own.matrix) / np.sqrt(abs(np.linalg.det(body.matrix)))
        plausible = factors.min() >= 1 / LARGEST_FACTOR and factors.max() <= LARGEST_FACTOR
        regions[number] = own if plausible else Affine(own.source, own.target, body.matrix)
    fit = _fit([(regions[number], one[number], two[number]) for number in shared])
    return Registration(body, regions, fit)


def _fit(carried: Sequence[tuple[Affine, Points, Points]]) -> float:
    """Share of places near a place of the same bone, of the scan where that is less; [(map, before, after)]."""
    both: tuple[list[NDArray[np.bool_]], list[NDArray[np.bool_]]] = ([], [])
    for step, before, after in carried:
        moved = step(before)
        both[0].append(_near(moved, after))
        both[1].append(_near(after, moved))
    return min(float(np.concatenate(near).mean()) for near in both)


def _near(places: Points, others: Points) -> NDArray[np.bool_]:
    """Which of some of these places lie near any of the others."""
    from scipy.spatial import cKDTree

    if not len(places) or not len(others):
        return np.zeros(1, bool)
    few = places[:: max(1, len(places) // MOST_PLACES)]
    return np.asarray(cKDTree(others).query(few, distance_upper_bound=NEAR_MM)[0] < np.inf)


def _clouds(scan: WholeBodyScan, maps: Mapping[ViewName, NDArray[np.uint8]], numbers: list[int]) -> dict[int, Points]:
    """{region: (n, 2) places R, S in mm of its pixels in all views}, of regions that are large enough."""
    frame = scan.frame
    found: dict[int, list[Points]] = {}
    for name, own in maps.items():
        shown = onto_frame(own, scan.views[name], frame)
        for number in np.intersect1d(shown, numbers).tolist():
            found.setdefault(number, []).append(pixel_positions(shown == number, frame))
    pixel = frame.spacing[0] * frame.spacing[1]
    clouds = {number: np.concatenate(parts) for number, parts in found.items()}
    return {number: cloud for number, cloud in clouds.items() if len(cloud) * pixel >= LEAST_MM2}


def _body(scan: WholeBodyScan) -> Points:
    """Places of the pixels that hold the upper half of a scan's counts."""
    counts = scan.frame.counts
    order = np.sort(counts.ravel())[::-1]
    total = np.cumsum(order, dtype=np.float64)
    level = order[int(np.searchsorted(total, total[-1] / 2))] if total[-1] > 0 else 0
    return pixel_positions(counts >= max(float(level), 1e-6), scan.frame)


def pixel_positions(mask: NDArray[np.bool_], frame: PlanarView) -> Points:
    """(n, 2) R, S in mm of the pixels of a mask on the anterior frame."""
    rows, columns = np.nonzero(mask)
    ijk = np.column_stack([columns, rows, np.zeros(len(rows)), np.ones(len(rows))])
    return np.asarray((ijk @ frame.ijk_to_ras.T)[:, [0, 2]])


def _map(one: Points, two: Points) -> Affine:
    """The affine map that takes mean and covariance of one cloud to those of the other."""
    if len(one) < 3 or len(two) < 3:
        return Affine(np.zeros(2), np.zeros(2), np.eye(2))
    # A quarter of a pixel squared keeps a line of pixels from having no width.
    first, second = (np.cov(cloud.T) + 0.25 * np.eye(2) for cloud in (one, two))
    root = _root(first)
    inverse = np.linalg.inv(root)
    return Affine(one.mean(0), two.mean(0), inverse @ _root(root @ second @ root) @ inverse)


def _root(matrix: Points) -> Points:
    """The symmetric square root of a positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T)
