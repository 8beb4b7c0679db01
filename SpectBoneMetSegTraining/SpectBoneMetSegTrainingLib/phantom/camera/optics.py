"""Projection through the collimator: depth slabs -> attenuation -> depth-dependent blur -> scatter.

Resolution, attenuation and scatter follow published values for a low-energy high-resolution (LEHR) collimator at 140
keV. FWHM is 4.0/5.2/7.4/9.1/11.2 mm at 0/5/10/15/20 cm. Attenuation is 0.15/cm in tissue, 0.045/cm in lung, about
0.20/cm in bone and about 1/cm in the alloys of a hip prosthesis. Scatter is 30-60 % of the primary counts in a 20 %
window, with a long tail.
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

#: Distance from the collimator (mm) and FWHM there (mm).
FWHM_MM = ((0.0, 4.0), (50.0, 5.2), (100.0, 7.4), (150.0, 9.1), (200.0, 11.2), (400.0, 20.0))
#: Attenuation of tissue and lung, and of bone beyond that of tissue, 1/cm.
MU_TISSUE, MU_LUNG, MU_BONE_EXTRA = 0.15, 0.045, 0.05
#: Attenuation of metal beyond that of tissue, 1/cm: between titanium (0.7/cm) and cobalt-chromium (1.4/cm).
MU_METAL_EXTRA = 0.85
#: Thickness of a depth slab.
SLAB_MM = 15.0
#: Scatter is computed on a grid that is coarser than the camera's by this factor.
SCATTER_COARSE = 4


@dataclass(frozen=True)
class DepthSlabs:
    """The depth slabs of a patient, from back (index 0) to front.

    Attributes:
        centres: (slabs,) A of the slabs, mm.
        transmission: {view: (slabs, rows, columns)} share of the photons that reaches the detector.
        distance: {view: (slabs,)} distance from slab to collimator, mm.
    """

    centres: NDArray[np.float64]
    transmission: dict[str, NDArray[np.float32]]
    distance: dict[str, NDArray[np.float64]]


def make_depth_slabs(person: Person, camera: Camera) -> DepthSlabs:
    """Compute the transmission from every slab to both detectors; points with volume 0 are ignored."""
    from scipy import ndimage

    occupied = person.tissues[person.tissue_volume > 0, 1]
    low, high = float(occupied.min()), float(occupied.max())
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
    """Add weighted points to a volume (slabs, rows, columns) in the anterior frame, bilinearly within each slab.

    Args:
        points: (n, 3) RAS mm.
        weights: (n,) activity; weights outside the field are lost.
        camera: defines the field.
        centres: (slabs,) A of the slabs, mm.
        shape: rows and columns of the result.
        coarse: pixel edge of the result / pixel edge of the camera.
    """
    pixel = camera.spacing * coarse
    columns = (camera.centre - points[:, 0]) / pixel + camera.shape[1] / (2 * coarse) - 0.5
    rows = (camera.top - points[:, 2]) / pixel - 0.5
    # A point up to one pixel beyond the edge contributes; a border of one pixel around the box takes the rest.
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
    # Sum only in the bounding box of the points: a lesion fills a thousandth of the volume.
    low = slab.min(), row.min(), column.min()
    size = (slab.max() - low[0] + 1, row.max() - low[1] + 2, column.max() - low[2] + 2)
    index = ((slab - low[0]) * size[1] + (row - low[1])) * size[2] + (column - low[2])
    lower = weights * down
    upper = weights - lower
    # One bincount for all four neighbours: four passes over the box would cost more than the points.
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
    """Project an activity volume (slabs, rows, columns) to its primary (unscattered) image.

    The image (rows, columns) is in the anterior frame, in units of the activity.
    """
    from scipy import ndimage

    image = np.zeros(activity.shape[1:], np.float32)
    for slab, transmission, distance in zip(activity, depths.transmission[view], depths.distance[view], strict=True):
        rows = slab.any(1)
        if not rows.any():
            continue
        sigma = blur_sigma(float(distance), camera)
        # Only the part of the slab with activity, extended by the reach of the blur.
        reach = int(np.ceil(4 * sigma)) + 1
        tall = _window(rows, reach)
        part = tall, _window(slab[tall].any(0), reach)
        image[part] += ndimage.gaussian_filter(slab[part] * transmission[part], sigma, mode="constant", truncate=4.0)
    return image


def blur_sigma(distance: float, camera: Camera) -> float:
    """Return the sigma (pixels) of the camera's blur at a distance (mm) from the collimator."""
    knots, fwhm = np.array(FWHM_MM).T
    return float(np.hypot(np.interp(distance, knots, fwhm), camera.intrinsic) / 2.3548 / camera.spacing)


def add_scatter(primary: Image, camera: Camera) -> Image:
    """Add scattered counts to a primary image; the kernel is a sum of two Gaussians with a nearly exponential tail."""
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
    """Upsample the last two axes bilinearly by `factor`, and crop to `shape`.

    For speed, the short axis uses a matrix product, the long axis a sum of neighbours for each of the `factor`
    positions in a cell.
    """
    wide = image.astype(np.float32) @ _interpolation(image.shape[-1], factor, shape[1]).T
    above, below = np.empty_like(wide), np.empty_like(wide)
    above[..., 1:, :], above[..., 0, :] = wide[..., :-1, :], wide[..., 0, :]
    below[..., :-1, :], below[..., -1, :] = wide[..., 1:, :], wide[..., -1, :]
    fine = np.empty((*wide.shape[:-1], factor, wide.shape[-1]), np.float32)
    for step in range(factor):
        offset = (step + 0.5) / factor - 0.5
        share = np.float32(abs(offset))
        np.multiply(wide, 1 - share, out=fine[..., step, :])
        fine[..., step, :] += share * (above if offset < 0 else below)
    return fine.reshape(*wide.shape[:-2], -1, wide.shape[-1])[..., : shape[0], :]


def _interpolation(size: int, factor: int, target: int) -> Image:
    """Return the weights (target, size) of linear interpolation between cell centres."""
    position = np.clip((np.arange(target) + 0.5) / factor - 0.5, 0, size - 1)
    left = np.minimum(position.astype(int), max(size - 2, 0))
    weights = np.zeros((target, size), np.float32)
    weights[np.arange(target), left] = 1 - (position - left)
    if size > 1:
        weights[np.arange(target), left + 1] = position - left
    return weights


def _window(occupied: NDArray[np.bool_], reach: int) -> slice:
    index = np.flatnonzero(occupied)
    return slice(max(int(index[0]) - reach, 0), int(index[-1]) + reach + 1)
