"""Register two scans of a patient bone by bone.

Between two scans arms, legs, spine and pelvis are repositioned, and cameras differ in pixel size and field of view.
Each region of the skeleton has its own affine map, which takes mean and covariance of its pixels to those of the same
region in the other scan (optimal transport between two normal distributions). Positions outside the regions that both
scans show are mapped by the map of all bones together.
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
#: Regions smaller than this (mm2) get no map of their own.
LEAST_MM2 = 300.0
#: Largest distance (mm) from a mapped pixel of a bone to the same bone of the other scan for the fit.
NEAR_MM = 9.0
#: Largest number of pixels of a bone that are used for the fit.
MOST_POSITIONS = 400
#: A bone keeps its size: if a region's own map scales by more than this factor, or less than its inverse, relative to
#: the map of all bones, the matrix of all bones is used instead.
LARGEST_FACTOR = 1.35


@dataclass(frozen=True)
class Affine:
    """Affine map x -> target + matrix (x - source) of (R, S) positions in mm.

    Attributes:
        source: (2,) mm.
        target: (2,) mm.
        matrix: (2, 2).
    """

    source: Points
    target: Points
    matrix: Points

    def __call__(self, points: Points) -> Points:
        """Map (n, 2) positions in mm."""
        return self.target + (points - self.source) @ self.matrix.T

    @property
    def inverse(self) -> Affine:
        """The inverse map."""
        return Affine(self.target, self.source, np.linalg.inv(self.matrix))


@dataclass(frozen=True)
class Registration:
    """The maps from one scan to another.

    Attributes:
        body: map of all bones together.
        regions: {region number: its own map}.
        fit: share 0..1 of the bones' pixels that lie, after mapping, within NEAR_MM of the same bone of the other scan.
    """

    body: Affine
    regions: Mapping[int, Affine]
    fit: float = 1.0

    def of(self, region: int) -> Affine:
        """Return the map of a region, or that of the body for a region without its own map."""
        return self.regions.get(region, self.body)


def register(
    before: WholeBodyScan,
    before_regions: Mapping[ViewName, NDArray[np.uint8]],
    after: WholeBodyScan,
    after_regions: Mapping[ViewName, NDArray[np.uint8]],
) -> Registration:
    """Register one scan to another.

    Without regions in common the scans are registered by the pixels that hold the upper half of the counts.

    Args:
        before: the scan to map from.
        before_regions: per view (rows, columns) region numbers on its own grid; may be empty.
        after: the scan to map to.
        after_regions: per view (rows, columns) region numbers on its own grid; may be empty.
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


def _fit(bones: Sequence[tuple[Affine, Points, Points]]) -> float:
    """Return the share of pixels near the same bone of the other scan, of the scan where it is smaller.

    Args:
        bones: (map, pixels before, pixels after) of each bone.
    """
    both: tuple[list[NDArray[np.bool_]], list[NDArray[np.bool_]]] = ([], [])
    for step, before, after in bones:
        moved = step(before)
        both[0].append(_near(moved, after))
        both[1].append(_near(after, moved))
    return min(float(np.concatenate(near).mean()) for near in both)


def _near(positions: Points, others: Points) -> NDArray[np.bool_]:
    """Return for a sample of `positions` whether each is within NEAR_MM of any of `others`."""
    from scipy.spatial import cKDTree

    if not len(positions) or not len(others):
        return np.zeros(1, bool)
    few = positions[:: max(1, len(positions) // MOST_POSITIONS)]
    return np.asarray(cKDTree(others).query(few, distance_upper_bound=NEAR_MM)[0] < np.inf)


def _clouds(scan: WholeBodyScan, maps: Mapping[ViewName, NDArray[np.uint8]], numbers: list[int]) -> dict[int, Points]:
    """Return {region: (n, 2) R, S in mm of its pixels in all views} of regions that are large enough."""
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
    """Return (n, 2) R, S in mm of the pixels that hold the upper half of a scan's counts."""
    counts = scan.frame.counts
    order = np.sort(counts.ravel())[::-1]
    total = np.cumsum(order, dtype=np.float64)
    level = order[int(np.searchsorted(total, total[-1] / 2))] if total[-1] > 0 else 0
    return pixel_positions(counts >= max(float(level), 1e-6), scan.frame)


def pixel_positions(mask: NDArray[np.bool_], frame: PlanarView) -> Points:
    """Return (n, 2) R, S in mm of the pixels of a mask on the anterior frame."""
    rows, columns = np.nonzero(mask)
    ijk = np.column_stack([columns, rows, np.zeros(len(rows)), np.ones(len(rows))])
    return np.asarray((ijk @ frame.ijk_to_ras.T)[:, [0, 2]])


def _map(one: Points, two: Points) -> Affine:
    """Return the affine map that takes mean and covariance of one point cloud to those of another."""
    if len(one) < 3 or len(two) < 3:
        return Affine(np.zeros(2), np.zeros(2), np.eye(2))
    # Regularisation (0.25 mm2): a single line of pixels would have a singular covariance.
    first, second = (np.cov(cloud.T) + 0.25 * np.eye(2) for cloud in (one, two))
    root = _root(first)
    inverse = np.linalg.inv(root)
    return Affine(one.mean(0), two.mean(0), inverse @ _root(root @ second @ root) @ inverse)


def _root(matrix: Points) -> Points:
    """Return the symmetric square root of a positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T)
