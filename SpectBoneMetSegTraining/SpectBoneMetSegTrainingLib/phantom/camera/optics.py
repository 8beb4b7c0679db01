"""What the collimator sees: depth slabs -> attenuation -> depth-dependent blur -> scatter.

Resolution, attenuation and scatter follow published values for a low-energy high-resolution (LEHR) collimator at 140
keV: FWHM 4.0/5.2/7.4/9.1/11.2 mm at 0/5/10/15/20 cm; 0.15/cm in tissue, 0.045/cm in lung, about 0.20/cm in bone, about
1/cm in the alloys of a hip prosthesis; scatter 30-60 % of the primary counts in a 20 % window with a long tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..person.soft_tissue import TISSUES

if TYPE_CHECKING:
    from ..person.anatomy import Person
    from .acquisition import Camera

Image = NDArray[np.float32]

FWHM_MM = ((0.0, 4.0), (50.0, 5.2), (100.0, 7.4), (150.0, 9.1), (200.0, 11.2), (400.0, 20.0))
MU_TISSUE, MU_LUNG, MU_BONE_EXTRA = 0.15, 0.045, 0.05
#: Between titanium (0.7/cm) and cobalt-chromium (1.4/cm), over the tissue that is counted at the same place.
MU_METAL_EXTRA = 0.85
SLAB_MM = 15.0
#: Scatter is worked out on a grid so many times coarser than the camera's.
SCATTER_COARSE = 4


@dataclass(frozen=True)
class DepthSlabs:
    """The patient cut into depth slabs, back (index 0) to front.

    Attributes:
        centres: (slabs,) A mm.
        transmission: {view: (slabs, rows, columns)} fraction that reaches the detector.
        distance: {view: (slabs,)} mm from slab to collimator.
    """

    centres: NDArray[np.float64]
    transmission: dict[str, NDArray[np.float32]]
    distance: dict[str, NDArray[np.float64]]


def make_depth_slabs(person: Person, camera: Camera) -> DepthSlabs:
    """Attenuation of every slab towards both detectors; points without volume are not there."""
    from scipy import ndimage

    there = person.tissues[person.tissue_volume > 0, 1]
    low, high = float(there.min()), float(there.max())
    count = max(2, int(np.ceil((high - low) / SLAB_MM)))
    centres: NDArray[np.float64] = np.asarray(low + (np.arange(count) + 0.5) * SLAB_MM, np.float64)
    mu = np.array([MU_LUNG if name == "lung" else MU_TISSUE for name in TISSUES])[person.tissue]
    extra = np.where(person.prosthesis, MU_METAL_EXTRA, MU_BONE_EXTRA)
    coarse = 4
    pixel = camera.spacing * coarse / 10
    shape = (-(-camera.shape[0] // coarse), -(-camera.shape[1] // coarse))
    path = splat(person.tissues, mu * person.tissue_volume / pixel**2, camera, centres, shape, coarse)
    path += splat(person.bones, extra * person.bone_volume / pixel**2, camera, centres, shape, coarse)
    path = ndimage.gaussian_filter(path, (0.5, 0.7, 0.7))
    in_front = np.cumsum(path[::-1], 0)[::-1] - path / 2
    behind = np.cumsum(path, 0) - path / 2
    transmission = {}
    for view, amount in (("anterior", in_front), ("posterior", behind)):
        fine = upsample(-amount, coarse, camera.shape)
        transmission[view] = np.exp(fine, out=fine)
    distance = {"anterior": high - centres + camera.gap[0], "posterior": centres - low + camera.gap[1]}
    return DepthSlabs(centres, transmission, distance)


def splat(
    points: NDArray[np.float32],
    weights: NDArray[np.floating],
    camera: Camera,
    centres: NDArray[np.float64],
    shape: tuple[int, int],
    coarse: int = 1,
) -> Image:
    """Sum weighted points into (slabs, rows, columns) of the anterior frame, bilinear in the plane.

    `shape` and `coarse` choose a grid `coarse` times coarser than the camera's. Weights outside the field are lost;
    points of weight 0 are passed over.
    """
    pixel = camera.spacing * coarse
    columns = (camera.centre - points[:, 0]) / pixel + camera.shape[1] / (2 * coarse) - 0.5
    rows = (camera.top - points[:, 2]) / pixel - 0.5
    # Half a pixel beyond the edge a point still reaches in; the frame of one pixel round the box takes the other half.
    kept = (weights != 0) & (rows > -1) & (rows < shape[0]) & (columns > -1) & (columns < shape[1])
    volume = np.zeros((len(centres), *shape), np.float32)
    if not kept.any():
        return volume
    if not kept.all():
        rows, columns, weights, depth = rows[kept], columns[kept], weights[kept], points[kept, 1]
    else:
        depth = points[:, 1]
    slab = np.clip(((depth - centres[0]) / SLAB_MM + 0.5).astype(np.int64), 0, len(centres) - 1)
    row, column = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    down, across = rows - row, columns - column
    # Count in the box that holds the points only: a lesion fills a thousandth of the volume.
    low = slab.min(), row.min(), column.min()
    size = (slab.max() - low[0] + 1, row.max() - low[1] + 2, column.max() - low[2] + 2)
    index = ((slab - low[0]) * size[1] + (row - low[1])) * size[2] + (column - low[2])
    lower = weights * down
    upper = weights - lower
    # One count of all four neighbours: passing over the box four times would cost more than the points do.
    neighbours = np.concatenate([index, index + 1, index + size[2], index + size[2] + 1])
    parts = np.concatenate([upper - upper * across, upper * across, lower - lower * across, lower * across])
    box = np.bincount(neighbours, parts, int(np.prod(size)))
    inside = tuple(
        slice(max(int(first), 0), min(int(first + extent), limit))
        for first, extent, limit in zip(low, size, volume.shape, strict=True)
    )
    cut = tuple(slice(part.start - int(first), part.stop - int(first)) for part, first in zip(inside, low, strict=True))
    volume[inside] = box.reshape(size)[cut]
    return volume


def project(activity: Image, depths: DepthSlabs, camera: Camera, view: str) -> Image:
    """Primary (unscattered) image of an activity volume (slabs, rows, columns), anterior frame, arbitrary scale."""
    from scipy import ndimage

    image = np.zeros(activity.shape[1:], np.float32)
    for slab, transmission, distance in zip(activity, depths.transmission[view], depths.distance[view], strict=True):
        rows = slab.any(1)
        if not rows.any():
            continue
        sigma = blur_sigma(float(distance), camera)
        # Only the part of the slab that holds activity, and what its blur reaches.
        reach = int(np.ceil(4 * sigma)) + 1
        tall = _window(rows, reach)
        part = tall, _window(slab[tall].any(0), reach)
        image[part] += ndimage.gaussian_filter(slab[part] * transmission[part], sigma, mode="constant", truncate=4.0)
    return image


def blur_sigma(distance: float, camera: Camera) -> float:
    """Sigma in pixels of the camera's blur at a distance (mm) from the collimator."""
    knots, fwhm = np.array(FWHM_MM).T
    return float(np.hypot(np.interp(distance, knots, fwhm), camera.intrinsic) / 2.3548 / camera.spacing)


def add_scatter(primary: Image, camera: Camera) -> Image:
    """Primary plus scattered counts; the tail of the scatter kernel is close to exponential (two Gaussians)."""
    from scipy import ndimage

    coarse = SCATTER_COARSE
    rows, columns = (-(-size // coarse) * coarse for size in primary.shape)
    padded = np.zeros((rows, columns), np.float32)
    padded[: primary.shape[0], : primary.shape[1]] = primary
    small = padded.reshape(rows // coarse, coarse, columns // coarse, coarse).mean((1, 3))
    scale = camera.scatter_width / (camera.spacing * coarse)
    tail = 0.65 * ndimage.gaussian_filter(small, 18 * scale, mode="constant")
    tail += 0.35 * ndimage.gaussian_filter(small, 48 * scale, mode="constant", truncate=3)
    return primary + np.float32(camera.scatter) * upsample(tail, coarse, (primary.shape[0], primary.shape[1]))


def upsample(image: Image, factor: int, shape: tuple[int, int]) -> Image:
    """Bilinear refinement of the last two axes by `factor`, cut to `shape`.

    Along the short axis a matrix product is the fastest way, along the long one a sum of neighbours for each of the
    `factor` places within a cell.
    """
    wide = image.astype(np.float32) @ _interpolation(image.shape[-1], factor, shape[1]).T
    above, below = np.empty_like(wide), np.empty_like(wide)
    above[..., 1:, :], above[..., 0, :] = wide[..., :-1, :], wide[..., 0, :]
    below[..., :-1, :], below[..., -1, :] = wide[..., 1:, :], wide[..., -1, :]
    fine = np.empty((*wide.shape[:-1], factor, wide.shape[-1]), np.float32)
    for place in range(factor):
        offset = (place + 0.5) / factor - 0.5
        share = np.float32(abs(offset))
        np.multiply(wide, 1 - share, out=fine[..., place, :])
        fine[..., place, :] += share * (above if offset < 0 else below)
    return fine.reshape(*wide.shape[:-2], -1, wide.shape[-1])[..., : shape[0], :]


def _interpolation(size: int, factor: int, wanted: int) -> Image:
    """(wanted, size) weights of linear interpolation between cell centres."""
    place = np.clip((np.arange(wanted) + 0.5) / factor - 0.5, 0, size - 1)
    left = np.minimum(place.astype(int), max(size - 2, 0))
    weights = np.zeros((wanted, size), np.float32)
    weights[np.arange(wanted), left] = 1 - (place - left)
    if size > 1:
        weights[np.arange(wanted), left + 1] = place - left
    return weights


def _window(hit: NDArray[np.bool_], reach: int) -> slice:
    index = np.flatnonzero(hit)
    return slice(max(int(index[0]) - reach, 0), int(index[-1]) + reach + 1)
